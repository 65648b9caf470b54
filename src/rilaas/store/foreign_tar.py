"""Members of a tar archive that somebody else's program wrote: ustar, GNU and pax.

Only what changes a regular file's name or size is understood of the extensions; links, devices and sparse files are
refused. Source: POSIX.1-2017, pax utility; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rilaas.core import InvalidModelFolder
from rilaas.store.unpack import Stream
from rilaas.store.ustar import BLOCK, KINDS, Member

_MAX_EXTENSION_BYTES = 2**20  # macOS keeps attributes of files there
_FILES, _FOLDER = (b"0", b"\0", b"7"), b"5"
_LONG_NAME, _PAX, _GLOBAL_PAX = b"L", b"x", b"g"


def tar_members(stream: Stream, label: str) -> Iterator[Member]:
    """Files and folders in their order. The caller takes a file's content, padding included, before the next one.

    Args:
        stream: The archive.
        label: What it is called in errors.

    Raises:
        InvalidModelFolder: It is no tar archive, or holds what is neither file nor folder.
    """
    changed: dict[str, str] = {}
    first = True
    while (block := stream.read(BLOCK)).strip(b"\0"):
        try:
            kind, member = _header(block)
            if kind in (_LONG_NAME, _PAX, _GLOBAL_PAX):
                _extend(changed, kind, _content(stream, member))
                continue
            yield _changed_by(member, changed, kind)
        except ValueError as error:
            what = "is neither a .zip nor a .tar archive" if first else "is no intact archive"
            hint = "Upload a .zip, .tar or .tar.gz of the folder." if first else ""
            raise InvalidModelFolder(f"{label} {what}: {error}.", hint) from None
        first, changed = False, {}
    if first:
        raise InvalidModelFolder(f"{label} holds no files.")
    stream.end()


def _header(block: bytes) -> tuple[bytes, Member]:
    if len(block) != BLOCK:
        raise ValueError("it is cut off inside a header")
    if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError("a header's checksum is wrong")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = f"{prefix}/{name}"
    kind = block[156:157]
    return kind, Member(name, _number(block[124:136]), kind == _FOLDER)


def _content(stream: Stream, member: Member) -> bytes:
    if member.size_bytes > _MAX_EXTENSION_BYTES:
        raise ValueError(f"a header's extension has more than {_MAX_EXTENSION_BYTES} bytes")
    content = stream.read(member.size_bytes + -member.size_bytes % BLOCK)
    if len(content) < member.size_bytes:
        raise ValueError("it is cut off inside a header")
    return content[: member.size_bytes]


def _extend(changed: dict[str, str], kind: bytes, content: bytes) -> None:
    if kind == _LONG_NAME:
        changed["path"] = _text(content)
        return
    records = _records(content)
    if kind == _GLOBAL_PAX:
        if records.keys() & {"path", "linkpath", "size"}:
            raise ValueError("a global header gives all files one name or size")
        return
    if any(key.startswith("GNU.sparse") for key in records):
        raise ValueError("it holds a sparse file")
    changed.update({key: records[key] for key in ("path", "size") if key in records})


def _records(content: bytes) -> dict[str, str]:
    """``LENGTH KEY=VALUE`` and a line feed, repeated; the length counts the whole record."""
    records: dict[str, str] = {}
    while content:
        digits, space, _ = content[:20].partition(b" ")
        if not space or not digits.isdigit():
            raise ValueError("a pax header is not readable")
        length = int(digits)
        key, equals, value = content[len(digits) + 1 : length - 1].partition(b"=")
        if not equals or length > len(content) or content[length - 1 : length] != b"\n":
            raise ValueError("a pax header is not readable")
        records[key.decode(errors="surrogateescape")] = value.decode(errors="surrogateescape")
        content = content[length:]
    return records


def _changed_by(member: Member, changed: dict[str, str], kind: bytes) -> Member:
    member = replace(member, path=changed.get("path", member.path))
    if "size" in changed:
        if not changed["size"].isascii() or not changed["size"].isdigit() or len(changed["size"]) > 20:
            raise ValueError(f"{member.path!a} has no size but {changed['size'][:20]!a}")
        member = replace(member, size_bytes=int(changed["size"]))
    if kind not in (*_FILES, _FOLDER):
        raise ValueError(f"{member.path!a} is {KINDS.get(kind, f'of the unknown kind {kind!r}')}")
    # Before ustar a folder was a file whose name ends with a slash.
    if kind == _FOLDER or member.path.endswith("/"):
        if member.size_bytes:
            raise ValueError(f"the folder {member.path!a} has content")
        return Member(member.path.rstrip("/"), 0, True)
    return member


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":  # GNU: base 256
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits or not set(digits) <= set(b"01234567"):
        raise ValueError("a header has no number where one belongs")
    return int(digits, 8)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", errors="surrogateescape")
