"""Evaluations: the list, one of them, one of its episodes, two side by side; and the form that starts one."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.core import Conflict, InvalidInput
from rilaas.hub.actions.evaluation import MAX_REPORT_BYTES, add_evaluation, delete_evaluation
from rilaas.hub.actions.evaluation_run import Course, start_evaluation
from rilaas.hub.actions.job import cancel_job
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.pages.reference import number_of
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.evaluation import find_evaluation, list_evaluations, show_episode
from rilaas.hub.queries.evaluation_compare import compare_evaluations
from rilaas.hub.queries.evaluation_page import show_evaluation
from rilaas.hub.queries.model import revisions
from rilaas.hub.queries.suite import MAX_EPISODES, MAX_SUITE_BYTES, list_suites, missing_package


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


def _cancel(request: HttpRequest, evaluation_id: int) -> tuple[str, str]:
    person = person_of(request)
    evaluation = find_evaluation(person, evaluation_id)
    if evaluation.job_id is None:
        raise Conflict(f"Evaluation {evaluation_id} is not driven by this hub.")
    cancel_job(person, evaluation.job_id)
    return f"/evaluations/{evaluation_id}", "The evaluation is being cancelled; what was driven is kept."


def _delete(request: HttpRequest, evaluation_id: int) -> tuple[str, str]:
    delete_evaluation(person_of(request), evaluation_id)
    return "/evaluations", "The evaluation is deleted."


def _episode(request: HttpRequest, evaluation_id: int, index: int) -> Data:
    return show_episode(person_of(request), evaluation_id, index)


def _compare(request: HttpRequest) -> Data:
    return compare_evaluations(person_of(request), request.GET.get("a", ""), request.GET.get("b", ""))


def _start_page(request: HttpRequest, owner: str, name: str) -> Data:
    model = find_model(person_of(request), owner, name, to="change")
    return {
        "ref": str(model),
        "variants": revisions(model),
        "revision": request.GET.get("revision", ""),
        "suites": list_suites(),
        "missing": missing_package(),
        "max_episodes": MAX_EPISODES,
    }


def _start(request: HttpRequest, owner: str, name: str) -> str:
    form, file = request.POST, request.FILES.get("suite_file")
    data = file.read(MAX_SUITE_BYTES + 1) if file else form.get("suite_toml", "").encode()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The suite is not UTF-8 text (byte {error.start}).", "Choose a TOML file.") from None
    latency = form.get("latency", "none")
    course = Course(
        suite="" if text.strip() else form.get("suite", ""),
        suite_toml=text,
        episodes=number_of(form.get("episodes", ""), "episodes"),
        latency=latency,
        latency_s=_seconds(form.get("latency_s", "")) if latency == "fixed" else None,
    )
    evaluation = start_evaluation(person_of(request), (owner, name), form.get("revision", ""), course)
    return f"/evaluations/{evaluation.pk}"


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} are no seconds.", "Write a number such as 0.08.") from None


PAGES = (
    Page("evaluations", "hub/evaluations.html", _list, {"add": _add}),
    Page("evaluations/compare", "hub/evaluation-compare.html", _compare),
    Page("evaluations/<int:evaluation_id>", "hub/evaluation.html", _show, {"cancel": _cancel, "delete": _delete}),
    Page("evaluations/<int:evaluation_id>/episodes/<int:index>", "hub/episode.html", _episode),
    Page("models/<part:owner>/<part:name>/evaluate", "hub/model-evaluate.html", _start_page, {"start": _start}),
)
