"""The list of datasets, a dataset's page, a sample's page."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.core import InvalidInput
from rilaas.hub.actions.dataset import DatasetPush, delete_dataset, delete_version, describe
from rilaas.hub.actions.dataset_upload import upload_dataset
from rilaas.hub.actions.run import start_run
from rilaas.hub.actions.sharing import set_visibility, share, unshare
from rilaas.hub.models import Job
from rilaas.hub.pages.form_files import form_files
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.pages.reference import number_of, reference_of
from rilaas.hub.queries.dataset import list_datasets, show_dataset, show_sample
from rilaas.hub.queries.run import list_runs, runnable


def _list(request: HttpRequest) -> Data:
    person = person_of(request)
    return list_datasets(person, search=request.GET.get("q", ""), page=request.GET.get("page", ""))


def _new(request: HttpRequest) -> Data:
    return {"owner": person_of(request).username}


def _show(request: HttpRequest, owner: str, name: str) -> Data:
    person, number = person_of(request), number_of(request.GET.get("version", ""), "version")
    data = show_dataset(person, owner, name, number=number, page=request.GET.get("page", ""))
    return {
        **data,
        "runs": list_runs(person, dataset=data["ref"], limit=20),
        "runnable": runnable(person, (data["shown"] or {}).get("fields", [])),
    }


def _sample(request: HttpRequest, owner: str, name: str, number: int, index: int) -> Data:
    return show_sample(person_of(request), owner, name, number, index)


def _upload_new(request: HttpRequest) -> tuple[str, str]:
    return _upload(request, person_of(request).username, request.POST.get("name", "").strip())


def _upload(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    files = [*request.FILES.getlist("file"), *request.FILES.getlist("folder")]
    wanted = DatasetPush(owner, name, request.POST.get("description", "").replace("\r\n", "\n"))
    made = upload_dataset(person_of(request), form_files(files, request.POST.get("paths", "")), wanted)
    if isinstance(made, Job):
        return f"/jobs/{made.pk}", "The upload is here. It is being read; this page says how far that is."
    return made.address, made.sentence


def _describe(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    describe(person_of(request), owner, name, request.POST.get("description", "").replace("\r\n", "\n"))
    return f"/datasets/{owner}/{name}", "The description is changed."


def _visibility(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    visibility = request.POST.get("visibility", "")
    set_visibility(person_of(request), "dataset", owner, name, visibility)
    return f"/datasets/{owner}/{name}", f"The dataset is {visibility}."


def _share(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    whom = request.POST.get("person", "").strip()
    share(person_of(request), "dataset", owner, name, whom)
    return f"/datasets/{owner}/{name}", f"{whom} sees the dataset and may add versions."


def _unshare(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    whom = request.POST.get("person", "")
    unshare(person_of(request), "dataset", owner, name, whom)
    return f"/datasets/{owner}/{name}", f"{whom} has no rights on the dataset any more."


def _run(request: HttpRequest, owner: str, name: str) -> str:
    reference = reference_of(request.POST.get("other", "").strip() or request.POST.get("model", ""))
    number = number_of(request.POST.get("number", ""), "version")
    run = start_run(person_of(request), (reference.owner, reference.name), reference.revision, (owner, name), number)
    return f"/runs/{run.pk}"


def _delete_version(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    number = number_of(request.POST.get("number", ""), "version")
    delete_version(person_of(request), owner, name, number or 0)
    return f"/datasets/{owner}/{name}", f"Version {number} is deleted. Its number stays with its content."


def _delete(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    if request.POST.get("confirm", "").strip() != name:
        raise InvalidInput(f"Nothing was deleted: the name {name!r} was not typed.", "Type it to delete the dataset.")
    delete_dataset(person_of(request), owner, name)
    return "/datasets", f"{owner}/{name} is deleted."


PAGES = (
    Page("datasets", "hub/datasets.html", _list),
    Page("datasets/new", "hub/dataset-new.html", _new, {"upload": _upload_new}),
    Page(
        "datasets/<part:owner>/<part:name>",
        "hub/dataset.html",
        _show,
        {
            "upload": _upload,
            "describe": _describe,
            "visibility": _visibility,
            "share": _share,
            "unshare": _unshare,
            "run": _run,
            "delete-version": _delete_version,
            "delete": _delete,
        },
    ),
    Page(
        "datasets/<part:owner>/<part:name>/versions/<int:number>/samples/<int:index>",
        "hub/dataset-sample.html",
        _sample,
    ),
)
