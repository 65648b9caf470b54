"""Requests and responses: named tensors as Open Inference Protocol v2 messages, and back.

Tensors are written as raw contents. The message around them is put together by hand and joined with the arrays'
memory in one copy; reading scans the fields by hand, so that tensor bytes are never copied into protobuf's memory.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from rilaas.core import InvalidInput, SignatureMismatch, Tensors
from rilaas.wire import inference_pb2 as pb
from rilaas.wire.field import Buffer, read_text, scan, text, varint
from rilaas.wire.parameter import FIELD as PARAMETERS
from rilaas.wire.parameter import Parameter, Parameters, decode_parameters, encode_parameters
from rilaas.wire.tensor import array_of_raw, array_of_typed, raw_of

_TENSOR = 5  # inputs of a request, outputs of a response; both kinds of tensor have the same fields
_WANTED = 6  # outputs of a request
_RAW_INPUT, _RAW_OUTPUT = 7, 6
_MAX_MESSAGE_BYTES = 2**31 - 1  # protobuf's own limit
_CACHED_BYTES = 256  # tensor headers up to this size are remembered


@dataclass(frozen=True, slots=True, eq=False)
class InferRequest:
    """A request, read.

    Attributes:
        model: The model's name.
        version: Its version, '' for the newest.
        request_id: Chosen by the caller, '' where it chose none.
        parameters: Small values beside the tensors.
        tensors: Inputs by name; read-only, and sharing memory with the message where they can.
        outputs: Names of the outputs that are wanted; empty for all.
    """

    model: str
    version: str
    request_id: str
    parameters: Mapping[str, Parameter]
    tensors: Tensors
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class InferResponse:
    """A response, read; see ``InferRequest``. Its tensors are the reader's own and may be written to."""

    model: str
    version: str
    request_id: str
    parameters: Mapping[str, Parameter]
    tensors: Tensors


def encode_request(
    model: str, version: str, tensors: Tensors, *, request_id: str = "", parameters: Parameters | None = None
) -> bytes:
    """A serialized ModelInferRequest with raw contents.

    Args:
        model: The model's name.
        version: Its version, '' for the newest.
        tensors: Inputs by name. Any layout and byte order is accepted; C-contiguous little-endian ones are fastest.
        request_id: Comes back in the response.
        parameters: Small values beside the tensors.

    Raises:
        SignatureMismatch: A tensor cannot be sent.
        InvalidInput: A parameter or a name cannot be sent, or the message would be larger than 2 GiB.
    """
    return _encode(_RAW_INPUT, model, version, tensors, request_id, parameters)


def encode_response(
    model: str, version: str, tensors: Tensors, *, request_id: str = "", parameters: Parameters | None = None
) -> bytes:
    """A serialized ModelInferResponse with raw contents; see ``encode_request``."""
    return _encode(_RAW_OUTPUT, model, version, tensors, request_id, parameters)


def _encode(
    raw: int, model: str, version: str, tensors: Tensors, request_id: str, parameters: Parameters | None
) -> bytes:
    parts: list[bytes] = [text(b"\x0a", model), text(b"\x12", version), text(b"\x1a", request_id)]
    if parameters:
        parts.append(encode_parameters(parameters))
    contents: list[Any] = []  # bytes and arrays: whatever has the buffer protocol
    tag, total = bytes((raw << 3 | 2,)), 0
    for name, array in tensors.items():
        datatype, data, size = raw_of(name, array)
        parts.append(_tensor_field(name, datatype, array.shape))
        contents.append(tag + varint(size))
        contents.append(data)
        total += size
    if total > _MAX_MESSAGE_BYTES - 2**20:
        raise InvalidInput(f"The tensors take {total} bytes; a message may have {_MAX_MESSAGE_BYTES}.")
    return b"".join([*parts, *contents])


