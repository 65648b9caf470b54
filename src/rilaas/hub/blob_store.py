"""Where the hub keeps bytes: model archives by their hash, and what people upload until it has become something."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from rilaas.hub.models import Person
from rilaas.store import Blobs

UPLOAD_LIFE_H = 48.0  # an upload that nobody went on with is removed


def home() -> Path:
    """The hub's folder."""
    return Path(settings.HOME)


def model_blobs() -> Blobs:
    """Archives of model variants, by ``Variant.archive_sha256``."""
    return Blobs(home() / "blobs")


def uploads_of(person: Person) -> Blobs:
    """What a person is uploading; nobody else can name it."""
    return Blobs(home() / "uploads" / str(person.pk))


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
    bound_s = time.time() - 3600 * UPLOAD_LIFE_H
    for folder in (home() / "uploads").glob("*"):
        Blobs(folder).clean(UPLOAD_LIFE_H)
        for path in (folder / "whole").glob("??/*"):
            if path.stat().st_mtime < bound_s:
                path.unlink(missing_ok=True)
    for folder in (home() / "scratch").glob("*"):
        if folder.stat().st_mtime < bound_s:
            shutil.rmtree(folder, ignore_errors=True)
