"""Datasets as pages and programs see them."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Q

from rilaas.core import NotFound
from rilaas.hub.dataset_store import dataset_blobs, picture_folder
from rilaas.hub.models import Dataset, DatasetVersion, Person
from rilaas.hub.queries.access import OWNER, STRANGER, find_dataset, role_of, visible_datasets
from rilaas.hub.queries.frozen import sample_at
from rilaas.hub.queries.paging import paged
from rilaas.hub.queries.tensor import may_fit, shown
from rilaas.report.overlay import draw, thumbnail
from rilaas.report.overlay.raster import find_picture
from rilaas.store.dataset import Sample

PER_GALLERY = 24
_MAX_VERSIONS = 100
_MAX_DESCRIPTION = 300  # characters in lists
THUMB_PX, PICTURE_PX = 356, 640


def list_datasets(person: Person, *, search: str = "", page: str = "") -> dict[str, Any]:
    """Datasets that the person may see, the newest change first."""
    datasets = visible_datasets(person).select_related("owner").order_by("-updated_at", "-pk")
    search = search.replace("\0", "")
    if search:
        datasets = datasets.filter(Q(name__icontains=search[:200]) | Q(owner__username__icontains=search[:200]))
    listed = paged(datasets, page, _row)
    there = DatasetVersion.objects.filter(dataset__in=[row["id"] for row in listed["rows"]]).exclude(blob_sha256="")
    counted = there.values("dataset").annotate(newest=Max("number"), count=Count("pk"), samples=Max("samples"))
    by_id: dict[int, Any] = {row["dataset"]: row for row in counted}
    for row in listed["rows"]:
        found = by_id.get(row["id"], {})
        row["newest"], row["versions"] = found.get("newest"), found.get("count", 0)
        row["samples"] = found.get("samples", 0)
    return {**listed, "search": search}


def show_dataset(
    person: Person, owner: str, name: str, *, number: int | None = None, page: str = ""
) -> dict[str, Any]:
    """One dataset: its versions, and one of them in full.

    Args:
        person: Who asks.
        owner: The dataset's owner.
        name: The dataset.
        number: Which version is shown in full; None is the newest.
        page: Of its samples.

    Raises:
        NotFound: There is no such dataset or version, or it is hidden from the person.
    """
    dataset = find_dataset(person, owner, name)
    role = role_of(person, dataset)
    rows = dataset.versions.exclude(blob_sha256="").select_related("created_by").order_by("-number")
    versions = [_version(version) for version in rows.defer("info")[:_MAX_VERSIONS]]
    shown_row = rows.first() if number is None else rows.filter(number=number).first()
    if shown_row is None and number is not None:
        numbers = ", ".join(str(each["number"]) for each in versions) or "none"
        raise NotFound(f"{dataset} has no version {number}. Available: {numbers}.")
    return {
        **_row(dataset),
        "description": dataset.description,
        "role": role,
        "may_change": role != STRANGER,
        "is_owner": role == OWNER,
        "collaborators": sorted(dataset.collaborators.values_list("username", flat=True)) if role != STRANGER else [],
        "versions": versions,
        "shown": _full(dataset, shown_row, page) if shown_row else None,
    }


def show_sample(person: Person, owner: str, name: str, number: int, index: int) -> dict[str, Any]:
    """One sample: every field with its values or their range.

    Raises:
        NotFound: There is none, or it is hidden from the person.
    """
    version = find_version(person, owner, name, number)
    sample = read_sample(version, index)
    base = f"/datasets/{version.dataset}/versions/{number}/samples"
    return {
        "ref": str(version.dataset),
        "number": number,
        "index": index,
        "samples": version.samples,
        "inputs": [{"name": key, **shown(value)} for key, value in sample.inputs.items()],
        "expected": [{"name": key, **shown(value)} for key, value in sample.expected.items()],
        "picture": f"/api/v1{base}/{index}/picture?v={version.digest[7:19]}",
        "previous": index - 1 if index else None,
        "next": index + 1 if index + 1 < version.samples else None,
    }


def sample_picture(
    person: Person, owner: str, name: str, number: int, index: int, *, small: bool
) -> tuple[bytes, str]:
    """A picture of a sample, with its type: PNG or SVG. Small ones are kept.

    Raises:
        NotFound: There is none, or it is hidden from the person.
    """
    version = find_version(person, owner, name, number)
    kept = picture_folder(version.blob_sha256) / f"{index:06d}-{THUMB_PX}"
    if small and kept.is_file():
        data = kept.read_bytes()
    else:
        data = picture_of(read_sample(version, index), THUMB_PX if small else PICTURE_PX)
        if small:
            kept.parent.mkdir(parents=True, exist_ok=True)
            fresh = kept.with_suffix(f".{id(data):x}")
            fresh.write_bytes(data)
            fresh.replace(kept)
    return data, "image/png" if data.startswith(b"\x89PNG") else "image/svg+xml"


def picture_of(sample: Sample, max_px: int) -> bytes:
    """The image of a sample, with what is expected drawn on it; its numbers where it has no image."""
    found = find_picture(sample.inputs)
    if found is None:
        return draw({}, {**sample.inputs, **sample.expected}, max_px=max_px)
    if not sample.expected:
        return thumbnail(found.pixels, max_px)
    return draw(sample.inputs, sample.expected, max_px=max_px)


def read_sample(version: DatasetVersion, index: int) -> Sample:
    """A sample of a version.

    Raises:
        NotFound: There is none.
    """
    return sample_at(dataset_blobs().path(version.blob_sha256), index)


def find_version(person: Person, owner: str, name: str, number: int | None = None) -> DatasetVersion:
    """A version of a dataset that the person may see; its ``dataset.owner`` is loaded with it.

    Raises:
        NotFound: There is none, or it is hidden from the person.
    """
    dataset = find_dataset(person, owner, name)
    versions = dataset.versions.select_related("dataset__owner").exclude(blob_sha256="").order_by("-number")
    version = versions.first() if number is None else versions.filter(number=number).first()
    if version is None:
        numbers = ", ".join(map(str, versions.values_list("number", flat=True)[:20])) or "none"
        raise NotFound(f"{dataset} has no version{'' if number is None else f' {number}'}. Available: {numbers}.")
    return version


def choices(person: Person, inputs: list[dict[str, Any]], limit: int = 50) -> dict[str, list[str]]:
    """Newest versions of the datasets that changed last, for a form.

    Returns:
        ``fit``: those whose fields may be a model's inputs; ``others``.
    """
    rows = visible_datasets(person).annotate(newest=Max("versions__number", filter=~Q(versions__blob_sha256="")))
    datasets = list(rows.filter(newest__isnull=False).select_related("owner").order_by("-updated_at", "-pk")[:limit])
    newest = DatasetVersion.objects.filter(dataset__in=datasets).values_list("dataset", "number", "info")
    infos = {(dataset, number): info for dataset, number, info in newest}
    found: dict[str, list[str]] = {"fit": [], "others": []}
    for row in datasets:
        fits = may_fit(infos[row.pk, row.newest].get("fields", []), inputs)
        found["fit" if fits else "others"].append(f"{row}:{row.newest}")
    return found


def _full(dataset: Dataset, version: DatasetVersion, page: str) -> dict[str, Any]:
    pages = max(1, -(-version.samples // PER_GALLERY))
    shown_page = min(max(1, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1), pages)
    first = (shown_page - 1) * PER_GALLERY
    base = f"/datasets/{dataset}/versions/{version.number}/samples"
    gallery = [
        {
            "index": index,
            "address": f"{base}/{index}",
            "picture": f"/api/v1{base}/{index}/picture?small=1&v={version.digest[7:19]}",
        }
        for index in range(first, min(first + PER_GALLERY, version.samples))
    ]
    return {
        **_version(version),
        "fields": version.info.get("fields", []),
        "expected": version.info.get("expected", []),
        "notes": version.info.get("notes", []),
        "gallery": gallery,
        "page_number": shown_page,
        "pages": pages,
        "count": version.samples,
    }


def _version(version: DatasetVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "digest": version.digest,
        "samples": version.samples,
        "size_bytes": version.size_bytes,
        "source_format": version.source_format,
        "created_at": version.created_at,
        "created_by": version.created_by.username,
    }


def _row(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.pk,
        "ref": str(dataset),
        "owner": dataset.owner.username,
        "name": dataset.name,
        "description": dataset.description[:_MAX_DESCRIPTION],
        "visibility": dataset.visibility,
        "updated_at": dataset.updated_at,
    }
