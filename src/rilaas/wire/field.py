"""Protobuf's wire format, as far as it is read and written by hand: where copies and parsing would cost most.

A message is a row of fields, each a tag ``number << 3 | kind`` and a value; kind 2 is a length and that many bytes
(strings, bytes, messages, maps). Scalars that come twice: the last one wins; messages that come twice are merged, so
that appending fields to a serialized message changes it. Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from rilaas.core import InvalidInput

Buffer = bytes | memoryview

# Far more fields than a request of named tensors has, few enough that scanning them takes about a millisecond.
MAX_FIELDS = 4096


def varint(value: int) -> bytes:
    """Encode an integer of up to 64 bits; a negative one as its two's complement, as protobuf does."""
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_text(value: str) -> bytes:
    """Encode text as UTF-8.

    Raises:
        InvalidInput: It holds a lone surrogate.
    """
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{value!r} cannot be sent as UTF-8.") from None


def text(tag: bytes, value: str) -> bytes:
    """Encode a string field, nothing where it is empty (protobuf's default); raises as ``encode_text`` does."""
    if not value:
        return b""
    data = encode_text(value)
    return tag + varint(len(data)) + data


def read_varint(body: Buffer, position: int) -> tuple[int, int]:
    """Decode an integer at ``position``; returns it (unsigned, at most 64 bits) and where it ends.

    Raises:
        IndexError: The buffer ends before it.
        InvalidInput: It has more than ten bytes.
    """
    value = shift = 0
    while True:
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
        shift += 7
        if shift > 63:
            raise InvalidInput(f"The message is not valid protobuf: an integer at byte {position} is too long.")


def scan(body: Buffer) -> list[tuple[int, int, int, int]]:
    """Find the fields of kind 2 of a serialized message without copying or parsing them.

    Returns:
        ``(number, start of the tag, start of the value, end of the value)`` of each, in order.

    Raises:
        InvalidInput: It is not protobuf, it is truncated, it uses groups (which no message of ours has), or it has
            more than ``MAX_FIELDS`` fields.
    """
    found: list[tuple[int, int, int, int]] = []
    position, size, count = 0, len(body), 0
    try:
        while position < size:
            start = position
            tag = body[position]
            position += 1
            if tag >= 0x80:
                tag, position = read_varint(body, start)
            if tag & 7 == 2:
                length = body[position]
                position += 1
                if length >= 0x80:
                    length, position = read_varint(body, position - 1)
                end = position + length
                found.append((tag >> 3, start, position, end))
                position = end
            else:
                position = _skip(body, position, tag & 7, start)
            count += 1
            if not 8 <= tag < 1 << 32 or count > MAX_FIELDS:
                raise _broken(tag, start)
    except IndexError:
        position = size + 1
    if position != size:
        raise InvalidInput(f"The message is truncated: a field ends after its {size} bytes.")
    return found


def _skip(body: Buffer, position: int, kind: int, start: int) -> int:
    if kind == 0:
        return read_varint(body, position)[1]
    if kind == 1:
        return position + 8
    if kind == 5:
        return position + 4
    raise InvalidInput(f"The message is not valid protobuf: byte {start} starts a field of kind {kind}.")


def _broken(tag: int, start: int) -> InvalidInput:
    if 8 <= tag < 1 << 32:
        return InvalidInput(f"The message has more than {MAX_FIELDS} fields.")
    return InvalidInput(f"The message is not valid protobuf: byte {start} starts field number {tag >> 3}.")


def read_text(body: Buffer, start: int, end: int, what: str) -> str:
    """Decode a string field.

    Raises:
        InvalidInput: It is not UTF-8; the message says which field it is.
    """
    try:
        return str(body[start:end], "utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"The message's {what} is not UTF-8.") from None
