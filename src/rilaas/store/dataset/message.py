"""Messages of ROS 2 as nested values: definitions are interpreted, never turned into code.

A recording brings the definitions of its messages, and a stranger may have written them; ``rosbags`` would compile
them to Python and run that.

Sources: "Interface definition", docs.ros.org; OMG Common Data Representation, CORBA 3.3 part 2, 9.3 (plain CDR).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_SCALARS = {
    "bool": "u1",
    "byte": "u1",
    "char": "u1",
    "octet": "u1",
    **{f"{sign}int{8 * size}": f"{sign or 'i'}{size}" for sign in ("", "u") for size in (1, 2, 4, 8)},
    "float32": "f4",
    "float64": "f8",
}
_FIELD = re.compile(r"([A-Za-z][\w/]*)(<=\d+)?(\[(<=)?(\d*)\])?\s+([A-Za-z]\w*)\s*(.*)", re.ASCII)
_HEADER = re.compile(r"^=+\s*$", re.MULTILINE)
_MAX_DEPTH = 16
_MAX_ITEMS = 100_000  # of an array of messages or texts; numbers are taken at once
_MAX_VALUES = 1_000_000  # of a message: arrays of arrays of nothing take no bytes, but time


@dataclass(frozen=True, slots=True)
class MessageField:
    """One field of a message.

    Attributes:
        name: Its name.
        kind: A type of ROS: a number, ``string``, or another message.
        count: None for a single value, -1 for a sequence, else the length of an array.
    """

    name: str
    kind: str
    count: int | None


Definitions = Mapping[str, tuple[MessageField, ...]]


def read_definitions(kind: str, text: str) -> Definitions:
    """Read a definition with those that it uses, as recordings hold them (``ros2msg``).

    Args:
        kind: The message's type, such as ``sensor_msgs/msg/Image``.
        text: Its definition; others follow after lines of ``=`` and ``MSG: package/Type``.

    Raises:
        ValueError: It cannot be read.
    """
    first, *others = _HEADER.split(text)
    found = {_short(kind): _fields(kind, first)}
    for other in others:
        head, _, body = other.strip().partition("\n")
        if not head.startswith("MSG:"):
            raise ValueError(f"a definition begins with {head[:60]!a}, not with MSG:")
        name = head[4:].strip()
        found[_short(name)] = _fields(name, body)
    return found


def decode_message(kind: str, data: bytes, definitions: Definitions) -> dict[str, Any]:
    """Decode a message: numbers, texts (``str``), arrays (``np.ndarray``), messages (dict) and lists of these.

    Raises:
        ValueError: It does not fit its definition.
    """
    if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
        raise ValueError("it is no plain CDR")
    return _Reader(data, "<" if data[1] else ">", definitions).message(_short(kind), 0)


class _Reader:
    def __init__(self, data: bytes, order: str, definitions: Definitions) -> None:
        self._data, self._order, self._definitions = data, order, definitions
        self._at = 4
        self._values = 0

    def message(self, kind: str, depth: int) -> dict[str, Any]:
        if depth > _MAX_DEPTH:
            raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
        if kind not in self._definitions:
            raise ValueError(f"there is no definition of {kind[:100]!a}")
        return {field.name: self._value(field, depth) for field in self._definitions[kind]}

    def _value(self, field: MessageField, depth: int) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise ValueError(f"it has more than {_MAX_VALUES} values")
        scalar = _SCALARS.get(field.kind)
        if field.count is None:
            return self._numbers(scalar, 1)[0].item() if scalar else self._one(field.kind, depth)
        count = int(self._numbers("u4", 1)[0]) if field.count < 0 else field.count
        if scalar:
            return self._numbers(scalar, count)
        if count > min(_MAX_ITEMS, len(self._data)):
            raise ValueError(f"{field.name} has {count} items")
        return [self._one(field.kind, depth) for _ in range(count)]

    def _one(self, kind: str, depth: int) -> Any:
        return self._text() if kind == "string" else self.message(kind, depth + 1)

    def _numbers(self, scalar: str, count: int) -> np.ndarray:
        size = int(scalar[1])
        if count:
            self._at += -(self._at - 4) % size
        end = self._at + count * size
        if end > len(self._data):
            raise ValueError("it is cut off")
        array = np.frombuffer(self._data, f"{self._order}{scalar}", count, self._at)
        self._at = end
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _text(self) -> str:
        size = int(self._numbers("u4", 1)[0])
        if size > len(self._data) - self._at:
            raise ValueError("it is cut off")
        raw = self._data[self._at : self._at + size]
        self._at += size
        return raw.rstrip(b"\0").decode("utf-8", "replace")


def _fields(kind: str, text: str) -> tuple[MessageField, ...]:
    package = kind.partition("/")[0]
    fields = []
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = _FIELD.fullmatch(line)
        if match is None:
            raise ValueError(f"the definition of {kind[:100]!a} has the line {line[:100]!a}")
        name, _, array, upper, length, field, rest = match.groups()
        if rest.startswith("=") or (field.isupper() and "=" in rest):
            continue  # a constant
        count = None if array is None else int(length) if length and not upper else -1
        fields.append(MessageField(field, _resolved(name, package), count))
    # An empty structure has one byte in IDL.
    return tuple(fields) or (MessageField("structure_needs_at_least_one_member", "uint8", None),)


def _resolved(name: str, package: str) -> str:
    if name in _SCALARS or name == "string":
        return name
    if name == "wstring":
        raise ValueError("texts of wide characters are not read")
    if "/" in name:
        return _short(name)
    return "std_msgs/Header" if name == "Header" else f"{package}/{name}"


def _short(kind: str) -> str:
    """``sensor_msgs/msg/Image`` and ``sensor_msgs/Image`` are one."""
    return kind.replace("/msg/", "/")
