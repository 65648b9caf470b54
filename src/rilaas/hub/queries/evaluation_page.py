"""An evaluation's page: what was reached, what was broken, episode by episode, and where it all comes from."""

from __future__ import annotations

import math
import shlex
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KeyTransform

from rilaas.core import InvalidInput, NotFound
from rilaas.hub.models import Episode, Evaluation, Person
from rilaas.hub.models.evaluation import OPTIMIZATION
from rilaas.hub.models.job import QUEUED, RUNNING
from rilaas.hub.queries.evaluation import (
    episode_row,
    evaluation_row,
    find_evaluation,
    full_report,
    metrics_of,
    source_of,
    suite_of,
    visible_evaluations,
)
from rilaas.hub.queries.evaluation_rerun import folder_of, optimized_command, planned_command
from rilaas.hub.queries.job import jobs_before, progress_of
from rilaas.hub.queries.paging import paged
from rilaas.report import Figure, Metric, Report, Table, metric_text, value_text
from rilaas.report.number import episode_text, table_texts

_COLUMNS = 5  # metrics in the table of episodes
_FIRST = ("driving_score", "driven_lane_m", "lane_time_share", "survival_share", "traffic_law_cost")
_OTHERS = 40  # evaluations that a form offers to compare with
_TABLES, _ROWS, _FIGURES, _ABSENT = 20, 60, 40, 60  # that a page shows; the report has all


def show_evaluation(person: Person, evaluation_id: int, *, page: str = "") -> dict[str, Any]:
    """One evaluation: verdict, all metrics, episodes worst first, pictures, where the numbers come from.

    Raises:
        NotFound: There is none, or it is hidden.
    """
    evaluation = find_evaluation(person, evaluation_id)
    metrics = metrics_of(evaluation)
    episodes = paged(_worst_first(evaluation, metrics), page, lambda each: {"episode": each})
    shown = [row["episode"] for row in episodes["rows"]]
    names = [name for name in metrics if any(name in each.metrics for each in shown)][:_COLUMNS]
    if not metrics:  # it is being driven: what is known are the episodes' own numbers
        known = dict.fromkeys(name for each in shown for name in each.metrics)
        names = [name for name in dict.fromkeys((*_FIRST, *known)) if name in known][:_COLUMNS]
    return {
        **evaluation_row(evaluation),
        **_job(person, evaluation),
        "summary": evaluation.summary,
        "metrics": [_metric(name, metric) for name, metric in _by_group(metrics)],
        "servers": _servers(metrics),
        **_from_report(evaluation),
        "columns": names,
        "episodes": [episode_row(each, metrics, names) for each in shown],
        "failed": evaluation.episodes.filter(failed=True).count(),
        **{key: episodes[key] for key in ("page_number", "pages", "count")},
        "source": source_of(evaluation),
        "again": again(evaluation),
        "others": _others(person, evaluation),
        "is_mine": evaluation.owner_id == person.pk,
    }


def report_figure(person: Person, evaluation_id: int, index: int) -> Figure:
    """A picture of the report.

    Raises:
        NotFound: There is none, or it is hidden.
    """
    figures = full_report(person, evaluation_id).figures
    if not 0 <= index < len(figures):
        raise NotFound(f"The report of evaluation {evaluation_id} has no figure {index}.")
    return figures[index]


def again(evaluation: Evaluation) -> dict[str, Any] | None:
    """How to drive the same on another machine; None where the report came from elsewhere: its command says it."""
    plan, variant = evaluation.plan, evaluation.variant
    if not plan or variant is None or evaluation.model is None:
        return None
    folder = folder_of(evaluation.model, variant)
    if evaluation.kind == OPTIMIZATION:
        return {
            "pull": f"rilaas pull {evaluation.model}:{variant.revision} --out {folder}",
            "evaluate": shlex.join([*optimized_command(plan, folder), "--report", "report.html"]),
            "file": plan.get("recipe_toml", ""),
            "latency": "",
            "count": None,
            "dataset": plan.get("dataset"),
            "made": [{"name": name, "revision": revision} for name, revision in plan.get("made", {}).items()],
        }
    return {
        "pull": f"rilaas pull {evaluation.model}:{variant.revision} --out {folder}",
        "evaluate": shlex.join([*planned_command(plan, folder), "--report", "report.html"]),
        "file": suite_of(evaluation) if plan.get("suite_toml") else "",
        "latency": plan.get("latency", ""),
        "count": plan.get("count"),
    }


