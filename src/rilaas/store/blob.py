"""Bytes named by their hash: uploads that can be resumed, and files that are whole or not there.

::

    folder/
    ├── parts/<sha256>-<who>-<size>      an upload under way; ``<who>`` is a hash of its owner's name
    └── whole/ab/<sha256>                read-only, verified, on the disk before it had this name
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from rilaas.core import Conflict, InvalidInput, NotFound, RilaasError, Unavailable

MAX_BYTES = 4 * 2**30
_CHUNK = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Readable(Protocol):
    """Where an upload comes from: a file, or the body of a request."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """An upload under way.

    Attributes:
        sha256: What its bytes have to hash to, in hexadecimal digits.
        size_bytes: How many they will be [bytes].
        owner: Whose upload it is; two people who upload the same content know nothing of each other.
        received_bytes: How many have come: where the next one goes [bytes].
    """

    sha256: str
    size_bytes: int
    owner: str
    received_bytes: int

    @property
    def is_complete(self) -> bool:
        """Whether all bytes have come; ``Blobs.finish`` then looks whether they are the right ones."""
        return self.received_bytes == self.size_bytes


class Blobs:
    """Content-addressed files in a folder; any number of processes may use it at once.

    Args:
        folder: Where; made when something is stored.
        max_bytes: Size of one file at most [bytes].
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._parts, self._whole, self._max_bytes = folder / "parts", folder / "whole", max_bytes

    def part(self, sha256: str, size_bytes: int, owner: str) -> Part:
        """Begin an upload, or find how far it came.

        That the content is stored already is no reason to skip the upload: whoever knows a hash would get the bytes.

        Args:
            sha256: Hash of the whole, 64 lower-case hexadecimal digits.
            size_bytes: Its size [bytes].
            owner: Whose upload it is.

        Raises:
            InvalidInput: That is no hash, or the size is not within the limit; nothing was written.
        """
        _checked(sha256)
        if not 0 <= size_bytes <= self._max_bytes:
            raise InvalidInput(f"An upload of {size_bytes} bytes is not possible: at most {self._max_bytes} bytes.")
        fresh = Part(sha256, size_bytes, owner, 0)
        with _told_when_full():
            self._parts.mkdir(parents=True, exist_ok=True)
            self._place(fresh).touch(mode=0o600)
            return self._now(fresh)

    def append(self, part: Part, offset: int, stream: Readable) -> Part:
        """Take bytes of an upload; what has come is on the disk when this returns, and also when it raises.

        Args:
            part: The upload.
            offset: Where the first byte of the stream belongs; that has to be how many have come.
            stream: The bytes. It may end early: the upload goes on with the next call.

        Returns:
            The upload as it is now.

        Raises:
            Conflict: The offset is another one, or the upload was finished or cleaned up meanwhile.
            InvalidInput: More bytes than were declared; none behind the last one was written.
            Unavailable: The disk is full.
        """
        with _told_when_full(), self._opened(part) as file:
            have = os.fstat(file).st_size
            if offset != have:
                raise Conflict(
                    f"This upload has {have} bytes, so the next one goes to offset {have}, not {offset}.",
                    f"Go on at offset {have}.",
                )
            try:
                self._take(part, file, offset, stream)
            finally:
                os.fsync(file)
            return self._now(part)

    def finish(self, part: Part) -> Path:
        """Check an upload and give it its name; the same content may be there already.

        Returns:
            Where the file lies.

        Raises:
            Conflict: Bytes are missing, or the upload was finished or cleaned up meanwhile.
            InvalidInput: They have another hash; all of them were discarded.
        """
        with _told_when_full(), self._opened(part) as file, self._locked(part, file):
            have = os.fstat(file).st_size
            if have != part.size_bytes:
                raise Conflict(
                    f"This upload has {have} of {part.size_bytes} bytes.", f"Send the rest from offset {have} on."
                )
            found = _hash_of(file)
            if found != part.sha256:
                self._place(part).unlink()
                raise InvalidInput(
                    f"The {have} bytes that were uploaded have the hash {found}, not {part.sha256}; "
                    "they were discarded.",
                    "Upload them again from offset 0.",
                )
            return self._keep(self._place(part), file, found)

    def put(self, stream: Readable) -> str:
        """Store bytes that are at hand.

        Returns:
            Their hash.

        Raises:
            InvalidInput: They are more than the limit; nothing stays.
            Unavailable: The disk is full; nothing stays.
        """
        with _told_when_full():
            self._parts.mkdir(parents=True, exist_ok=True)
            file, name = tempfile.mkstemp(prefix="put-", dir=self._parts)
        try:
            with _told_when_full():
                total, size = hashlib.sha256(), 0
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise InvalidInput(f"The file is larger than {self._max_bytes} bytes.")
                    total.update(chunk)
                    _write(file, chunk, size - len(chunk))
                self._keep(Path(name), file, total.hexdigest())
        finally:
            os.close(file)
            Path(name).unlink(missing_ok=True)
        return total.hexdigest()

    def has(self, sha256: str) -> bool:
        """Whether a file with this hash is stored."""
        return self._target(sha256).is_file()

    def path(self, sha256: str) -> Path:
        """Where a file lies; it is not to be written to.

        Raises:
            NotFound: It is not stored.
        """
        target = self._target(sha256)
        if not target.is_file():
            raise NotFound(f"There is no file with the hash {sha256}.")
        return target

    def open(self, sha256: str) -> IO[bytes]:
        """A stored file, for reading; it can be read to its end even if it is deleted meanwhile.

        Raises:
            NotFound: It is not stored.
        """
        try:
            return self._target(sha256).open("rb")
        except FileNotFoundError:
            raise NotFound(f"There is no file with the hash {sha256}.") from None

    def delete(self, sha256: str) -> bool:
        """Remove a file; False where it was not there."""
        try:
            self._target(sha256).unlink()
        except FileNotFoundError:
            return False
        return True

    def hashes(self) -> Iterator[str]:
        """The hashes of all stored files, in no order."""
        return (path.name for path in self._whole.glob("??/*"))

    def under_way(self) -> list[str]:
        """The hashes of uploads that were begun and are not finished."""
        return [path.name.partition("-")[0] for path in self._parts.glob("*-*-*")]

    def clean(self, older_than_h: float) -> int:
        """Remove uploads that nobody wrote to for some hours; returns how many."""
        removed = 0
        for path in self._parts.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > 3600.0 * older_than_h:
                    path.unlink()
                    removed += 1
        return removed

    def _take(self, part: Part, file: int, offset: int, stream: Readable) -> None:
        while chunk := stream.read(min(_CHUNK, part.size_bytes - offset + 1)):
            if offset + len(chunk) > part.size_bytes:
                raise InvalidInput(f"The upload is longer than the {part.size_bytes} bytes that were declared.")
            with self._locked(part, file):
                _write(file, chunk, offset)
            offset += len(chunk)

    def _keep(self, path: Path, file: int, sha256: str) -> Path:
        """Make a complete file durable, and only then give it its name."""
        target = self._target(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.fchmod(file, 0o444)
        os.fsync(file)
        path.replace(target)
        for folder in (target.parent, self._whole):
            _fsync_folder(folder)
        return target

    @contextmanager
    def _opened(self, part: Part) -> Iterator[int]:
        try:
            file = os.open(self._place(part), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _gone() from None
        try:
            yield file
        finally:
            os.close(file)

    @contextmanager
    def _locked(self, part: Part, file: int) -> Iterator[None]:
        """Alone with an upload that is still one: a second writer must not reach a file that was verified."""
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            try:
                same = os.path.samestat(os.fstat(file), self._place(part).stat())
            except FileNotFoundError:
                same = False
            if not same:
                raise _gone()
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _now(self, part: Part) -> Part:
        try:
            have = self._place(part).stat().st_size
        except FileNotFoundError:
            raise _gone() from None
        return Part(part.sha256, part.size_bytes, part.owner, have)

    def _place(self, part: Part) -> Path:
        who = hashlib.sha256(part.owner.encode()).hexdigest()[:16]
        return self._parts / f"{_checked(part.sha256)}-{who}-{part.size_bytes}"

    def _target(self, sha256: str) -> Path:
        return self._whole / _checked(sha256)[:2] / sha256


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput(f"{sha256[:80]!r} is no SHA-256: 64 lower-case hexadecimal digits.")
    return sha256


def _gone() -> RilaasError:
    return Conflict(
        "This upload is not there any more: it was finished or cleaned up.", "Begin it again, if it is still needed."
    )


def _write(file: int, chunk: bytes, offset: int) -> None:
    view = memoryview(chunk)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _hash_of(file: int) -> str:
    total, offset = hashlib.sha256(), 0
    while chunk := os.pread(file, _CHUNK, offset):
        total.update(chunk)
        offset += len(chunk)
    return total.hexdigest()


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise Unavailable("The disk is full.", "Free some space and go on; what has come is kept.") from None
        raise
