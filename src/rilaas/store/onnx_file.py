"""A look into an ONNX file without running or even loading it.

Only the fields that decide about safety are followed: that there is a graph, and which other files the tensors
take their data from (``TensorProto.external_data``). Field numbers are those of ``onnx.proto``, IR version 10.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rilaas.core import InvalidModelFolder

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 32

# message -> field number -> the message in that field. "location" is what is looked for.
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}


@dataclass(slots=True)
class _Found:
    graphs: int = 0
    locations: set[str] = field(default_factory=set)


def external_files(path: Path) -> set[str]:
    """Names of the files, as the ONNX file writes them, in which its tensors keep their data.

    Raises:
        InvalidModelFolder: It is no ONNX file.
    """
    if path.stat().st_size == 0:
        raise InvalidModelFolder("the file is empty.")
    found = _Found()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _walk(data, 0, len(data), "model", found, 0)
    if not found.graphs:
        raise InvalidModelFolder("this is no ONNX file: it has no graph.")
    return found.locations


def _walk(data: mmap.mmap, start: int, end: int, message: str, found: _Found, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidModelFolder(f"this is no usable ONNX file: graphs are nested more than {_MAX_DEPTH} deep.")
    below = _FIELDS[message]
    for number, first, last in _fields(data, start, end):
        kind = below.get(number)
        if kind == "entry":
            key, value = _entry(data, first, last)
            if key == "location":
                found.locations.add(value)
        elif kind is not None:
            found.graphs += kind == "graph" and message == "model"
            _walk(data, first, last, kind, found, depth + 1)


def _entry(data: mmap.mmap, start: int, end: int) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, first, last in _fields(data, start, end):
        texts[number] = data[first:last].decode("utf-8", errors="surrogateescape")
    return texts[1], texts[2]


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Length-delimited fields of a message: number, first byte, end."""
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        wire = tag & 7
        if wire == _BYTES:
            size, at = _varint(data, at, end)
            if size > end - at:
                raise _broken(at)
            yield tag >> 3, at, at + size
            at += size
        elif wire == _VARINT:
            _, at = _varint(data, at, end)
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise _broken(at)
    if at != end:
        raise _broken(at)


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _broken(at)


def _broken(at: int) -> InvalidModelFolder:
    return InvalidModelFolder(f"this is no ONNX file: not a valid message at byte {at}.")
