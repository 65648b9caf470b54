"""Unpacking an archive that a stranger may have made.

The reader knows one form and refuses every other: a single gzip stream of ustar headers for regular files and
folders. There are no links, devices, long-name or pax extensions to misunderstand, nothing is ever written outside a
fresh folder, and every size is checked before the bytes behind it are taken. A stream is never held in memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import IO, Protocol

from rilaas.core import InvalidInput, InvalidModelFolder, NotFound
from rilaas.store.archive import ArchiveLimits
from rilaas.store.folder import ModelFolder, read_model_folder
from rilaas.store.member import Names, is_ignored, why_invalid
from rilaas.store.ustar import BLOCK, Member, parse_header

_CHUNK = 2**16
_MAX_END_BYTES = 2**16  # zeros after the last file; tar fills up to 10 KiB


def unpack(
    archive: Path | str,
    destination: Path | str,
    *,
    digest: str = "",
    limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008  # frozen
) -> ModelFolder:
    """Unpack an archive made by ``pack``; either a valid model folder stands at the destination, or nothing.

    Args:
        archive: The file.
        destination: The folder to make; it must not exist, or be empty.
        digest: What the content's digest has to be; '' accepts any.
        limits: How large it may become.

    Raises:
        NotFound: There is no such archive.
        InvalidModelFolder: It is broken, hostile, not a valid model, or of another digest.
        InvalidInput: The destination exists.
    """
    source, target = Path(archive), Path(destination)
    if not source.is_file():
        raise NotFound(f"There is no archive {source}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput(f"{target} exists already.", "Unpack into a folder that does not exist yet.")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target.parent))
    try:
        with source.open("rb") as file:
            _extract(Unzipped(file, source.name, limits), fresh, source.name, limits)
        folder = read_model_folder(fresh, label=source.name)
        if digest and folder.digest != digest:
            raise InvalidModelFolder(f"{source.name} has the digest {folder.digest}, not {digest}.")
        fresh.chmod(0o755)
        try:
            fresh.rename(target)
        except OSError as error:
            raise InvalidInput(f"{target} appeared while {source.name} was unpacked.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return ModelFolder(target.resolve(), folder.manifest, folder.files)


class Unzipped:
    """The unzipped stream of an archive, with its limits.

    Args:
        file: The archive.
        label: What it is called in errors.
        limits: How large it may become.
    """

    def __init__(self, file: IO[bytes], label: str, limits: ArchiveLimits) -> None:
        self._file, self._label, self._limits = file, label, limits
        self._inflate = zlib.decompressobj(wbits=31)
        self._packed_bytes = self._unpacked_bytes = 0

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or fewer where the stream ends properly."""
        parts: list[bytes] = []
        missing = size
        while missing and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._file.read(_CHUNK)
            if not self._inflate.unconsumed_tail:
                self._packed_bytes += len(packed)
            try:
                part = self._inflate.decompress(packed, missing)
            except zlib.error as error:
                raise InvalidModelFolder(f"{self._label} is no intact .tar.gz archive: {error}.") from None
            if not packed and not part:
                raise InvalidModelFolder(f"{self._label} is cut off after {self._packed_bytes} bytes.")
            parts.append(part)
            missing -= len(part)
            self._count(len(part))
        return b"".join(parts)

    def end(self) -> None:
        """Check that only zeros follow and that the stream is whole."""
        rest = self.read(_MAX_END_BYTES)
        if rest.strip(b"\0") or not self._ends():
            raise InvalidModelFolder(f"{self._label} has data after its last file.")

    def _ends(self) -> bool:
        if not self._inflate.eof and self.read(1):
            return False
        return not self._inflate.unused_data and not self._file.read(1)

    def _count(self, size: int) -> None:
        self._unpacked_bytes += size
        limits = self._limits
        overhead = limits.files * 2 * BLOCK + _MAX_END_BYTES
        if self._unpacked_bytes > limits.total_bytes + overhead:
            raise InvalidModelFolder(f"{self._label} unpacks to more than {limits.total_bytes} bytes.")
        if self._unpacked_bytes > max(limits.ratio_from_bytes, limits.ratio * self._packed_bytes):
            raise InvalidModelFolder(
                f"{self._label} unpacks to more than {limits.ratio:.0f} times its size: this looks like a bomb."
            )


def _extract(stream: Unzipped, folder: Path, label: str, limits: ArchiveLimits) -> None:
    names = Names()
    total = members = 0
    while (block := stream.read(BLOCK)).strip(b"\0"):
        try:
            member = parse_header(block)
        except ValueError as error:
            raise InvalidModelFolder(
                f"{label} is not an archive that rilaas packed: {error}.", "Make it with `rilaas push`."
            ) from None
        members += 1
        total += member.size_bytes
        _check(member, label, members, total, limits)
        if member.is_folder:
            continue  # files bring their folders with them
        if other := names.add(member.path):
            raise InvalidModelFolder(f"{label} holds {other!r} and {member.path!r}: one file on some systems.")
        save_member(stream, folder / member.path, member, label)
    stream.end()


def _check(member: Member, label: str, members: int, total: int, limits: ArchiveLimits) -> None:
    if why := why_invalid(member.path):
        raise InvalidModelFolder(f"{label} holds the file {member.path!a}: {why}.")
    if is_ignored(member.path):
        raise InvalidModelFolder(f"{label} holds the hidden file {member.path!r}, which is no part of a model.")
    if members > limits.files:
        raise InvalidModelFolder(f"{label} holds more than {limits.files} files.")
    if member.size_bytes > limits.file_bytes:
        raise InvalidModelFolder(f"{label}: {member.path} is larger than {limits.file_bytes} bytes.")
    if total > limits.total_bytes:
        raise InvalidModelFolder(f"{label} unpacks to more than {limits.total_bytes} bytes.")


class Stream(Protocol):
    """The bytes of a tar archive, however it is packed."""

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or fewer at the end."""
        ...

    def end(self) -> None:
        """Check that only zeros follow."""
        ...


def save_member(stream: Stream, path: Path, member: Member, label: str) -> None:
    """Write the file that follows in a tar archive, padding included.

    Raises:
        InvalidModelFolder: The archive ends inside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    left = member.size_bytes
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        while left:
            chunk = stream.read(min(left, _CHUNK))
            if not chunk:
                raise InvalidModelFolder(f"{label} is cut off inside {member.path}.")
            file.write(chunk)
            left -= len(chunk)
    stream.read(-member.size_bytes % BLOCK)
