"""Datasets and their versions come and go.

A version is its content's hash and never changes. The frozen file is on the disk before a row names it, so a hub that
is killed at any moment leaves no half version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from rilaas.core import InvalidInput, NotFound
from rilaas.hub.actions.event import record
from rilaas.hub.blob_store import blobs_locked
from rilaas.hub.dataset_store import dataset_blobs
from rilaas.hub.models import Dataset, DatasetVersion, Person
from rilaas.hub.models.name import checked_name
from rilaas.hub.queries.access import find_dataset
from rilaas.store.dataset import DatasetInfo

MAX_DESCRIPTION = 4000  # characters


@dataclass(frozen=True, slots=True)
class DatasetPush:
    """What a person says with an upload.

    Attributes:
        owner: Whose dataset it goes to.
        name: The dataset's name; it is made where it is the person's and new.
        description: Of the dataset; '' leaves it as it is.
    """

    owner: str
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class DatasetPushed:
    """What became of it.

    Attributes:
        dataset: ``owner/name``.
        number: Of the version.
        samples: How many it has.
        is_new: False where the same content was there already.
    """

    dataset: str
    number: int
    samples: int
    is_new: bool

    @property
    def address(self) -> str:
        """Its page."""
        return f"/datasets/{self.dataset}?version={self.number}"

    @property
    def sentence(self) -> str:
        """What happened."""
        if not self.is_new:
            return f"Nothing new: {self.dataset}:{self.number} has exactly these samples."
        return f"{self.dataset}:{self.number} is here: {self.samples} sample{'' if self.samples == 1 else 's'}."


def check_push(person: Person, wanted: DatasetPush) -> Dataset | None:
    """Look at what can be wrong before anything is read; None where the upload makes the dataset.

    Raises:
        InvalidInput: A name or the description cannot be.
        NotFound: It is another's and hidden from the person; so ``PermissionDenied``.
    """
    checked_name(wanted.name, "dataset")
    if len(wanted.description) > MAX_DESCRIPTION or "\0" in wanted.description:
        raise InvalidInput(f"A description has at most {MAX_DESCRIPTION} characters, all of them visible.")
    try:
        return find_dataset(person, wanted.owner, wanted.name, to="change")
    except NotFound:
        if wanted.owner != person.username:
            raise
        return None


def add_version(person: Person, frozen: Path, info: DatasetInfo, wanted: DatasetPush) -> DatasetPushed:
    """Make a version of a frozen file; the dataset too where it is the person's and new.

    Raises:
        RilaasError: See ``check_push``.
    """
    while True:
        with frozen.open("rb") as file:
            sha256 = dataset_blobs().put(file)
        with blobs_locked():
            if dataset_blobs().has(sha256):  # else somebody deleted the same content just now
                try:
                    return _add(person, info, wanted, sha256)
                finally:
                    _drop_unnamed([sha256])


def describe(person: Person, owner: str, name: str, description: str) -> None:
    """Say what a dataset is.

    Raises:
        NotFound: There is none, or it is hidden from the person.
        PermissionDenied: The person may only look at it.
        InvalidInput: It is too long.
    """
    with transaction.atomic():
        dataset = find_dataset(person, owner, name, to="change")
        check_push(person, DatasetPush(owner, name, description))
        dataset.description = description
        dataset.save(update_fields=["description", "updated_at"])
        record(person, "dataset described", str(dataset))


def delete_dataset(person: Person, owner: str, name: str) -> None:
    """Delete a dataset with its versions and the runs over them.

    Raises:
        NotFound: There is none, or it is hidden from the person.
        PermissionDenied: It is somebody else's.
    """
    with transaction.atomic():
        dataset = find_dataset(person, owner, name, to="own")
        blobs = list(dataset.versions.exclude(blob_sha256="").values_list("blob_sha256", flat=True))
        record(person, "dataset deleted", str(dataset), f"{len(blobs)} versions")
        dataset.delete()
    _drop(blobs)


def delete_version(person: Person, owner: str, name: str, number: int) -> None:
    """Delete one version with the runs over it.

    Raises:
        NotFound: There is none, or it is hidden from the person.
        PermissionDenied: The dataset is somebody else's.
    """
    with transaction.atomic():
        dataset = find_dataset(person, owner, name, to="own")
        version = dataset.versions.filter(number=number).exclude(blob_sha256="").first()
        if version is None:
            raise NotFound(f"{dataset} has no version {number}.")
        record(person, "dataset version deleted", str(dataset), f"{number} {version.digest}")
        blob = version.blob_sha256
        version.runs.all().delete()
        version.blob_sha256 = ""  # the row stays: its number means this content and never another
        version.save(update_fields=["blob_sha256"])
    _drop([blob])


def sweep() -> int:
    """Delete frozen files that a killed hub left without a row; returns how many."""
    with blobs_locked():
        return _drop_unnamed(list(dataset_blobs().hashes()))


def _add(person: Person, info: DatasetInfo, wanted: DatasetPush, sha256: str) -> DatasetPushed:
    with transaction.atomic():
        dataset = check_push(person, wanted)
        if dataset is None:
            dataset, _ = Dataset.objects.get_or_create(owner=person, name=wanted.name)
        dataset = Dataset.objects.select_for_update(of=("self",)).select_related("owner").get(pk=dataset.pk)
        version = dataset.versions.filter(digest=info.digest).first()
        if version is not None and version.blob_sha256:
            return DatasetPushed(str(dataset), version.number, version.samples, False)
        if version is None:  # else it was deleted, and gets its number again
            newest = dataset.versions.order_by("-number").values_list("number", flat=True).first() or 0
            version = DatasetVersion(dataset=dataset, number=newest + 1, digest=info.digest)
        version.blob_sha256, version.samples, version.size_bytes = sha256, info.samples, info.size_bytes
        version.source_format, version.info, version.created_by = info.source, info_json(info), person
        version.save()
        if wanted.description:
            dataset.description = wanted.description
        dataset.save(update_fields=["description", "updated_at"])
        record(person, "dataset uploaded", str(dataset), f"{version.number} {info.digest}")
        return DatasetPushed(str(dataset), version.number, info.samples, True)


def info_json(info: DatasetInfo) -> dict[str, Any]:
    """Its fields and notes, as pages show them."""

    def rows(fields: Any) -> list[dict[str, Any]]:
        return [
            {"name": name, "dtype": each.dtype, "shape": None if each.shape is None else list(each.shape)}
            for name, each in fields.items()
        ]

    return {"fields": rows(info.fields), "expected": rows(info.expected), "notes": list(info.notes)}


def _drop(blobs: Iterable[str]) -> None:
    with blobs_locked():
        _drop_unnamed(blobs)


def _drop_unnamed(blobs: Iterable[str]) -> int:
    """Delete files that no row names; the lock is held."""
    removed = 0
    for sha256 in set(blobs):
        if not DatasetVersion.objects.filter(blob_sha256=sha256).exists():
            removed += dataset_blobs().delete(sha256)
    return removed
