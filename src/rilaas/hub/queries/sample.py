"""People's own metrics over a span of time."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
from django.db.models import Avg, Count, F, FloatField, Func, IntegerField, Max, Min, Q, QuerySet, Value

from rilaas.hub.metrics.source import Span
from rilaas.hub.models import MetricSample, Model, Person, Robot
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
    numbers = {"n": Count("pk"), "mean": Avg("value"), "low": Min("value"), "high": Max("value"), "last": Max("at")}
    found = list(samples.order_by().values(*_KEY).annotate(**numbers).order_by("-n", *_KEY)[: SHOWN + 1])
    _name(found)
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


def _name(found: list[dict[str, Any]]) -> None:
    """Put names beside numbers of robots, people and models: joined before, they would be joined to each sample."""
    owned = Model.objects.values_list("pk", "name", "owner__username")
    models = {pk: names for pk, *names in owned.filter(pk__in={row["model"] for row in found} - {None})}
    robots, people = (
        dict(table.filter(pk__in={row[key] for row in found} - {None}))
        for table, key in (
            (Robot.objects.values_list("pk", "name"), "robot"),
            (Person.objects.values_list("pk", "username"), "person"),
        )
    )
    for row in found:
        row["robot_name"], row["person_name"] = robots.get(row["robot"]), people.get(row["person"])
        row["model_name"], row["model_owner"] = models.get(row["model"], (None, None))


class _Step(Func):
    """The number of the step that a time lies in, counted from a start; the database counts, not this process."""

    output_field = IntegerField()

    def __init__(self, at: str, start_s: float, step_s: float) -> None:
        super().__init__(F(at), Value(start_s, FloatField()), Value(step_s, FloatField()))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """In days since 4714 BC, which SQLite counts as a double: exact to 0.05 ms."""
        return self._as(compiler, connection, "CAST(((julianday({}) - 2440587.5) * 86400.0 - {}) / {} AS INTEGER)")

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """In seconds since 1970."""
        return self._as(compiler, connection, "FLOOR((EXTRACT(EPOCH FROM {}) - {}) / {})::integer")

    def _as(self, compiler: Any, connection: Any, template: str) -> tuple[str, list[Any]]:
        parts = [compiler.compile(each) for each in self.source_expressions]
        return template.format(*(sql for sql, _ in parts)), [value for _, values in parts for value in values]


def _lines(samples: QuerySet[MetricSample], found: list[dict[str, Any]], span: Span) -> list[list[float | None]]:
    """The mean in each step, for each of some series; the database adds up, one statement."""
    if not found:
        return []
    picked = Q()
    for row in found:
        picked |= Q(**{key: row[key] for key in _KEY if row[key] is not None})
    count = len(span.edges) - 1
    points = samples.filter(picked).order_by().annotate(step=_Step("at", float(span.edges[0]), span.step_s))
    sums = {tuple(row[key] for key in _KEY): np.zeros((2, count)) for row in found}
    for point in points.values(*_KEY, "step").annotate(n=Count("pk"), mean=Avg("value")):
        table = sums.get(tuple(point[key] for key in _KEY))
        if table is not None:
            table[:, min(max(0, point["step"]), count - 1)] += point["n"], point["n"] * point["mean"]
    return [[float(f"{total / n:.4g}") if n else None for n, total in table.T] for table in sums.values()]
