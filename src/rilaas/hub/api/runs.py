"""Runs and trials over REST."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Field, File, Router, Schema, Status
from ninja.files import UploadedFile

from rilaas.hub.actions.run import start_run, start_trial
from rilaas.hub.api.picture import picture
from rilaas.hub.api.token import caller
from rilaas.hub.pages.download import download
from rilaas.hub.pages.form_files import form_files
from rilaas.hub.queries.run import list_runs, run_outputs, run_picture, show_run, show_run_sample

router = Router(tags=["runs"])
_BINARY = {"responses": {200: {"description": "An .npz", "content": {"application/octet-stream": {}}}}}
_PICTURE = {"responses": {200: {"description": "An SVG", "content": {"image/svg+xml": {}}}}}
Key = Annotated[int, Field(ge=0, le=2**63 - 1)]
Index = Annotated[int, Field(ge=0, le=2**31 - 1)]
_NAME = r"[^/\s]{1,64}/[^/\s]{1,64}"
Reference = Annotated[str, Field(pattern=f"^{_NAME}$", description="owner/name")]


class NewRun(Schema):
    """A model over a dataset."""

    model: Reference
    revision: str = Field("", description="3, 3@int8, an alias; '' is the newest version.")
    dataset: Reference
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(None, description="None is the newest.")


class Started(Schema):
    """A run that was queued."""

    id: int
    job: int


@router.get("/runs")
def runs(request: HttpRequest, model: str = "", dataset: str = "") -> list[dict[str, Any]]:
    """The 50 newest runs that you may see; of one model, over one dataset (owner/name)."""
    return list_runs(caller(request, "read"), model=model, dataset=dataset)


@router.post("/runs", response={202: Started})
def start(request: HttpRequest, wanted: NewRun) -> Status[dict[str, Any]]:
    """Run a model over a dataset, by a job."""
    person = caller(request, "write")
    model, dataset = wanted.model.split("/"), wanted.dataset.split("/")
    run = start_run(person, (model[0], model[1]), wanted.revision, (dataset[0], dataset[1]), wanted.version)
    return Status(202, {"id": run.pk, "job": run.job_id})


@router.post("/models/{owner}/{name}/versions/{revision}/trials", response={202: Started})
def trial(
    request: HttpRequest, owner: str, name: str, revision: str, file: File[list[UploadedFile]]
) -> Status[dict[str, Any]]:
    """Try a revision on one picture, or on the first sample of a small upload."""
    person = caller(request, "write")
    run = start_trial(person, (owner, name), revision, form_files(file, ""))
    return Status(202, {"id": run.pk, "job": run.job_id})


@router.get("/runs/{run_id}")
def run(
    request: HttpRequest, run_id: Key, order: Literal["worst", "number"] = "worst", page: int = 1
) -> dict[str, Any]:
    """One run: its numbers, and its samples, 12 at a time, those with the largest error first."""
    return show_run(caller(request, "read"), run_id, order=order, page=str(page))


@router.get("/runs/{run_id}/outputs", openapi_extra=_BINARY)
def outputs(request: HttpRequest, run_id: Key) -> HttpResponseBase:
    """Download all outputs of a run that is done: one .npz."""
    path = run_outputs(caller(request, "read"), run_id)
    return download(request, path.open("rb"), f"run-{run_id}.npz", content_type="application/octet-stream")


@router.get("/runs/{run_id}/samples/{index}")
def sample(request: HttpRequest, run_id: Key, index: Index) -> dict[str, Any]:
    """One sample of a run."""
    return show_run_sample(caller(request, "read"), run_id, index)


@router.get("/runs/{run_id}/samples/{index}/picture", openapi_extra=_PICTURE)
def drawn(request: HttpRequest, run_id: Key, index: Index, small: bool = False) -> HttpResponse:
    """Outputs drawn on inputs."""
    return picture(run_picture(caller(request, "read"), run_id, index, small=small), "image/svg+xml")
