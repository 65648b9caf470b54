"""Parameters: small named values that travel beside the tensors."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from google.protobuf.message import DecodeError

from rilaas.core import InvalidInput
from rilaas.wire import inference_pb2 as pb
from rilaas.wire.field import text, varint

Parameter = str | int | float | bool
Parameters = Mapping[str, Parameter]

FIELD = 4  # in ModelInferRequest and in ModelInferResponse
_TAG = bytes((FIELD << 3 | 2,))


def encode_parameters(parameters: Parameters) -> bytes:
    """Parameters as fields that may be appended to a serialized ModelInferRequest or ModelInferResponse.

    Raises:
        InvalidInput: A value is no text, number or truth value, or an integer of more than 64 bits.
    """
    out = b""
    for name, value in parameters.items():
        choice = _encode_value(name, value)
        entry = text(b"\x0a", name) + b"\x12" + varint(len(choice)) + choice
        out += _TAG + varint(len(entry)) + entry
    return out


def _encode_value(name: str, value: Parameter) -> bytes:
    if isinstance(value, bool):
        return b"\x08\x01" if value else b"\x08\x00"
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    if isinstance(value, str):
        return text(b"\x1a", value) or b"\x1a\x00"
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return b"\x10" + varint(value)
        if 0 <= value < 2**64:
            return b"\x28" + varint(value)
        raise InvalidInput(f"Parameter {name!r} has {value.bit_length()} bits; an integer may have 64.")
    raise InvalidInput(f"Parameter {name!r} is a {type(value).__name__}; valid are text, numbers and truth values.")


def read_parameters(entries: Iterable[tuple[str, pb.InferParameter]]) -> dict[str, Parameter]:
    """The values of a parsed parameter map.

    Raises:
        InvalidInput: One has a name and no value.
    """
    values: dict[str, Parameter] = {}
    for name, parameter in entries:
        choice = parameter.WhichOneof("parameter_choice")
        if choice is None:
            raise InvalidInput(f"Parameter {name!r} has no value.")
        values[name] = getattr(parameter, choice)
    return values


def decode_parameters(fields: bytes) -> dict[str, Parameter]:
    """The inverse of ``encode_parameters``.

    Raises:
        InvalidInput: The fields are not valid protobuf, or one has a name and no value.
    """
    if not fields:
        return {}
    try:
        return read_parameters(pb.ModelInferResponse.FromString(fields).parameters.items())
    except DecodeError as error:
        raise InvalidInput(f"The message's parameters are not valid protobuf: {error}.") from None
