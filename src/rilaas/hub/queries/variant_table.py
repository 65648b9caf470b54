"""The variants of a version beside each other: what they cost, what they lose, where they were measured."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rilaas.core import NotFound
from rilaas.hub.models import Evaluation, LatencyMeasurement, Person, Variant, Version
from rilaas.hub.models.evaluation import OPTIMIZATION
from rilaas.hub.queries.access import OWNER, role_of
from rilaas.hub.queries.variant import find_variant
from rilaas.hub.queries.variant_record import record_row
from rilaas.report import Figure, Metric, metric_text, read_metric
from rilaas.report.pareto_chart import Candidate, pareto_chart

SCORE = "driving_score"
AGAINST = ("error", "score")  # what stands upwards in the chart
MAX_VARIANTS = 60  # of one version that a page shows
_EVALUATIONS = 100  # of a version that are looked at for scores
_LATENCIES = 60  # rows by machine that a page shows
ORIGINAL = "original"
REFERENCE = "float"  # what an optimization's report calls the original


def variants_box(person: Person, model: Mapping[str, Any]) -> dict[str, Any]:
    """The variants of the version that a model's page shows."""
    if model["shown"] is None:
        return {}
    return {"optimized": show_variants(person, model["owner"], model["name"], str(model["shown"]["number"]))}


def show_variants(person: Person, owner: str, name: str, revision: str) -> dict[str, Any]:
    """A version with its variants: figures, gates, scores, latencies by machine, and where the charts are.

    Raises:
        NotFound: There is no such model or revision, or it is hidden from the person.
    """
    found = find_variant(person, owner, name, revision)
    version, model = found.version, found.version.model
    variants = _of(version)
    rows = _rows(variants)
    base = f"/api/v1/models/{model}/versions/{version.number}/pareto"
    charts = []
    for against in AGAINST:
        figure = _chart(rows, against)
        if figure is not None:
            address = f"{base}?against={against}&version={zlib.crc32(figure.data):08x}"
            charts.append({"address": address, "alt": figure.alt, "caption": figure.caption, "title": figure.title})
    return {
        "number": version.number,
        "digest": version.digest,
        "rows": [{key: value for key, value in row.items() if key != "score_metric"} for row in rows],
        "charts": charts,
        "latencies": _latencies(variants),
        "protected": model.protected,
        "is_owner": role_of(person, model) == OWNER,
    }


def pareto_figure(person: Person, owner: str, name: str, revision: str, against: str) -> Figure:
    """The chart of a version's variants.

    Raises:
        NotFound: There is no such revision, it is hidden from the person, or nothing is to be drawn.
    """
    version = find_variant(person, owner, name, revision).version
    variants = _of(version)
    figure = _chart(_rows(variants), against)
    if figure is None:
        raise NotFound(f"No variant of {version.model}:{version.number} was measured beside {against[:20]}.")
    return figure


def list_latencies(person: Person, owner: str, name: str, revision: str) -> dict[str, Any]:
    """All that was measured of one variant, the newest first.

    Raises:
        NotFound: There is no such revision, or it is hidden from the person.
    """
    variant = find_variant(person, owner, name, revision)
    rows = LatencyMeasurement.objects.filter(variant=variant).select_related("created_by").order_by("-pk")
    return {"revision": variant.revision, "digest": variant.digest, "rows": [_measurement(row) for row in rows]}


def _of(version: Version) -> list[Variant]:
    """The original first, then by name."""
    rows = Variant.objects.filter(version=version).defer("files", "card").order_by("name")[:MAX_VARIANTS]
    variants = list(rows)
    for variant in variants:
        variant.version = version
    return variants


