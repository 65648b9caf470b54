"""Members of a zip archive that a stranger may have made: listed and checked before a byte is unpacked."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rilaas.core import InvalidInput

_END = struct.Struct("<4s4H2LH")  # APPNOTE.TXT 4.3.16
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR64 = struct.Struct("<4sLQL")  # 4.3.15
_MAX_COMMENT_BYTES = 2**16
_ENTRY_BYTES = 1024  # of the directory, for one file; names have 240 bytes at most
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, OSError, struct.error)


@contextmanager
def opened_zip(path: Path, label: str, max_files: int) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose directory was checked; it is held in memory, so its size is looked at first.

    Args:
        path: The file.
        label: What it is called in errors.
        max_files: How many members it may have.

    Raises:
        InvalidInput: It is no intact zip archive, has too many members, or one that is encrypted, a link or packed
            by another method than deflate.
    """
    with path.open("rb") as file:
        try:
            directory_bytes = _directory_bytes(file)
            if directory_bytes > _ENTRY_BYTES * (max_files + 1):
                raise InvalidInput(f"{label} holds more than {max_files} files.")
            file.seek(0)
            archive = zipfile.ZipFile(file)
        except BROKEN as error:
            raise InvalidInput(f"{label} is no intact .zip archive: {error}.") from None
        with archive:
            if len(archive.infolist()) > max_files:
                raise InvalidInput(f"{label} holds more than {max_files} files.")
            for info in archive.infolist():
                if why := _why_refused(info):
                    raise InvalidInput(f"{label} holds {info.orig_filename!a}, which {why}.")
            yield archive


def read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> Iterator[bytes]:
    """The content of a member in pieces: no byte more than its directory entry says, and its checksum is right.

    Raises:
        InvalidInput: It is cut off, damaged, or another size than the directory says.
    """
    left = info.file_size
    try:
        with archive.open(info) as file:
            while chunk := file.read(2**16):
                left -= len(chunk)
                yield chunk
    except (*BROKEN, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise InvalidInput(f"{label}: {info.orig_filename!a} is damaged: {error}.") from None
    if left:
        raise InvalidInput(f"{label}: {info.orig_filename!a} is cut off.")


def _why_refused(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return "is packed by another method than deflate"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if info.is_dir() and info.file_size:
        return "is a folder with content"
    return ""


def _directory_bytes(file: IO[bytes]) -> int:
    """Size of the central directory as the end of the archive gives it."""
    size = file.seek(0, 2)
    start = max(0, size - _END.size - _MAX_COMMENT_BYTES)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise ValueError("it has no directory; it may be cut off")
    directory_bytes = int(_END.unpack_from(tail, at)[5])
    locator = start + at - _LOCATOR64.size
    if locator >= 0:
        file.seek(locator)
        mark, _, end64, _ = _LOCATOR64.unpack(file.read(_LOCATOR64.size))
        if mark == b"PK\6\7":
            # zipfile looks right before the locator, whatever the locator says: both have to be one place.
            if end64 != locator - _END64.size:
                raise ValueError("its directories contradict each other")
            file.seek(end64)
            directory_bytes = int(_END64.unpack(file.read(_END64.size))[8])
    return directory_bytes
