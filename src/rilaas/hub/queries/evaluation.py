"""Evaluations and their episodes as pages and programs see them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform

from rilaas.core import InvalidInput, NotFound
from rilaas.hub.models import Episode, Evaluation, Person
from rilaas.hub.queries.access import visible_models
from rilaas.hub.queries.evaluation_chart import scatter
from rilaas.hub.queries.evaluation_rerun import rerun
from rilaas.hub.queries.paging import paged
from rilaas.report import Metric, Report, metric_text, value_text
from rilaas.report.metric import Percentiles
from rilaas.report.number import episode_text

_HEADLINE = 3  # metrics in a list
_COLUMNS = 5  # metrics in the table of episodes
_ON_A_MODEL = 20
_CHOICES = 200


def visible_evaluations(person: Person) -> QuerySet[Evaluation]:
    """Those of the person, and of models that the person may see; without the report itself."""
    found = Evaluation.objects.filter(Q(owner=person) | Q(model__in=visible_models(person)))
    return found.select_related("owner", "model__owner", "variant__version").defer("report", "variant__manifest")


def list_evaluations(person: Person, *, model: str = "", suite: str = "", page: str = "") -> dict[str, Any]:
    """Evaluations that the person may see, the newest first."""
    every = visible_evaluations(person)
    found = every.order_by("-created_at", "-pk")
    if model:
        owner, _, name = model.partition("/")
        found = found.filter(model__owner__username=owner, model__name=name)
    if suite:
        found = found.filter(suite=suite)
    suites = every.exclude(suite="").order_by("suite").values_list("suite", flat=True).distinct()
    models = every.exclude(model=None).order_by("model__owner__username", "model__name")
    pairs = models.values_list("model__owner__username", "model__name").distinct()
    return {
        **paged(found, page, _row),
        "model": model,
        "suite": suite,
        "suites": list(suites[:_CHOICES]),
        "models": [f"{owner}/{name}" for owner, name in pairs[:_CHOICES]],
    }


def find_evaluation(person: Person, evaluation_id: int) -> Evaluation:
    """An evaluation that the person may see.

    Raises:
        NotFound: There is none, or it is hidden.
    """
    # SQLite refuses larger numbers.
    evaluation = visible_evaluations(person).filter(pk=evaluation_id).first() if evaluation_id < 2**63 else None
    if evaluation is None:
        raise NotFound(f"There is no evaluation {evaluation_id}, or it is not shared with you.")
    return evaluation


def show_evaluation(person: Person, evaluation_id: int, *, page: str = "") -> dict[str, Any]:
    """One evaluation: verdict, all metrics, episodes worst first, where the numbers come from."""
    evaluation = find_evaluation(person, evaluation_id)
    metrics = metrics_of(evaluation)
    episodes = paged(_worst_first(evaluation, metrics), page, lambda each: {"episode": each})
    shown = [row["episode"] for row in episodes["rows"]]
    names = [name for name in metrics if any(name in each.metrics for each in shown)][:_COLUMNS]
    return {
        **_row(evaluation),
        "summary": evaluation.summary,
        "metrics": [_metric(name, metric) for name, metric in metrics.items()],
        "servers": [
            {"metric": name, "server": server, "n": part.n}
            | {key: value_text(getattr(part, key), metric.unit) for key in ("p50", "p95", "p99")}
            for name, metric in metrics.items()
            for server, part in metric.servers.items()
        ],
        "columns": names,
        "episodes": [_episode(each, metrics, names) for each in shown],
        "failed": evaluation.episodes.filter(failed=True).count(),
        **{key: episodes[key] for key in ("page_number", "pages", "count")},
        "source": _source(evaluation),
        "is_mine": evaluation.owner_id == person.pk,
    }


def show_episode(person: Person, evaluation_id: int, index: int) -> dict[str, Any]:
    """One episode, and how to run it again.

    Raises:
        NotFound: There is none, or it is hidden.
    """
    evaluation = find_evaluation(person, evaluation_id)
    episode = evaluation.episodes.filter(index=index).first() if index < 2**31 else None
    if episode is None:
        raise NotFound(f"Evaluation {evaluation_id} has no episode {index}.")
    metrics = metrics_of(evaluation)
    names = [*metrics, *sorted(set(episode.metrics) - set(metrics))]
    source = _source(evaluation)
    return {
        "evaluation": _row(evaluation),
        **_episode(episode, metrics, []),
        "metrics": [
            {
                "name": name,
                "value": episode.metrics[name],
                "text": _value(episode.metrics[name], metrics.get(name)),
                "all": metric_text(metrics[name]) if name in metrics else "",
            }
            for name in names
            if name in episode.metrics
        ],
        "rerun": rerun(str(source.get("command", "")), evaluation.suite, episode.scenario, episode.seed),
        "source": source,
    }


def compare_evaluations(person: Person, first: str, second: str) -> dict[str, Any]:
    """Two evaluations side by side, metric by metric.

    Raises:
        InvalidInput: They are not named by numbers.
        NotFound: One is hidden, or there is none.
    """
    if not all(text.isascii() and text.isdigit() and len(text) < 18 for text in (first, second)):
        raise InvalidInput("Two evaluations are compared.", "Write /evaluations/compare?a=1&b=2.")
    one, two = find_evaluation(person, int(first)), find_evaluation(person, int(second))
    left, right = metrics_of(one), metrics_of(two)
    rows = [
        {
            "name": name,
            "a": metric_text(left[name]) if name in left else "",
            "b": metric_text(right[name]) if name in right else "",
            "verdict": _compared(left[name], right[name]) if name in left and name in right else "",
        }
        for name in {**left, **right}
    ]
    return {"a": _row(one), "b": _row(two), "metrics": rows, "same_suite": one.suite == two.suite}


def evaluations_box(person: Person, model: Mapping[str, Any]) -> dict[str, Any]:
    """The newest evaluations of a model, and latency against score where they tell both; for the model's page."""
    mine = visible_evaluations(person).filter(model__owner__username=model["owner"], model__name=model["name"])
    found = list(mine.order_by("-created_at", "-pk")[:_ON_A_MODEL])
    points = [(_revision(each) or f"#{each.pk}", each.pk, metrics_of(each)) for each in found]
    return {"evaluations": {"rows": [_row(each) for each in found], "scatter": scatter(points)}}