def _rows(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    scores = _scores(variants)
    rows = [_row(variant, scores) for variant in variants]
    _fill_original(rows)
    return rows


def _row(variant: Variant, scores: Mapping[int, tuple[int, Metric]]) -> dict[str, Any]:
    row = record_row(variant)
    evaluation, metric = scores.get(variant.pk, (None, None))
    return {
        **row,
        "score": metric_text(metric) if metric is not None else "",
        "score_mean": metric.mean if metric is not None else None,
        "score_evaluation": evaluation,
        "score_metric": metric,
        "as_against": "",
    }


def _scores(variants: Sequence[Variant]) -> dict[int, tuple[int, Metric]]:
    """By variant: the newest evaluation that gave a driving score, and that score; else that of an optimization."""
    told = Evaluation.objects.filter(variant__in=variants).exclude(verdict="").order_by("-pk")
    found: dict[int, tuple[int, Metric]] = {}
    own: dict[int, tuple[int, Metric]] = {}
    by_revision = {variant.revision: variant.pk for variant in variants}
    original = next((variant.pk for variant in variants if not variant.name), None)
    rows = list(told.values_list("pk", "variant", "kind", "metrics", "plan")[:_EVALUATIONS])
    for pk, variant, kind, metrics, plan in reversed(rows):
        if kind == OPTIMIZATION:
            made = {name: by_revision.get(revision) for name, revision in plan.get("made", {}).items()}
            for name, target in {REFERENCE: original, **made}.items():
                if target is not None and f"{name}.{SCORE}" in metrics:
                    found[target] = (pk, read_metric(metrics[f"{name}.{SCORE}"]))
        elif SCORE in metrics and variant is not None:
            own[variant] = (pk, read_metric(metrics[SCORE]))
    return {variant: (pk, metric) for variant, (pk, metric) in {**found, **own}.items() if metric.n}


def _chart(rows: Iterable[Mapping[str, Any]], against: str) -> Figure | None:
    """Latency against error or score, of those that were measured on the machine on which most were."""
    measured = [row for row in rows if _is_drawable(row)]
    machines = [row["machine"] for row in measured]
    if not machines:
        return None
    machine = max(machines, key=machines.count)
    points = [point for row in measured if row["machine"] == machine if (point := _point(row, against))]
    if len(points) < 2:
        return None
    lower = against == "error"
    figure = pareto_chart(
        points,
        front=_front(points, lower),
        metric="squared error, times the original's" if lower else "driving score",
        direction="lower" if lower else "higher",
        title="Latency against error" if lower else "Latency against driving score",
        spans="to the 99th percentile",
    )
    said = f"{figure.caption} Measured by who pushed them, on: {machine or 'a machine that nobody named'}."
    return Figure(figure.title, figure.data, figure.media_type, figure.alt, said, figure.table)


def _is_drawable(row: Mapping[str, Any]) -> bool:
    """Whether its times and sizes can be: a stranger may have written them."""
    p50_s, p99_s, size_bytes = (row[key] for key in ("p50_s", "p99_s", "size_bytes"))
    if p50_s is None or size_bytes is None:
        return False
    return bool(1e-9 < p50_s <= (p99_s or p50_s) < 1e4 and 0 <= size_bytes < 1e15)


def _point(row: Mapping[str, Any], against: str) -> Candidate | None:
    if against == "error":
        if row["mse_ratio"] is None or not 0.0 <= row["mse_ratio"] < 1e9:
            return None
        value = (row["mse_ratio"],) * 3
    else:
        metric: Metric | None = row["score_metric"]
        if metric is None:
            return None
        value = (metric.mean, metric.low, metric.high)
    times = (row["p50_s"], row["p50_s"], row["p99_s"] or row["p50_s"])
    return Candidate(
        row["name"] or ORIGINAL, times, value, round(row["size_bytes"] or 0), row["backend"], row["gate"] == "failed"
    )


def _front(points: Sequence[Candidate], lower: bool) -> list[str]:
    """Names of those that keep their gate and that no other one beats in both."""
    sign = 1.0 if lower else -1.0
    kept = [(each.latency_s[0], sign * each.value[0], each.name) for each in points if not each.failed]
    return [
        name
        for time_s, value, name in kept
        if not any((t <= time_s and v <= value) and (t < time_s or v < value) for t, v, _ in kept)
    ]


def _fill_original(rows: Sequence[dict[str, Any]]) -> None:
    """What the original took when the first variant was held against it, where nobody measured it by itself."""
    original = next((row for row in rows if not row["name"] and row["p50_s"] is None), None)
    for row in rows:
        is_told = _is_drawable(row) and all(0.0 < (row[key] or 0.0) < 1e6 for key in ("speedup", "smaller"))
        if original is not None and is_told:
            p50_s, size_bytes = row["p50_s"] * row["speedup"], round(row["size_bytes"] * row["smaller"])
            told = {"p50_s": p50_s, "mse_ratio": 1.0, "size_bytes": size_bytes, "machine": row["machine"]}
            original.update({**told, "as_against": row["name"]})
            return


def _latencies(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """The newest measurement of each variant on each machine, the fastest first."""
    rows = LatencyMeasurement.objects.filter(variant__in=variants).select_related("created_by").order_by("-pk")
    names = {variant.pk: variant.revision for variant in variants}
    seen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        said = row.measured
        key = (row.variant_id, said["machine"], said["cores"], said["threads"])
        if key not in seen:
            seen[key] = {"revision": names[row.variant_id], **_measurement(row)}
    ordered = sorted(seen.values(), key=lambda each: each["measured"]["compute"]["p50_s"])
    return ordered[:_LATENCIES]


def _measurement(row: LatencyMeasurement) -> dict[str, Any]:
    return {"measured": row.measured, "by": row.created_by.username, "created_at": row.created_at}
