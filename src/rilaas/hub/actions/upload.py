"""What people send becomes versions: files of a form at once, or an upload by its hash that can be resumed.

An upload by hash has three steps: ask how much of it is there, send parts, make a version of it. Each part is on the
disk before it is acknowledged; the version appears in one transaction, and only then is the upload forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rilaas.core import Conflict, InvalidInput, InvalidModelFolder
from rilaas.hub.actions.registry import Push, Pushed, check_push, push
from rilaas.hub.blob_store import begin_upload, check_room, scratch, uploads_of
from rilaas.hub.models import Person
from rilaas.store import Part, folder_from_files, unpack_upload
from rilaas.store.blob import Readable

MAX_PART_BYTES = 64 * 2**20  # of one request: what is lost at most where the line breaks


def received(person: Person, sha256: str, size_bytes: int) -> Part:
    """How far an upload came; it is begun where it is not there.

    Raises:
        InvalidInput: That is no hash, or no size that is possible.
        RateLimited: Too many of the person's uploads are not finished.
    """
    uploads = uploads_of(person)
    part = begin_upload(person, sha256, size_bytes)
    if not part.received_bytes and uploads.has(sha256):  # complete and checked; the version was not made yet
        return Part(sha256, size_bytes, person.username, size_bytes)
    return part


def receive(person: Person, sha256: str, size_bytes: int, offset: int, stream: Readable) -> Part:
    """Take a part of an upload; it is on the disk when this returns.

    Raises:
        InvalidInput: See ``received``; or there are more bytes than were declared.
        Conflict: The part does not begin where the last one ended.
        Unavailable: The disk is full, or would be.
    """
    part = received(person, sha256, size_bytes)
    check_room(part.size_bytes - part.received_bytes)
    if part.is_complete and offset == size_bytes:
        return part
    if part.is_complete:
        raise Conflict(f"All {size_bytes} bytes of this upload are here.", "Make a version of it.")
    return uploads_of(person).append(part, offset, stream)


def push_upload(person: Person, sha256: str, size_bytes: int, filename: str, wanted: Push) -> Pushed:
    """Make a version of an upload that is complete.

    Raises:
        Conflict: Bytes are missing.
        InvalidModelFolder: It is no valid model: all mistakes at once. The upload is forgotten.
        RilaasError: See ``registry.push``.
    """
    check_push(person, wanted)
    uploads = uploads_of(person)
    part = begin_upload(person, sha256, size_bytes)
    is_checked = uploads.has(sha256) and not part.received_bytes
    path = uploads.path(sha256) if is_checked else uploads.finish(part)
    try:
        pushed = push_archive(person, path, filename, wanted)
    except FileNotFoundError:
        raise Conflict("Somebody made a version of this upload just now.", "Look at the model.") from None
    except InvalidInput:
        uploads.delete(sha256)  # the same bytes would be refused again
        raise
    uploads.delete(sha256)
    return pushed


def push_archive(person: Person, path: Path, filename: str, wanted: Push) -> Pushed:
    """Make a version of a .zip, .tar or .tar.gz.

    Raises:
        InvalidModelFolder: It is no valid model: all mistakes at once.
        RilaasError: See ``registry.push``.
    """
    check_push(person, wanted)
    with scratch() as place:
        return push(person, unpack_upload(path, place / "model", filename=filename), wanted)


def push_files(person: Person, files: Sequence[tuple[str, Path]], wanted: Push) -> Pushed:
    """Make a version of the files of a form: one archive, or the files of a model folder.

    Args:
        person: Who sends them.
        files: Name, with the folders that a browser tells, and where the content lies.
        wanted: What the person says with them.

    Raises:
        InvalidModelFolder: It is no valid model: all mistakes at once.
        RilaasError: See ``registry.push``.
    """
    check_push(person, wanted)
    if len(files) == 1 and files[0][0].rpartition("/")[2] != "model.toml":
        return push_archive(person, files[0][1], files[0][0], wanted)
    by_name: dict[str, Path] = {}
    for name, path in files:
        if name in by_name:
            raise InvalidModelFolder(f"The upload holds two files {name!a}.", "Upload the folder or an archive.")
        by_name[name] = path
    with scratch() as place:
        return push(person, folder_from_files(by_name, place / "model"), wanted)
