"""Latency against score, for the evaluations of a model that tell both."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rilaas.report import Metric, metric_text
from rilaas.report.number import shown_unit
from rilaas.report.svg import round_ticks

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 560.0, 260.0, 56.0, 40.0, 28.0, 90.0


def scatter(rows: Sequence[tuple[str, int, Mapping[str, Metric]]]) -> dict[str, Any] | None:
    """Where to draw which point, with the ticks of both axes.

    Args:
        rows: Label, id and metrics of each evaluation.

    Returns:
        None where no evaluation has both numbers.
    """
    scores = Counter(name for _, _, metrics in rows if (name := _score(metrics)) and _latency(metrics) is not None)
    if not scores:
        return None
    name = scores.most_common(1)[0][0]
    found: list[tuple[str, int, Metric, Metric]] = []
    for label, pk, metrics in rows:
        latency = _latency(metrics)
        if latency is not None and name in metrics and math.isfinite(metrics[name].mean):
            found.append((label, pk, metrics[name], latency))
    unit, factor = shown_unit(found[0][2].unit, max(metric.high for _, _, metric, _ in found))
    x_ticks = round_ticks(max(latency.mean for *_, latency in found) * 1e3, 5)
    y_ticks = round_ticks(max(max(metric.high, metric.mean, 0.0) for _, _, metric, _ in found) * factor, 4)
    points = [
        {
            "label": label,
            "id": pk,
            "x": _x(latency.mean * 1e3, x_ticks),
            "y": _y(metric.mean * factor, y_ticks),
            "low_y": _y(metric.low * factor, y_ticks),
            "high_y": _y(metric.high * factor, y_ticks),
            "score": metric_text(metric),
            "latency": metric_text(latency),
        }
        for label, pk, metric, latency in found
    ]
    return {
        "score_name": name,
        "unit": unit,
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _WIDTH - _RIGHT,
        "bottom": _HEIGHT - _BOTTOM,
        "top": _TOP,
        "x_ticks": [{"text": f"{tick:g}", "x": _x(tick, x_ticks)} for tick in x_ticks],
        "y_ticks": [{"text": f"{tick:g}", "y": _y(tick, y_ticks)} for tick in y_ticks],
        "points": points,
    }


def _score(metrics: Mapping[str, Metric]) -> str:
    """The first metric of which more is better."""
    return next((name for name, m in metrics.items() if m.direction == "higher" and math.isfinite(m.mean)), "")


def _latency(metrics: Mapping[str, Metric]) -> Metric | None:
    """The round trip [s]."""
    for name in ("round_trip_s", "latency_s"):
        metric = metrics.get(name)
        if metric is not None and metric.unit == "s" and metric.mean >= 0:
            return metric
    return None


def _x(value: float, ticks: Sequence[float]) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * value / ticks[-1], 1)


def _y(value: float, ticks: Sequence[float]) -> float:
    return round(_HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * min(1.0, max(0.0, value / ticks[-1])), 1)
