"""Evaluations over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status

from rilaas.core import InvalidInput
from rilaas.hub.actions.evaluation import MAX_REPORT_BYTES, add_evaluation, delete_evaluation
from rilaas.hub.api.picture import picture
from rilaas.hub.api.token import caller
from rilaas.hub.queries.evaluation import full_report, list_evaluations, show_episode
from rilaas.hub.queries.evaluation_compare import compare_evaluations
from rilaas.hub.queries.evaluation_page import report_figure, show_evaluation

router = Router(tags=["evaluations"])
# What a report says is shown as it is, but nothing of it runs and nothing of it belongs to this site.
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "What `--json` wrote."}}},
    }
}
_PICTURE = {"responses": {200: {"description": "A picture", "content": {"image/svg+xml": {}, "image/jpeg": {}}}}}


class Made(Schema):
    """An evaluation that was kept."""

    id: int
    url: str


@router.get("/evaluations")
def evaluations(request: HttpRequest, model: str = "", suite: str = "", page: int = 1) -> dict[str, Any]:
    """Evaluations that you may see, 50 at a time."""
    return list_evaluations(caller(request, "read"), model=model, suite=suite, page=str(page))


@router.post("/evaluations", response={201: Made}, openapi_extra=_BODY)
def add(request: HttpRequest, model: str = "", revision: str = "") -> Status[dict[str, Any]]:
    """Keep a report, as `rilaas evaluate --json` writes it; `model` is `owner/name` of what was judged."""
    person = caller(request, "write")
    data = request.read(MAX_REPORT_BYTES + 1)
    if not data:
        raise InvalidInput("The request has no body.", "Send the report: curl --data-binary @report.json")
    evaluation = add_evaluation(person, data, model=model, revision=revision)
    return Status(201, {"id": evaluation.pk, "url": request.build_absolute_uri(f"/evaluations/{evaluation.pk}")})


@router.get("/evaluations/compare")
def compare(request: HttpRequest, a: str, b: str) -> dict[str, Any]:
    """Two evaluations, metric by metric."""
    return compare_evaluations(caller(request, "read"), a, b)


@router.get("/evaluations/{int:evaluation_id}")
def evaluation(request: HttpRequest, evaluation_id: int, page: int = 1) -> dict[str, Any]:
    """One evaluation with its episodes, worst first, 50 at a time."""
    return show_evaluation(caller(request, "read"), evaluation_id, page=str(page))


@router.delete("/evaluations/{int:evaluation_id}", response={204: None})
def delete(request: HttpRequest, evaluation_id: int) -> Status[None]:
    """Forget an evaluation of yours."""
    delete_evaluation(caller(request, "write"), evaluation_id)
    return Status(204, None)


@router.get("/evaluations/{int:evaluation_id}/episodes/{int:index}")
def episode(request: HttpRequest, evaluation_id: int, index: int) -> dict[str, Any]:
    """One episode, and how to run it again."""
    return show_episode(caller(request, "read"), evaluation_id, index)


@router.get("/evaluations/{int:evaluation_id}/figures/{int:index}", openapi_extra=_PICTURE)
def figure(request: HttpRequest, evaluation_id: int, index: int) -> HttpResponse:
    """A picture of the report."""
    found = report_figure(caller(request, "read"), evaluation_id, index)
    return picture(found.data, found.media_type)


@router.get("/evaluations/{int:evaluation_id}/report.json")
def report_json(request: HttpRequest, evaluation_id: int) -> HttpResponse:
    """The report as a file."""
    text = full_report(caller(request, "read"), evaluation_id).to_json()
    name = f'attachment; filename="evaluation-{evaluation_id}.json"'
    return HttpResponse(text, content_type="application/json", headers={"Content-Disposition": name})


@router.get("/evaluations/{int:evaluation_id}/report.html")
def report_html(request: HttpRequest, evaluation_id: int) -> HttpResponse:
    """The report as one page, in a sandbox."""
    page = full_report(caller(request, "read"), evaluation_id).to_html()
    return HttpResponse(page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _SANDBOX})