@functools.lru_cache(maxsize=1024)
def _tensor_field(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(map(varint, shape))
    tensor = text(b"\x0a", name) + text(b"\x12", datatype)
    if shape:
        tensor += b"\x1a" + varint(len(sizes)) + sizes
    return bytes((_TENSOR << 3 | 2,)) + varint(len(tensor)) + tensor


@dataclass(frozen=True, slots=True)
class _Header:
    """A tensor without its raw contents; ``contents`` only where it was sent typed."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    contents: pb.InferTensorContents | None = None


@dataclass(slots=True)
class _Parts:
    """The pieces of a message, cut but not yet read."""

    names: list[str]
    headers: list[_Header] = field(default_factory=list)
    raws: list[Buffer] = field(default_factory=list)
    parameters: bytes = b""
    wanted: bytes = b""


def decode_request(body: Buffer) -> InferRequest:
    """Read a serialized ModelInferRequest with raw or typed contents.

    Raises:
        SignatureMismatch: A tensor's datatype, shape and contents do not fit each other.
        InvalidInput: It is not valid protobuf, mixes raw and typed contents, names a tensor twice, or wants something
            that we do not offer (shared memory, classification).
    """
    parts = _cut(body, _RAW_INPUT)
    tensors = _tensors(parts)
    model, version, request_id = parts.names
    return InferRequest(
        model, version, request_id, decode_parameters(parts.parameters), tensors, _wanted(parts.wanted)
    )


def decode_response(body: Buffer) -> InferResponse:
    """Read a serialized ModelInferResponse; see ``decode_request``."""
    parts = _cut(body, _RAW_OUTPUT)
    tensors = {name: array.copy() for name, array in _tensors(parts).items()}
    model, version, request_id = parts.names
    return InferResponse(model, version, request_id, decode_parameters(parts.parameters), tensors)


def _cut(body: Buffer, raw: int) -> _Parts:
    parts = _Parts(["", "", ""])
    view = memoryview(body)
    for number, tag, start, end in scan(body):
        if number == raw:
            parts.raws.append(view[start:end])
        elif number == _TENSOR:
            read = _read_header if end - start <= _CACHED_BYTES else _parse_header
            parts.headers.append(read(bytes(view[start:end])))
        elif number <= 3:
            parts.names[number - 1] = read_text(body, start, end, ("model_name", "model_version", "id")[number - 1])
        elif number == PARAMETERS:
            parts.parameters += view[tag:end]
        elif number == _WANTED:
            parts.wanted += view[tag:end]
    return parts


def _parse_header(data: bytes) -> _Header:
    try:
        tensor = pb.ModelInferRequest.InferInputTensor.FromString(data)
    except DecodeError as error:
        raise InvalidInput(f"A tensor's description is not valid protobuf: {error}.") from None
    for name in tensor.parameters:
        if name.startswith("shared_memory"):
            raise InvalidInput(
                f"Tensor {tensor.name!r} lies in shared memory, which is not offered.", "Send its contents."
            )
    contents = tensor.contents if tensor.HasField("contents") else None
    return _Header(tensor.name, tensor.datatype, tuple(tensor.shape), contents)


_read_header = functools.lru_cache(maxsize=1024)(_parse_header)


def _tensors(parts: _Parts) -> dict[str, np.ndarray]:
    headers, raws = parts.headers, parts.raws
    typed = [header.name for header in headers if header.contents is not None and header.contents.ByteSize()]
    if raws and typed:
        raise InvalidInput(f"The message has raw contents and typed contents (of {typed[0]!r}); send one kind.")
    if raws and len(raws) != len(headers):
        raise SignatureMismatch(
            f"The message describes {len(headers)} tensors and holds raw contents of {len(raws)}."
        )
    tensors: dict[str, np.ndarray] = {}
    for index, header in enumerate(headers):
        if header.name in tensors:
            raise InvalidInput(f"The message has two tensors {header.name!r}.")
        if raws:
            array = array_of_raw(header.name, header.datatype, header.shape, raws[index])
        else:
            contents = header.contents if header.contents is not None else pb.InferTensorContents()
            array = array_of_typed(header.name, header.datatype, header.shape, contents)
        tensors[header.name] = array
    return tensors


def _wanted(fields: bytes) -> tuple[str, ...]:
    if not fields:
        return ()
    try:
        outputs = pb.ModelInferRequest.FromString(fields).outputs
    except DecodeError as error:
        raise InvalidInput(f"The wanted outputs are not valid protobuf: {error}.") from None
    for output in outputs:
        for name in output.parameters:
            if name == "classification" or name.startswith("shared_memory"):
                raise InvalidInput(f"Output {output.name!r} is wanted with {name!r}, which is not offered.")
    return tuple(output.name for output in outputs)
