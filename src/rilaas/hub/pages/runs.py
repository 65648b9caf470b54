"""A run's page, a sample's page in it; running a model over a dataset, and trying it, from the model's side."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from rilaas.hub.actions.job import cancel_job
from rilaas.hub.actions.run import start_run, start_trial
from rilaas.hub.models import Model, Variant
from rilaas.hub.pages.form_files import form_files
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.pages.reference import dataset_of
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.dataset import choices
from rilaas.hub.queries.model import revisions
from rilaas.hub.queries.run import list_runs, show_run, show_run_sample


def _show(request: HttpRequest, run_id: int) -> Data:
    get = request.GET.get
    return show_run(person_of(request), run_id, order=get("order", ""), page=get("page", ""))


def _cancel(request: HttpRequest, run_id: int) -> tuple[str, str]:
    run = show_run(person_of(request), run_id)
    cancel_job(person_of(request), run["job_id"])
    return f"/runs/{run_id}", "The run is being cancelled."


def _sample(request: HttpRequest, run_id: int, index: int) -> Data:
    return show_run_sample(person_of(request), run_id, index)


def _try_page(request: HttpRequest, owner: str, name: str) -> Data:
    model = find_model(person_of(request), owner, name)
    return {"ref": str(model), "variants": revisions(model), "revision": request.GET.get("revision", "")}


def _try(request: HttpRequest, owner: str, name: str) -> str:
    files = form_files(request.FILES.getlist("file"), "")
    run = start_trial(person_of(request), (owner, name), request.POST.get("revision", ""), files)
    return f"/runs/{run.pk}"


def _run_page(request: HttpRequest, owner: str, name: str) -> Data:
    person = person_of(request)
    model = find_model(person, owner, name)
    return {
        "ref": str(model),
        "variants": revisions(model),
        "datasets": choices(person, _inputs(model)),
        "runs": list_runs(person, model=str(model)),
    }


def _run(request: HttpRequest, owner: str, name: str) -> str:
    chosen = request.POST.get("other", "").strip() or request.POST.get("dataset", "")
    whose, dataset, number = dataset_of(chosen)
    revision = request.POST.get("revision", "")
    run = start_run(person_of(request), (owner, name), revision, (whose, dataset), number)
    return f"/runs/{run.pk}"


def _inputs(model: Model) -> list[dict[str, Any]]:
    """Of its newest version."""
    newest = Variant.objects.filter(version__model=model, name="").order_by("-version__number").first()
    return list(newest.manifest.get("inputs", [])) if newest else []


PAGES = (
    Page("runs/<int:run_id>", "hub/run.html", _show, {"cancel": _cancel}),
    Page("runs/<int:run_id>/samples/<int:index>", "hub/run-sample.html", _sample),
    Page("models/<part:owner>/<part:name>/try", "hub/model-trial.html", _try_page, {"try": _try}),
    Page("models/<part:owner>/<part:name>/runs", "hub/model-runs.html", _run_page, {"run": _run}),
)
