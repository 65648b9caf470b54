"""Evaluations: the list, one of them, one of its episodes, two side by side."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.core import InvalidInput
from rilaas.hub.actions.evaluation import MAX_REPORT_BYTES, add_evaluation, delete_evaluation
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.evaluation import compare_evaluations, list_evaluations, show_episode, show_evaluation


def _list(request: HttpRequest) -> Data:
    form = request.GET
    return list_evaluations(
        person_of(request), model=form.get("model", ""), suite=form.get("suite", ""), page=form.get("page", "")
    )


def _add(request: HttpRequest) -> tuple[str, str]:
    file = request.FILES.get("report")
    if file is None:
        raise InvalidInput("There is no file.", "Choose the report that `rilaas evaluate ... --json` wrote.")
    form = request.POST
    ref, _, revision = form.get("model", "").strip().partition(":")
    evaluation = add_evaluation(person_of(request), file.read(MAX_REPORT_BYTES + 1), model=ref, revision=revision)
    return f"/evaluations/{evaluation.pk}", "The evaluation is kept."


def _show(request: HttpRequest, evaluation_id: int) -> Data:
    return show_evaluation(person_of(request), evaluation_id, page=request.GET.get("page", ""))


def _delete(request: HttpRequest, evaluation_id: int) -> tuple[str, str]:
    delete_evaluation(person_of(request), evaluation_id)
    return "/evaluations", "The evaluation is deleted."


def _episode(request: HttpRequest, evaluation_id: int, index: int) -> Data:
    return show_episode(person_of(request), evaluation_id, index)


def _compare(request: HttpRequest) -> Data:
    return compare_evaluations(person_of(request), request.GET.get("a", ""), request.GET.get("b", ""))


PAGES = (
    Page("evaluations", "hub/evaluations.html", _list, {"add": _add}),
    Page("evaluations/compare", "hub/evaluation-compare.html", _compare),
    Page("evaluations/<int:evaluation_id>", "hub/evaluation.html", _show, {"delete": _delete}),
    Page("evaluations/<int:evaluation_id>/episodes/<int:index>", "hub/episode.html", _episode),
)
