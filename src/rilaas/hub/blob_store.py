"""Where the hub keeps bytes: model archives by their hash, and what people upload until it has become something."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from rilaas.core import RateLimited, Unavailable
from rilaas.hub.models import Person
from rilaas.store import Blobs, Part

UPLOAD_LIFE_H = 48.0  # an upload that nobody went on with is removed
_FORM_LIFE_H = 1.0  # a file of a form is written to, then read at once
MAX_UNDER_WAY = 100  # uploads of a person that are not finished
RESERVE_BYTES = 512 * 2**20  # of the disk, that no upload takes: the database has to go on


def home() -> Path:
    """The hub's folder."""
    return Path(settings.HOME)


def model_blobs() -> Blobs:
    """Archives of model variants, by ``Variant.archive_sha256``."""
    return Blobs(home() / "blobs")


def uploads_of(person: Person) -> Blobs:
    """What a person is uploading; nobody else can name it."""
    return Blobs(home() / "uploads" / str(person.pk))


def begin_upload(person: Person, sha256: str, size_bytes: int) -> Part:
    """Begin an upload of a person, or find how far it came.

    Raises:
        InvalidInput: See ``Blobs.part``.
        RateLimited: Too many of the person's uploads are not finished.
    """
    uploads = uploads_of(person)
    begun = uploads.under_way()
    if len(begun) >= MAX_UNDER_WAY and sha256 not in begun:
        raise RateLimited(
            f"{len(begun)} uploads of yours are not finished; at most {MAX_UNDER_WAY} may be.",
            f"Finish them; what nobody goes on with is removed after {UPLOAD_LIFE_H:g} hours.",
        )
    return uploads.part(sha256, size_bytes, person.username)


def check_room(size_bytes: int) -> None:
    """See whether the disk has room for something that comes in.

    Raises:
        Unavailable: It has not.
    """
    free = shutil.disk_usage(home()).free
    if free - size_bytes < RESERVE_BYTES:
        raise Unavailable(
            f"The hub's disk has {max(0, free) / 1e6:.0f} MB left, which is too little.",
            "Who runs the hub has to make room.",
        )


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the time of a ``with``, on the disk of the blobs; one that a killed hub left is removed later."""
    root = home() / "scratch"
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def blobs_locked() -> Iterator[None]:
    """Alone, across processes, with the rows that name blobs.

    Who adds a row that names one looks inside whether the blob is there; who removes one looks inside whether a row
    names it. Neither can then miss the other.
    """
    folder = home() / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def clean() -> None:
    """Remove uploads and scratch folders that nobody went on with."""
    now_s = time.time()
    bound_s = now_s - 3600 * UPLOAD_LIFE_H
    for folder in (home() / "uploads").glob("*"):
        Blobs(folder).clean(UPLOAD_LIFE_H)
        for path in (folder / "whole").glob("??/*"):
            if path.stat().st_mtime < bound_s:
                path.unlink(missing_ok=True)
    for path in (home() / "scratch").glob("*"):
        with contextlib.suppress(FileNotFoundError):  # somebody is done with it just now
            age_s = now_s - path.stat().st_mtime
            if path.is_dir() and age_s > 3600 * UPLOAD_LIFE_H:
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_file() and age_s > 3600 * _FORM_LIFE_H:  # of a form, by a hub that was killed
                path.unlink()
