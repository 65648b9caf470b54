"""One 512-byte header of a ustar archive, read strictly.

Source: POSIX.1-2017, pax utility, "ustar Interchange Format".
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK = 512
KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"S": "a GNU sparse file",
    b"x": "a pax header",
    b"g": "a global pax header",
}


@dataclass(frozen=True, slots=True)
class Member:
    """What a header announces.

    Attributes:
        path: The name as written, without a slash at the end; not checked.
        size_bytes: Bytes of content that follow [bytes]; 0 for a folder.
        is_folder: Whether it is a folder.
    """

    path: str
    size_bytes: int
    is_folder: bool


def parse_header(block: bytes) -> Member:
    """Read a header.

    Args:
        block: 512 bytes that are not all zero.

    Raises:
        ValueError: It is cut off, its checksum is wrong, or it is anything but a regular file or a folder.
    """
    if len(block) != BLOCK:
        raise ValueError("it is cut off inside a header")
    if block[257:263] != b"ustar\0":
        raise ValueError("it is no ustar archive")
    if _octal(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError("a header's checksum is wrong")
    name, prefix = _text(block[:100]), _text(block[345:500])
    path = f"{prefix}/{name}" if prefix else name
    kind = block[156:157]
    if kind not in (b"0", b"\0", b"5"):
        raise ValueError(f"{path!r} is {KINDS.get(kind, f'of the unknown kind {kind!r}')}")
    size = _octal(block[124:136])
    if kind == b"5":
        if size:
            raise ValueError(f"the folder {path!r} has content")
        return Member(path.rstrip("/"), 0, True)
    return Member(path, size, False)


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or not set(digits) <= set(b"01234567"):
        raise ValueError(f"a header has no number but {field!r}")
    return int(digits, 8)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", errors="surrogateescape")
