"""Any archive that a person uploads, as files in a folder: .zip, .tar and .tar.gz, whoever made it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from rilaas.core import InvalidInput, InvalidModelFolder
from rilaas.store.archive import ArchiveLimits
from rilaas.store.foreign_tar import tar_members
from rilaas.store.member import Names, is_ignored, why_invalid
from rilaas.store.unpack import Stream, Unzipped, save_member
from rilaas.store.ustar import BLOCK, Member
from rilaas.store.zip_file import opened_zip, read_zip

_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR", b"(\xb5/\xfd": "Zstandard"}


def extract(path: Path, folder: Path, label: str, limits: ArchiveLimits) -> Path:
    """Unpack an upload into an empty folder.

    Hidden files, caches of Python and what macOS adds are left out.

    Args:
        path: The archive.
        folder: Where to; it exists and is empty. After an error it may hold some files.
        label: What the archive is called in errors.
        limits: How large it may become.

    Returns:
        The folder, or the one folder in it where the archive holds nothing beside that.

    Raises:
        InvalidModelFolder: It is no archive of a known kind, broken or hostile.
    """
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        intake = Intake(folder, label, limits)
        if head.startswith(b"PK"):
            _extract_zip(path, intake)
        elif head.startswith(b"\x1f\x8b"):
            _extract_tar(Unzipped(file, label, limits), intake)
        elif other := next((name for mark, name in _OTHERS.items() if head.startswith(mark)), ""):
            raise InvalidModelFolder(
                f"{label} is packed by {other}.", "Upload a .zip, .tar or .tar.gz of the folder."
            )
        else:
            _extract_tar(_Plain(file, label), intake)
    return intake.root()


class Intake:
    """What goes into a folder, by the rules for names and the limits.

    Args:
        folder: Where to.
        label: What the upload is called in errors.
        limits: How large it may become.
    """

    def __init__(self, folder: Path, label: str, limits: ArchiveLimits) -> None:
        self.label, self.limits = label, limits
        self._folder = folder
        self._names = Names()
        self._count = self._total_bytes = 0

    def place(self, path: str, size_bytes: int) -> Path | None:
        """Where the next file goes; None where it is left out.

        Raises:
            InvalidModelFolder: Its name is not allowed, or it is too much.
        """
        while path.startswith("./"):
            path = path[2:]
        self._count += 1
        self._total_bytes += size_bytes
        label, limits = self.label, self.limits
        if self._count > limits.files:
            raise InvalidModelFolder(f"{label} holds more than {limits.files} files.")
        if size_bytes > limits.file_bytes:
            raise InvalidModelFolder(f"{label}: {path!a} is larger than {limits.file_bytes} bytes.")
        if self._total_bytes > limits.total_bytes:
            raise InvalidModelFolder(f"{label} unpacks to more than {limits.total_bytes} bytes.")
        if why := why_invalid(path):
            raise InvalidModelFolder(f"{label} holds the file {path!a}: {why}.")
        if is_ignored(path) or path.startswith("__MACOSX/"):
            return None
        if other := self._names.add(path):
            raise InvalidModelFolder(f"{label} holds {other!r} and {path!r}: one file on some systems.")
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def root(self) -> Path:
        """The folder, or the only thing in it where that is a folder."""
        entries = list(self._folder.iterdir())
        return entries[0] if len(entries) == 1 and entries[0].is_dir() else self._folder


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that does not exist yet."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        for piece in pieces:
            file.write(piece)


def _extract_tar(stream: Stream, intake: Intake) -> None:
    for member in tar_members(stream, intake.label):
        if member.is_folder:
            continue  # files bring their folders with them
        target = intake.place(member.path, member.size_bytes)
        if target is None:
            _skip(stream, member, intake.label)
        else:
            save_member(stream, target, member, intake.label)


def _skip(stream: Stream, member: Member, label: str) -> None:
    left = member.size_bytes + -member.size_bytes % BLOCK
    while left:
        chunk = stream.read(min(left, 2**16))
        if not chunk:
            raise InvalidModelFolder(f"{label} is cut off inside {member.path!a}.")
        left -= len(chunk)


def _extract_zip(path: Path, intake: Intake) -> None:
    limits, packed_bytes, unpacked_bytes = intake.limits, path.stat().st_size, 0
    try:
        with opened_zip(path, intake.label, limits.files) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                unpacked_bytes += info.file_size
                if unpacked_bytes > max(limits.ratio_from_bytes, limits.ratio * packed_bytes):
                    raise InvalidModelFolder(
                        f"{intake.label} unpacks to more than {limits.ratio:.0f} times its size: "
                        "this looks like a bomb."
                    )
                target = intake.place(info.orig_filename, info.file_size)
                if target is not None:
                    write_pieces(target, read_zip(archive, info, intake.label))
    except InvalidModelFolder:
        raise
    except InvalidInput as error:
        raise InvalidModelFolder(error.message, error.hint) from None


class _Plain:
    """A tar archive that is not packed."""

    def __init__(self, file: IO[bytes], label: str) -> None:
        self._file, self._label = file, label

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def end(self) -> None:
        while chunk := self._file.read(2**16):
            if chunk.strip(b"\0"):
                raise InvalidModelFolder(f"{self._label} has data after its last file.")
