"""Evaluations and their episodes as pages and programs see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from rilaas.core import NotFound
from rilaas.hub.models import Episode, Evaluation, Person
from rilaas.hub.models.job import DONE, QUEUED, RUNNING
from rilaas.hub.queries.access import visible_models
from rilaas.hub.queries.evaluation_chart import scatter
from rilaas.hub.queries.evaluation_rerun import rerun
from rilaas.hub.queries.paging import paged
from rilaas.hub.queries.recording_row import recording_row
from rilaas.hub.queries.suite import suite_text
from rilaas.report import Metric, Report, metric_text, read_metric, value_text
from rilaas.report.number import episode_text

_HEADLINE = 3  # metrics in a list
_ON_A_MODEL = 20
_CHOICES = 200


def visible_evaluations(person: Person) -> QuerySet[Evaluation]:
    """Those of the person, and of models that the person may see; without the report itself."""
    found = Evaluation.objects.filter(Q(owner=person) | Q(model__in=visible_models(person)))
    found = found.select_related("owner", "model__owner", "variant__version", "job")
    found = found.annotate(latency=KeyTextTransform("latency", "plan"))  # of the plan, which may be long, that alone
    heavy = (f"variant__{field}" for field in ("manifest", "files", "card", "record"))
    return found.defer("report", "plan", "job__log", *heavy)


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
        **paged(found, page, evaluation_row),
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


def show_episode(person: Person, evaluation_id: int, index: int) -> dict[str, Any]:
    """One episode, and how to run it again.

    Raises:
        NotFound: There is none, or it is hidden.
    """
    evaluation = find_evaluation(person, evaluation_id)
    found = evaluation.episodes.select_related("recording").filter(index=index)
    episode = found.first() if index < 2**31 else None
    if episode is None:
        raise NotFound(f"Evaluation {evaluation_id} has no episode {index}.")
    metrics = metrics_of(evaluation)
    names = [*metrics, *sorted(set(episode.metrics) - set(metrics))]
    source = source_of(evaluation)
    return {
        "evaluation": evaluation_row(evaluation),
        **episode_row(episode, metrics, []),
        "metrics": [
            {
                "name": name,
                "value": episode.metrics[name],
                "text": episode_value(episode.metrics[name], metrics.get(name)),
                "all": metric_text(metrics[name]) if name in metrics else "",
            }
            for name in names
            if name in episode.metrics
        ],
        "recording": recording_row(episode),
        "rerun": rerun(str(source.get("command", "")), suite_of(evaluation), episode.scenario, episode.seed),
        "source": source,
    }


def evaluations_box(person: Person, model: Mapping[str, Any]) -> dict[str, Any]:
    """The newest evaluations of a model, and latency against score where they tell both; for the model's page."""
    mine = visible_evaluations(person).filter(model__owner__username=model["owner"], model__name=model["name"])
    found = list(mine.order_by("-created_at", "-pk")[:_ON_A_MODEL])
    points = [(_revision(each) or f"#{each.pk}", each.pk, metrics_of(each)) for each in found]
    return {"evaluations": {"rows": [evaluation_row(each) for each in found], "scatter": scatter(points)}}


def full_report(person: Person, evaluation_id: int) -> Report:
    """The report itself.

    Raises:
        NotFound: There is none, it is not made yet, or it is hidden.
    """
    report = find_evaluation(person, evaluation_id).report
    if not report:
        raise NotFound(f"Evaluation {evaluation_id} has no report yet.", "It is there when the drive is over.")
    return Report.from_json(report)


def metrics_of(evaluation: Evaluation) -> dict[str, Metric]:
    """Its metrics in the report's order."""
    rows = sorted(evaluation.metrics.items(), key=lambda item: item[1].get("position", 0))
    return {name: read_metric(row) for name, row in rows}


def suite_of(evaluation: Evaluation) -> str:
    """The text of its suite; '' where it is not known here."""
    return str(evaluation.plan.get("suite_toml") or "") or suite_text(evaluation.suite)


def evaluation_row(evaluation: Evaluation) -> dict[str, Any]:
    """One in a list; ``state`` is its job's, ``done`` where the report came from elsewhere."""
    metrics = list(metrics_of(evaluation).items())[:_HEADLINE]
    return {
        "id": evaluation.pk,
        "kind": evaluation.kind,
        "suite": evaluation.suite,
        "latency": getattr(evaluation, "latency", None) or "",  # as ``visible_evaluations`` adds it
        "verdict": evaluation.verdict,
        "state": evaluation.job.state if evaluation.job else DONE,
        "is_open": evaluation.job is not None and evaluation.job.state in (QUEUED, RUNNING),
        "owner": evaluation.owner.username,
        "model": str(evaluation.model) if evaluation.model else "",
        "revision": _revision(evaluation),
        "headline": [{"name": name, "text": metric_text(metric)} for name, metric in metrics],
        "created_at": evaluation.created_at,
    }


def _revision(evaluation: Evaluation) -> str:
    return evaluation.variant.revision if evaluation.variant else ""


def episode_row(episode: Episode, metrics: Mapping[str, Metric], names: list[str]) -> dict[str, Any]:
    """One in a list, with the values of some metrics; read it with ``select_related("recording")``."""
    own = episode.metrics
    values = [episode_value(own[name], metrics.get(name)) if name in own else "" for name in names]
    return {
        "index": episode.index,
        "scenario": episode.scenario,
        "seed": episode.seed,
        "status": episode.status,
        "failed": episode.failed,
        "values": values,
        "is_recorded": recording_row(episode) is not None,
    }


def episode_value(value: float, metric: Metric | None) -> str:
    """A value in the unit of the whole metric."""
    return episode_text(value, metric) if metric is not None else value_text(value)


def source_of(evaluation: Evaluation) -> dict[str, Any]:
    """Version, commit, seeds, machine, command; read from the report."""
    try:
        found = json.loads(evaluation.report)["provenance"]
    except (ValueError, KeyError, TypeError):
        return {}
    seeds = found.get("seeds", [])
    keys = ("version", "commit", "command", "created_utc", "machine")
    return {**{key: found.get(key, "") for key in keys}, "seeds": seeds[:20], "seed_count": len(seeds)}
