"""Datasets over REST."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Field, File, Form, Router, Schema, Status
from ninja.files import UploadedFile

from rilaas.hub.actions.dataset import DatasetPush, DatasetPushed, delete_dataset, delete_version, describe
from rilaas.hub.actions.dataset_upload import upload_dataset, upload_received
from rilaas.hub.actions.sharing import set_visibility, share, unshare
from rilaas.hub.api.picture import picture
from rilaas.hub.api.token import caller
from rilaas.hub.dataset_store import dataset_blobs
from rilaas.hub.models import Job
from rilaas.hub.pages.download import download
from rilaas.hub.pages.form_files import form_files
from rilaas.hub.queries.dataset import find_version, list_datasets, sample_picture, show_dataset, show_sample

router = Router(tags=["datasets"])
_ONE = "/datasets/{owner}/{name}"
_BINARY = {"responses": {200: {"description": "A file", "content": {"application/octet-stream": {}}}}}
_PICTURE = {"responses": {200: {"description": "A PNG or SVG", "content": {"image/png": {}, "image/svg+xml": {}}}}}
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Index = Annotated[int, Field(ge=0, le=2**31 - 1)]


class DatasetChange(Schema):
    """What is to be changed of a dataset; what is left out stays."""

    visibility: str | None = None
    description: str | None = None


class DatasetForm(Schema):
    """What is said with files."""

    description: str = ""
    paths: str = Field(
        "", description="The files' names with their folders, one a line, where a form leaves them away."
    )


class Received(Schema):
    """A complete upload by its hash (PUT /uploads/SHA256) that becomes a version."""

    sha256: str
    size_bytes: Annotated[int, Field(ge=0)]
    filename: str = "upload"
    description: str = ""


class Stored(Schema):
    """What became of an upload: a version, or a job that makes it where that takes long."""

    dataset: str
    number: int | None = None
    samples: int | None = None
    is_new: bool | None = None
    job: int | None = None


@router.get("/datasets")
def datasets(request: HttpRequest, search: str = "", page: int = 1) -> dict[str, Any]:
    """Datasets that you may see, 50 at a time."""
    return list_datasets(caller(request, "read"), search=search, page=str(page))


@router.get(_ONE)
def dataset(request: HttpRequest, owner: str, name: str, version: Number | None = None) -> dict[str, Any]:
    """One dataset: its versions, and one of them in full, the newest where none is named."""
    return show_dataset(caller(request, "read"), owner, name, number=version)


@router.post(_ONE + "/versions", response={201: Stored, 200: Stored, 202: Stored})
def upload(
    request: HttpRequest, owner: str, name: str, file: File[list[UploadedFile]], said: Form[DatasetForm]
) -> Status[dict[str, Any]]:
    """Upload a version: an .npz, an .mcap, images, or an archive. The dataset is made where it is yours and new.

    202: it is large, and a job makes the version.
    """
    wanted = DatasetPush(owner, name, said.description)
    return _told(wanted, upload_dataset(caller(request, "write"), form_files(file, said.paths), wanted))


@router.post(_ONE + "/versions/from-upload", response={201: Stored, 200: Stored, 202: Stored})
def make_version(request: HttpRequest, owner: str, name: str, sent: Received) -> Status[dict[str, Any]]:
    """Make a version of an upload that was sent in parts."""
    wanted = DatasetPush(owner, name, sent.description)
    person = caller(request, "write")
    return _told(wanted, upload_received(person, sent.sha256, sent.size_bytes, sent.filename, wanted))


@router.patch(_ONE)
def change(request: HttpRequest, owner: str, name: str, wanted: DatasetChange) -> dict[str, Any]:
    """Change who sees a dataset (its owner), or what is said about it (collaborators too)."""
    person = caller(request, "write")
    if wanted.visibility is not None:
        set_visibility(person, "dataset", owner, name, wanted.visibility)
    if wanted.description is not None:
        describe(person, owner, name, wanted.description)
    return show_dataset(person, owner, name)


@router.delete(_ONE, response={204: None})
def delete(request: HttpRequest, owner: str, name: str) -> Status[None]:
    """Delete a dataset with its versions and the runs over them; for its owner."""
    delete_dataset(caller(request, "write"), owner, name)
    return Status(204, None)


@router.put(_ONE + "/collaborators/{person}", response={204: None})
def add_collaborator(request: HttpRequest, owner: str, name: str, person: str) -> Status[None]:
    """Let somebody see, use and add to a dataset; what is private becomes shared."""
    share(caller(request, "write"), "dataset", owner, name, person)
    return Status(204, None)


@router.delete(_ONE + "/collaborators/{person}", response={204: None})
def remove_collaborator(request: HttpRequest, owner: str, name: str, person: str) -> Status[None]:
    """Take somebody's rights away."""
    unshare(caller(request, "write"), "dataset", owner, name, person)
    return Status(204, None)


@router.delete(_ONE + "/versions/{number}", response={204: None})
def remove_version(request: HttpRequest, owner: str, name: str, number: Number) -> Status[None]:
    """Delete one version with the runs over it; for the owner."""
    delete_version(caller(request, "write"), owner, name, number)
    return Status(204, None)


@router.get(_ONE + "/versions/{number}/file", openapi_extra=_BINARY)
def file(request: HttpRequest, owner: str, name: str, number: Number) -> HttpResponseBase:
    """Download a version: one .npz that numpy.load reads, sample by sample."""
    version = find_version(caller(request, "read"), owner, name, number)
    sha256 = version.blob_sha256
    blob = dataset_blobs().open(sha256)
    return download(request, blob, f"{name}-{number}.npz", sha256=sha256, content_type="application/octet-stream")


@router.get(_ONE + "/versions/{number}/samples/{index}")
def sample(request: HttpRequest, owner: str, name: str, number: Number, index: Index) -> dict[str, Any]:
    """One sample: its fields with their values, or their range."""
    return show_sample(caller(request, "read"), owner, name, number, index)


@router.get(_ONE + "/versions/{number}/samples/{index}/picture", openapi_extra=_PICTURE)
def drawn(
    request: HttpRequest, owner: str, name: str, number: Number, index: Index, small: bool = False
) -> HttpResponse:
    """A sample to look at."""
    data, kind = sample_picture(caller(request, "read"), owner, name, number, index, small=small)
    return picture(data, kind)


def _told(wanted: DatasetPush, made: DatasetPushed | Job) -> Status[dict[str, Any]]:
    if isinstance(made, Job):
        return Status(202, {"dataset": f"{wanted.owner}/{wanted.name}", "job": made.pk})
    said = {"dataset": made.dataset, "number": made.number, "samples": made.samples, "is_new": made.is_new}
    return Status(201 if made.is_new else 200, said)
