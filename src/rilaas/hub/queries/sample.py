"""People's own metrics over a span of time."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
from django.db.models import Avg, Count, F, Max, Min, Q, QuerySet
from django.db.models.functions import TruncHour, TruncMinute, TruncSecond

from rilaas.hub.metrics.source import Span
from rilaas.hub.models import MetricSample, Person
from rilaas.hub.queries.access import models_shared_with
from rilaas.hub.queries.metric_asked import Asked
from rilaas.hub.queries.metric_sight import OTHERS

SHOWN = 40  # series in the table
DRAWN = 6
_KEY = ("name", "unit", "robot", "person", "model")


def visible_samples(person: Person) -> QuerySet[MetricSample]:
    """Those of the person and of the person's robots, those about models that they own or share in; all for staff."""
    if person.is_staff:
        return MetricSample.objects.all()
    shared = models_shared_with(person).values("pk")
    return MetricSample.objects.filter(Q(person=person) | Q(model__owner=person) | Q(model__in=shared))


def own_samples(person: Person, span: Span, asked: Asked) -> dict[str, Any]:
    """Series of own metrics: count, mean, extremes, and the means of each step of those with most samples."""
    start, end = (datetime.fromtimestamp(at_s, timezone.utc) for at_s in (span.start_s, span.end_s))
    samples = visible_samples(person).filter(at__gt=start)
    if not asked.is_live:  # else what came just now counts into the last step
        samples = samples.filter(at__lte=end)
    if asked.model:
        owner, _, name = asked.model.partition("/")
        samples = samples.filter(model__owner__username=owner, model__name=name)
    if asked.robot:
        owner, _, name = asked.robot.partition("/")
        samples = samples.filter(robot__owner__username=owner, robot__name=name)
        if not person.is_staff:
            samples = samples.filter(person=person)
    names = {
        "robot_name": F("robot__name"),
        "person_name": F("person__username"),
        "model_name": F("model__name"),
        "model_owner": F("model__owner__username"),
    }
    numbers = {"n": Count("pk"), "mean": Avg("value"), "low": Min("value"), "high": Max("value"), "last": Max("at")}
    found = list(samples.order_by().values(*_KEY).annotate(**names, **numbers).order_by("-n", *_KEY)[: SHOWN + 1])
    lines = _lines(samples, found[:DRAWN], span)
    rows = [_row(person, i, row, lines[i] if i < len(lines) else []) for i, row in enumerate(found[:SHOWN])]
    return {"rows": rows, "has_more": len(found) > SHOWN}


def _row(person: Person, index: int, row: dict[str, Any], values: list[float | None]) -> dict[str, Any]:
    robot = f"{row['person_name']}/{row['robot_name']}" if row["robot_name"] else ""
    is_mine = person.is_staff or row["person"] == person.pk
    who = (robot or row["person_name"]) if is_mine else (OTHERS if robot else "other people")
    return {
        "id": index,
        "name": row["name"],
        "unit": row["unit"],
        "who": who,
        "model": f"{row['model_owner']}/{row['model_name']}" if row["model_name"] else "",
        "n": row["n"],
        "mean": row["mean"],
        "low": row["low"],
        "high": row["high"],
        "last": row["last"],
        "values": values,
    }


def _lines(samples: QuerySet[MetricSample], found: list[dict[str, Any]], span: Span) -> list[list[float | None]]:
    """The mean in each step, for each of some series; the database adds up, one statement."""
    if not found:
        return []
    trunc = TruncSecond if span.step_s < 60 else TruncMinute if span.step_s < 3600 else TruncHour
    picked = Q()
    for row in found:
        picked |= Q(**{key: row[key] for key in _KEY if row[key] is not None})
    points = samples.filter(picked).order_by().annotate(slot=trunc("at")).values(*_KEY, "slot")
    edges = span.edges
    sums = {tuple(row[key] for key in _KEY): np.zeros((2, len(edges) - 1)) for row in found}
    for point in points.annotate(n=Count("pk"), mean=Avg("value")):
        table = sums.get(tuple(point[key] for key in _KEY))
        if table is not None:
            at = int(np.clip(np.searchsorted(edges, point["slot"].timestamp(), side="right") - 1, 0, len(edges) - 2))
            table[:, at] += point["n"], point["n"] * point["mean"]
    return [[float(f"{total / n:.4g}") if n else None for n, total in table.T] for table in sums.values()]
