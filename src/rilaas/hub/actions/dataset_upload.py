"""What people send becomes datasets: small uploads at once, large ones by a job."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from rilaas.hub.actions.dataset import DatasetPush, DatasetPushed, add_version, check_push
from rilaas.hub.actions.job import queue_job
from rilaas.hub.blob_store import begin_upload, scratch, uploads_of
from rilaas.hub.dataset_store import incoming_folder, joined, moved
from rilaas.hub.models import Job, Person
from rilaas.store.dataset import freeze_dataset

DIRECT_BYTES = 4 * 2**20  # what is larger is frozen by a job
_DIRECT_UNPACKED_BYTES = 64 * 2**20
FREEZE = "dataset-freeze"
_HEAVY = (b"\x1f\x8b", b"\x89MCAP", b"SQLite format 3")  # however small, they may hold much


def upload_dataset(person: Person, files: Sequence[tuple[str, Path]], wanted: DatasetPush) -> DatasetPushed | Job:
    """Make a version of the files of a form.

    Args:
        person: Who sends them.
        files: Names and where the contents lie: one file of a known kind, or images.
        wanted: What the person says with them.

    Returns:
        The version; or the job that makes it, where it takes long.

    Raises:
        InvalidInput: It is no dataset, or is told so by ``check_push``; nothing was stored.
        RilaasError: See ``check_push``.
    """
    check_push(person, wanted)
    with scratch() as place:
        filename, path = joined(files, place)
        if _is_light(path):
            info = freeze_dataset(path, filename, place / "frozen")
            return add_version(person, place / "frozen", info, wanted)
        return _queued(person, filename, path, wanted)


def upload_received(
    person: Person, sha256: str, size_bytes: int, filename: str, wanted: DatasetPush
) -> DatasetPushed | Job:
    """Make a version of an upload by its hash that is complete; see ``actions.upload``.

    Raises:
        Conflict: Bytes are missing.
        RilaasError: See ``upload_dataset``.
    """
    check_push(person, wanted)
    uploads = uploads_of(person)
    part = begin_upload(person, sha256, size_bytes)
    path = uploads.path(sha256) if uploads.has(sha256) and not part.received_bytes else uploads.finish(part)
    try:
        return upload_dataset(person, [(filename, path)], wanted)
    finally:
        uploads.delete(sha256)


def _queued(person: Person, filename: str, path: Path, wanted: DatasetPush) -> Job:
    folder = incoming_folder()
    try:
        moved(path, folder)
        parameters = {
            "folder": folder.name,
            "filename": filename,
            "owner": wanted.owner,
            "name": wanted.name,
            "description": wanted.description,
        }
        return queue_job(person, FREEZE, f"Freeze {filename[:120]} as {wanted.owner}/{wanted.name}", parameters)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _is_light(path: Path) -> bool:
    """Whether freezing it takes no longer than a person waits for a page."""
    if path.stat().st_size > DIRECT_BYTES:
        return False
    with path.open("rb") as file:
        head = file.read(512)
    if not head.startswith(b"PK"):
        return not head.startswith(_HEAVY) and head[257:262] != b"ustar"
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(info.file_size for info in archive.infolist()) <= _DIRECT_UNPACKED_BYTES
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return True  # freezing says at once what is wrong with it