def _job(person: Person, evaluation: Evaluation) -> dict[str, Any]:
    """How far it is, for all who see it; its log and its acts are its owner's."""
    job = evaluation.job
    if job is None:
        return {"job_id": None, "progress": None, "failed_with": None, "can_cancel": False, "now": ""}
    is_mine, progress = job.owner_id == person.pk, progress_of(job)
    if job.state == QUEUED:
        progress["before"] = jobs_before(job)
    return {
        "job_id": job.pk if is_mine else None,
        "progress": progress,
        "failed_with": job.error,
        "now": job.log.rstrip().rpartition("\n")[2] if is_mine and job.state == RUNNING else "",
        "can_cancel": is_mine and evaluation_row(evaluation)["is_open"] and not job.cancel_requested,
    }


def _from_report(evaluation: Evaluation) -> dict[str, Any]:
    """Tables, figures and what is absent, from the report."""
    try:
        report = Report.from_json(evaluation.report) if evaluation.report else None
    except InvalidInput:  # one of an earlier version
        report = None
    if report is None:
        return {"tables": [], "figures": [], "absent": []}
    return {
        "tables": [_table(table) for table in report.tables[:_TABLES]],
        "figures": [_figure(evaluation, i, each) for i, each in enumerate(report.figures[:_FIGURES])],
        "absent": _absent(report),
    }


def _table(table: Table) -> dict[str, Any]:
    cut = Table(table.title, table.columns, table.rows[:_ROWS], table.note)
    left = len(table.rows) - len(cut.rows)
    return {
        "title": table.title,
        "columns": list(table.columns),
        "rows": table_texts(cut),
        "note": table.note,
        "left_out": left,
    }


def _figure(evaluation: Evaluation, index: int, figure: Figure) -> dict[str, Any]:
    # The address changes with the picture, which a browser may keep.
    address = f"/api/v1/evaluations/{evaluation.pk}/figures/{index}?version={zlib.crc32(figure.data):08x}"
    return {"title": figure.title, "alt": figure.alt, "caption": figure.caption, "address": address}


def _absent(report: Report) -> list[dict[str, Any]]:
    """Metrics that some episodes do not have, and why; those that most lack first."""
    every = Counter((name, reason) for episode in report.episodes for name, reason in episode.absent.items())
    return [
        {"name": name, "reason": reason, "count": count, "of": len(report.episodes)}
        for (name, reason), count in every.most_common(_ABSENT)
    ]


def _by_group(metrics: Mapping[str, Metric]) -> list[tuple[str, Metric]]:
    """Metrics with those of a group together, groups in the order in which they begin."""
    order = {group: i for i, group in enumerate(dict.fromkeys(metric.group for metric in metrics.values()))}
    return sorted(metrics.items(), key=lambda item: order[item[1].group])


def _metric(name: str, metric: Metric) -> dict[str, Any]:
    numbers = {key: _finite(getattr(metric, key)) for key in ("mean", "low", "high", "median", "minimum", "maximum")}
    has_spread = all(map(math.isfinite, (metric.median, metric.minimum, metric.maximum)))
    spread = [episode_text(value, metric) for value in (metric.median, metric.minimum, metric.maximum)]
    return {
        "name": name,
        "group": metric.group,
        "text": metric_text(metric),
        "spread": spread if has_spread else [],
        "unit": metric.unit,
        "direction": metric.direction,
        **numbers,
        "n": metric.n,
    }


def _servers(metrics: Mapping[str, Metric]) -> list[dict[str, Any]]:
    return [
        {"metric": name, "server": server, "n": part.n}
        | {key: value_text(getattr(part, key), metric.unit) for key in ("p50", "p95", "p99")}
        for name, metric in metrics.items()
        for server, part in metric.servers.items()
    ]


def _others(person: Person, evaluation: Evaluation) -> list[dict[str, Any]]:
    """What it may be compared with: evaluations of the same suite, those of its own model first."""
    same = visible_evaluations(person).exclude(pk=evaluation.pk).exclude(verdict="")
    if not evaluation.suite or not evaluation.verdict:
        return []
    found = list(same.filter(suite=evaluation.suite).order_by("-created_at", "-pk")[:_OTHERS])
    found.sort(key=lambda each: each.model_id != evaluation.model_id)
    return [evaluation_row(each) for each in found]


def _worst_first(evaluation: Evaluation, metrics: Mapping[str, Metric]) -> QuerySet[Episode]:
    """Failures first, then by the first metric that has a direction, as in ``rilaas.report``."""
    ranked = [(name, each.direction) for name, each in metrics.items() if each.direction and not _is_index(name)]
    episodes = evaluation.episodes.select_related("recording")
    if not ranked:
        return episodes.order_by("-failed", "index")
    name, direction = ranked[0]
    value = KeyTransform(name, "metrics")
    worst = value.desc(nulls_first=True) if direction == "lower" else value.asc(nulls_first=True)
    return episodes.order_by("-failed", worst, "index")


def _is_index(name: str) -> bool:
    """Whether a path in JSON takes a name for a place in a list: databases refuse some, and sort by none."""
    try:
        int(name)
    except ValueError:
        return False
    return True


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
