"""The viewer of metrics: queries, round trips, their split, servers, own metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

import numpy as np
from django.conf import settings

from rilaas.core import RilaasError
from rilaas.hub.metrics.background import WINDOW
from rilaas.hub.metrics.prometheus import Prometheus
from rilaas.hub.metrics.source import MetricsSource
from rilaas.hub.models import Person
from rilaas.hub.queries.metric_asked import Asked
from rilaas.hub.queries.metric_sight import Growth, Reader
from rilaas.hub.queries.metric_table import (
    LINES,
    QUANTILES,
    chart,
    grouped,
    in_ms,
    latency_lines,
    latency_rows,
    query_rows,
    rate_lines,
    short,
    stage_lines,
    stage_rows,
)
from rilaas.hub.queries.sample import own_samples

_R = TypeVar("_R")
ATTEMPTS, REQUESTS = "rilaas_route_attempts_total", "rilaas_route_requests_total"
SERVER_SECONDS, ROBOT_SECONDS = "rilaas_route_request_seconds", "rilaas_route_robot_seconds"
STAGE_SECONDS = "rilaas_route_stage_seconds"


def show_metrics(person: Person, asked: Asked) -> dict[str, Any]:
    """Everything on the page, of what the person may see."""
    span = asked.span()
    shown, source, problem = _from_source(lambda each: _traffic(Reader(each, person, asked, span), asked))
    own = own_samples(person, span, asked)
    since_s = WINDOW.since_s if source is WINDOW else None
    charts = [*shown.pop("charts"), *_own_charts(own)]
    return {
        "asked": asked.shown(),
        "source": {"name": source.name, "problem": problem, "since": _stamp(since_s)},
        "span": {"start": _stamp(span.start_s), "end": _stamp(span.end_s), "step_s": span.step_s},
        "is_live": asked.is_live,
        **shown,
        "own": own,
        "drawn": {"x": [round(float(at_s), 1) for at_s in span.edges[1:]], "charts": charts},
    }


def _own_charts(own: dict[str, Any]) -> list[dict[str, Any]]:
    charts = []
    for row in own["rows"]:
        values = row.pop("values")
        if values:
            title = f"{row['name']} of {row['who']}"
            charts.append(chart(f"own-{row['id']}", title, row["unit"], {row["name"]: values}, kind="free"))
    return charts


def _from_source(read: Callable[[MetricsSource], _R]) -> tuple[_R, MetricsSource, str]:
    """Ask Prometheus where there is one, else the window; what was wrong with the former is said."""
    problem = ""
    if settings.PROMETHEUS_URL:
        try:
            source: MetricsSource = Prometheus(settings.PROMETHEUS_URL)
            return read(source), source, ""
        except RilaasError as error:
            problem = str(error)
    return read(WINDOW), WINDOW, problem


def _traffic(reader: Reader, asked: Asked) -> dict[str, Any]:
    group = "model" if asked.group == "robot" and asked.server else asked.group
    by_server = group == "server" or bool(asked.server)
    read = reader.of_servers if by_server else reader.of_robots
    position = {"model": 1, "robot": 0, "server": 0}.get(group)
    counts = read(ATTEMPTS if by_server else REQUESTS, "outcome")
    buckets = read(f"{SERVER_SECONDS if by_server else ROBOT_SECONDS}_bucket", "le")
    attempts = counts if by_server else reader.of_servers(ATTEMPTS, "outcome")
    stages = grouped(reader.of_servers(f"{STAGE_SECONDS}_bucket", "stage", "le"), 2, 3)
    stage_sums = grouped(reader.of_servers(f"{STAGE_SECONDS}_sum", "stage"), 2)
    kinds = query_rows(_in_all(grouped(counts, 2)))
    return {
        "group": group,
        "queries": query_rows(grouped(counts, *((2, 2) if position is None else (position, 2)))),
        "failures": kinds[0]["failures"] if kinds else {},
        "total": {key: kinds[0][key] if kinds else 0 for key in ("sent", "answered", "limited")},
        "round_trip": latency_rows(_by(buckets, position, 2), asked.deadline_s),
        "stages": stage_rows(stages, stage_sums),
        "servers": _servers(reader, attempts),
        "choices": {
            "model": sorted({key[1] for key in counts} | ({asked.model} - {""})),
            "robot": sorted({key[0] for key in counts} - {"other robots"}) if not by_server else [],
            "server": sorted({key[0] for key in attempts}),
        },
        "charts": [
            *_query_charts(counts, group, position, reader.span.step_s),
            *_latency_charts(buckets, group, position, asked.deadline_s),
            *_stage_charts(stages, stage_sums),
        ],
    }


def _query_charts(counts: Growth, group: str, position: int | None, step_s: float) -> list[dict[str, Any]]:
    if not counts:
        return []
    outcomes = {key[0]: growth for key, growth in grouped(counts, 2).items()}
    sent = np.sum(list(outcomes.values()), axis=0)
    lines = {"sent": sent, "answered": outcomes.get("ok", sent * 0)}
    if failed := [growth for outcome, growth in outcomes.items() if outcome != "ok"]:
        lines["failed"] = np.sum(failed, axis=0)
    charts = [chart("queries", "Queries", "per s", rate_lines(lines, step_s))]
    groups = outcomes if position is None else {key[0]: growth for key, growth in grouped(counts, position).items()}
    if len(groups) > 1:
        charts.append(chart("queries-by", f"Queries by {group}", "per s", rate_lines(groups, step_s)))
    return charts


def _latency_charts(
    buckets: Growth, group: str, position: int | None, deadline_s: float | None
) -> list[dict[str, Any]]:
    if not buckets:
        return []
    deadline = short(deadline_s * 1e3) if deadline_s else None
    every = _by(buckets, None, 2)
    lines = {f"p{q}": latency_lines(every, q)["all"] for q in QUANTILES}
    charts = [chart("round-trip", "Round trip", "ms", in_ms(lines), deadline=deadline)]
    if position is not None:
        parts = _by(buckets, position, 2)
        busiest = [row["group"] for row in latency_rows(parts, None)][:LINES]
        if len(busiest) > 1:
            found = latency_lines({key: growth for key, growth in parts.items() if key[0] in busiest}, 95)
            lines = {name: found[name] for name in busiest}
            title = f"Round trip by {group}, p95"
            charts.append(chart("round-trip-by", title, "ms", in_ms(lines), deadline=deadline))
    return charts


def _stage_charts(stages: Growth, sums: Growth) -> list[dict[str, Any]]:
    lines = stage_lines(stages, sums)
    return [chart("stages", "Where the time goes, mean", "ms", in_ms(lines), kind="stack")] if lines else []


def _servers(reader: Reader, attempts: Growth) -> list[dict[str, Any]]:
    rows = query_rows(grouped(attempts, 0, 2))
    waiting = reader.gauge("rilaas_route_in_flight") if rows else {}
    resting = reader.gauge("rilaas_route_breaker_open") if rows else {}
    return [
        {**row, "in_flight": waiting.get(row["group"]), "is_resting": resting.get(row["group"], 0.0) > 0}
        for row in rows
    ]


def _by(found: Growth, position: int | None, last: int) -> Growth:
    """By one label and ``last``; by ``all`` and ``last`` where there is none."""
    return _in_all(grouped(found, last)) if position is None else grouped(found, position, last)


def _in_all(found: Growth) -> Growth:
    return {("all", *key): growth for key, growth in found.items()}


def _stamp(at_s: float | None) -> str | None:
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="seconds")
