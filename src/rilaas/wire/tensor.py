"""Arrays as bytes of the protocol, and back.

Raw contents are little-endian, row-major, without padding; each element of a BYTES tensor is preceded by its length
as u32. Sizes are compared in Python's unbounded integers before numpy sees them.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Sequence

import numpy as np

from rilaas.core import DATATYPES, SignatureMismatch, did_you_mean
from rilaas.core.signature import MAX_RANK, datatype_of
from rilaas.wire import inference_pb2 as pb
from rilaas.wire.field import Buffer, encode_text, scan

_BY_STR = {dtype.newbyteorder("<").str: name for name, dtype in DATATYPES.items() if name != "BYTES"}
_LITTLE = {name: dtype.newbyteorder("<") for name, dtype in DATATYPES.items()}
_MAX_ELEMENTS = 2**40  # counted with empty axes as 1: numpy refuses shapes such as (0, 2**62)
_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def raw_of(name: str, array: np.ndarray) -> tuple[str, np.ndarray | bytes, int]:
    """Datatype, raw contents and their size in bytes; the array itself where it has the right layout already.

    Raises:
        SignatureMismatch: It is no array, its dtype has no counterpart in the protocol, it has too many axes, or an
            object array holds something else than bytes and text.
    """
    if not isinstance(array, np.ndarray):
        raise SignatureMismatch(f"Tensor {name!r} is a {type(array).__name__}.", "Pass a numpy array.")
    if array.ndim > MAX_RANK:
        raise SignatureMismatch(f"Tensor {name!r} has {array.ndim} axes; at most {MAX_RANK} are valid.")
    datatype = _BY_STR.get(array.dtype.str)
    if datatype is None:
        datatype = datatype_of(array)
        if datatype == "BYTES":
            raw = _join(name, array)
            return datatype, raw, len(raw)
        array = array.astype(_LITTLE[datatype])
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return datatype, array, array.nbytes


def _join(name: str, array: np.ndarray) -> bytes:
    parts: list[bytes] = []
    for value in array.ravel().tolist():
        if isinstance(value, str):
            value = encode_text(value)
        elif not isinstance(value, bytes):
            raise SignatureMismatch(f"Tensor {name!r} holds a {type(value).__name__}; BYTES holds bytes or text.")
        parts += (struct.pack("<I", len(value)), value)
    return b"".join(parts)


def elements_of(name: str, datatype: str, shape: tuple[int, ...]) -> int:
    """The number of elements that a shape declares.

    Raises:
        SignatureMismatch: Unknown datatype, too many axes, a negative or an absurd size.
    """
    if datatype not in DATATYPES:
        raise SignatureMismatch(f"Tensor {name!r} has datatype {datatype!r}.", did_you_mean(datatype, DATATYPES))
    if len(shape) > MAX_RANK:
        raise SignatureMismatch(f"Tensor {name!r} has {len(shape)} axes; at most {MAX_RANK} are valid.")
    elements = _count(shape)
    if elements < 0:
        raise SignatureMismatch(
            f"Tensor {name!r} has shape {list(shape)}; valid sizes are >= 0, with at most {_MAX_ELEMENTS} elements."
        )
    return elements


@functools.lru_cache(maxsize=1024)
def _count(shape: tuple[int, ...]) -> int:
    """The product, -1 where it is not valid; of short shapes only, so that the cache stays small."""
    if any(size < 0 for size in shape) or math.prod(size or 1 for size in shape) > _MAX_ELEMENTS:
        return -1
    return math.prod(shape)


def array_of_raw(name: str, datatype: str, shape: tuple[int, ...], raw: Buffer) -> np.ndarray:
    """An array over raw contents, without a copy where their address is aligned for the dtype.

    Returns:
        Read-only array of the shape; object array of bytes for BYTES.

    Raises:
        SignatureMismatch: The sizes do not fit, or a BOOL is neither 0 nor 1.
    """
    elements = elements_of(name, datatype, shape)
    if datatype == "BYTES":
        return _objects(_split(name, raw, elements), shape)
    dtype = _LITTLE[datatype]
    if elements * dtype.itemsize != len(raw):
        raise SignatureMismatch(
            f"Tensor {name!r} is {datatype} {list(shape)}, which takes {elements * dtype.itemsize} bytes; "
            f"the message holds {len(raw)}."
        )
    array = np.frombuffer(raw, dtype) if elements else np.empty(0, dtype)
    if not array.flags.aligned:
        array = np.frombuffer(bytes(raw), dtype)
    if datatype == "BOOL" and elements and array.view(np.uint8).max() > 1:
        raise SignatureMismatch(f"Tensor {name!r} is BOOL and holds bytes other than 0 and 1.")
    return _read_only(array if dtype.isnative else array.astype(DATATYPES[datatype]), shape)


def _read_only(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    array.flags.writeable = False
    return array.reshape(shape)


def _split(name: str, raw: Buffer, elements: int) -> list[bytes]:
    values: list[bytes] = []
    position, size = 0, len(raw)
    if elements * 4 <= size:
        while len(values) < elements and position + 4 <= size:
            end = position + 4 + int.from_bytes(raw[position : position + 4], "little")
            if end > size:
                break
            values.append(bytes(raw[position + 4 : end]))
            position = end
    if len(values) != elements or position != size:
        raise SignatureMismatch(
            f"Tensor {name!r} is BYTES with {elements} elements; its {size} bytes hold {len(values)} whole ones"
            f"{f' and {size - position} bytes more' if position != size else ''}.",
            "Each element is preceded by its length as a little-endian 32-bit number.",
        )
    return values


def _objects(values: Sequence[bytes], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return _read_only(array, shape)


def array_of_typed(name: str, datatype: str, shape: tuple[int, ...], contents: pb.InferTensorContents) -> np.ndarray:
    """An array of typed contents; see ``array_of_raw``.

    Raises:
        SignatureMismatch: The sizes do not fit, a value does not fit the datatype, the contents are of another type,
            or the datatype can only be sent raw (FP16).
    """
    elements = elements_of(name, datatype, shape)
    field = _CONTENTS.get(datatype)
    for descriptor, values in contents.ListFields():
        if descriptor.name != field:
            valid = f"{datatype} goes into {field}" if field else f"{datatype} can only be sent raw"
            raise SignatureMismatch(f"Tensor {name!r} is {datatype} with {len(values)} {descriptor.name}; {valid}.")
    values = getattr(contents, field) if field else ()
    if len(values) != elements:
        raise SignatureMismatch(
            f"Tensor {name!r} is {datatype} {list(shape)}, which has {elements} elements; "
            f"the message holds {len(values)}."
        )
    if datatype == "BYTES":
        return _objects(values, shape)
    if datatype in ("BOOL", "FP32", "FP64"):  # protobuf packs them as raw contents are packed
        packed = contents.SerializeToString()
        for _, _, start, end in scan(packed):
            return array_of_raw(name, datatype, shape, packed[start:end])
    dtype = DATATYPES[datatype]
    narrow = dtype.kind in "iu" and dtype.itemsize < 4  # travels in 32 bits
    array = np.array(list(values), np.int64 if narrow else dtype)
    if narrow and elements:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise SignatureMismatch(f"Tensor {name!r} is {datatype} and holds a value that does not fit.")
    return _read_only(array.astype(dtype, copy=False), shape)