def full_report(person: Person, evaluation_id: int) -> Report:
    """The report itself.

    Raises:
        NotFound: There is none, or it is hidden.
    """
    return Report.from_json(find_evaluation(person, evaluation_id).report)


def metrics_of(evaluation: Evaluation) -> dict[str, Metric]:
    """Its metrics in the report's order."""
    rows = sorted(evaluation.metrics.items(), key=lambda item: item[1].get("position", 0))
    return {name: _read_metric(row) for name, row in rows}


def _read_metric(row: Mapping[str, Any]) -> Metric:
    servers = {
        name: Percentiles(_nan(part.get("p50")), _nan(part.get("p95")), _nan(part.get("p99")), part.get("n", 0))
        for name, part in row.get("servers", {}).items()
    }
    mean, low, high = (_nan(row.get(key)) for key in ("mean", "low", "high"))
    return Metric(row.get("unit", ""), mean, low, high, row.get("n", 0), row.get("direction", ""), servers)


def _row(evaluation: Evaluation) -> dict[str, Any]:
    metrics = list(metrics_of(evaluation).items())[:_HEADLINE]
    return {
        "id": evaluation.pk,
        "kind": evaluation.kind,
        "suite": evaluation.suite,
        "verdict": evaluation.verdict,
        "owner": evaluation.owner.username,
        "model": str(evaluation.model) if evaluation.model else "",
        "revision": _revision(evaluation),
        "headline": [{"name": name, "text": metric_text(metric)} for name, metric in metrics],
        "created_at": evaluation.created_at,
    }


def _revision(evaluation: Evaluation) -> str:
    return evaluation.variant.revision if evaluation.variant else ""


def _metric(name: str, metric: Metric) -> dict[str, Any]:
    numbers = {key: _finite(getattr(metric, key)) for key in ("mean", "low", "high")}
    row = {"name": name, "text": metric_text(metric), "unit": metric.unit, "direction": metric.direction}
    return {**row, **numbers, "n": metric.n}


def _worst_first(evaluation: Evaluation, metrics: Mapping[str, Metric]) -> QuerySet[Episode]:
    """Failures first, then by the first metric that has a direction, as in ``rilaas.report``."""
    ranked = [(name, metric.direction) for name, metric in metrics.items() if metric.direction]
    episodes = evaluation.episodes.all()
    if not ranked:
        return episodes.order_by("-failed", "index")
    name, direction = ranked[0]
    value = KeyTransform(name, "metrics")
    worst = value.desc(nulls_first=True) if direction == "lower" else value.asc(nulls_first=True)
    return episodes.order_by("-failed", worst, "index")


def _episode(episode: Episode, metrics: Mapping[str, Metric], names: list[str]) -> dict[str, Any]:
    values = [_value(episode.metrics[name], metrics.get(name)) if name in episode.metrics else "" for name in names]
    return {
        "index": episode.index,
        "scenario": episode.scenario,
        "seed": episode.seed,
        "status": episode.status,
        "failed": episode.failed,
        "values": values,
    }


def _value(value: float, metric: Metric | None) -> str:
    return episode_text(value, metric) if metric is not None else value_text(value)


def _compared(one: Metric, two: Metric) -> str:
    """Only intervals that do not meet tell a difference."""
    if one.unit != two.unit:
        return "not the same unit"
    if not one.direction or min(one.n, two.n) < 2:
        return ""
    if one.high < two.low or two.high < one.low:
        return "better" if (two.mean > one.mean) == (one.direction == "higher") else "worse"
    return "cannot be told apart"


def _source(evaluation: Evaluation) -> dict[str, Any]:
    """Version, commit, seeds, machine, command; read from the report."""
    try:
        found = json.loads(evaluation.report)["provenance"]
    except (ValueError, KeyError, TypeError):
        return {}
    seeds = found.get("seeds", [])
    keys = ("version", "commit", "command", "created_utc", "machine")
    return {**{key: found.get(key, "") for key in keys}, "seeds": seeds[:20], "seed_count": len(seeds)}


def _nan(value: Any) -> float:
    return math.nan if value is None else float(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
