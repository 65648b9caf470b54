"""How load-balancing policies spread a load over edge and cloud, and what latency came of it, over time.

The figure is the RILaaS document's Fig. 6: for each model latency by policy, where two policies sent its requests,
and how many came.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.number import value_text
from rilaas.report.panel import Panel, value_ticks
from rilaas.report.svg import SERIES, SVG, WIDTH, box, line, picture, round_ticks, text

Values = NDArray[np.float64]

KINDS = ("edge", "cloud")
"""Kinds of server that have a colour of their own."""

_COLUMNS, _GAP, _LEFT = 2, 26.0, 46.0
_LATENCY, _STRIP, _BETWEEN = 150.0, 46.0, 30.0
_HEAD, _FOOT, _LEGEND = 46.0, 40.0, 22.0
_PER_LETTER = 7.2


@dataclass(frozen=True, slots=True, eq=False)
class ModelTimeline:
    """One model's column of the figure; every array has one value per bin of time, NaN where nothing came.

    Attributes:
        model: Its name.
        latency_s: (B,) mean latency of the requests that came in each bin [s], by policy; at most ``SERIES``.
        shares: (B,) share of requests by kind of server, by policy; the shares of a bin add up to 1.
        rate_per_s: (B,) requests per second.
    """

    model: str
    latency_s: Mapping[str, Values]
    shares: Mapping[str, Mapping[str, Values]]
    rate_per_s: Values


def allocation_chart(
    models: Sequence[ModelTimeline], edges_s: Sequence[float] | Values, *, title: str, caption: str = ""
) -> Figure:
    """A column of plots for each model, two side by side: latency, shares of edge and cloud, request rate.

    Args:
        models: At least one; all with the same policies.
        edges_s: (B + 1,) where each bin of time begins and the last one ends [s].
        title: Of the figure.
        caption: A sentence below.

    Raises:
        ValueError: There is no model or no bin, too many policies to tell apart, or arrays that do not fit the bins.
    """
    edges = np.asarray(edges_s, np.float64)
    if not models or len(edges) < 2 or any(len(each.latency_s) > SERIES for each in models):
        raise ValueError(f"an allocation needs models, bins of time, and at most {SERIES} policies")
    for each in models:
        drawn = [each.rate_per_s, *each.latency_s.values(), *(s for p in each.shares.values() for s in p.values())]
        if any(len(values) != len(edges) - 1 for values in drawn):
            raise ValueError(f"the values of {each.model!r} are not one per bin")
    shapes, top = _legend(models)
    wide = (WIDTH - _GAP) / _COLUMNS if len(models) > 1 else WIDTH
    tall = _HEAD + _LATENCY + (_STRIP + _BETWEEN) * (len(models[0].shares) + 1) + _FOOT
    for i, each in enumerate(models):
        left = (i % _COLUMNS) * (wide + _GAP)
        shapes += _column(each, edges, left + _LEFT, left + wide, top + (i // _COLUMNS) * tall)
    height = top + tall * math.ceil(len(models) / _COLUMNS)
    caption = caption or (
        "Above: mean latency of the requests that came in each bin of time, by policy. In the middle: which share of "
        "them went to the edge and which to the cloud. Below: how many came."
    )
    return Figure(title, picture(WIDTH, height, shapes), SVG, _alt(models), caption, _table(title, models, edges))


def _legend(models: Sequence[ModelTimeline]) -> tuple[list[str], float]:
    """Policies and kinds with their colours, in as many lines as they need; and where the plots begin."""
    kinds = dict.fromkeys(kind for each in models for parts in each.shares.values() for kind in parts)
    entries = [(name, f"s{i}") for i, name in enumerate(models[0].latency_s)]
    entries += [(kind, _area_kind(kind, i)) for i, kind in enumerate(kinds)]
    shapes, x, y = list[str](), 0.0, 14.0
    for name, kind in entries:
        wide = 22.0 + _PER_LETTER * len(name)
        if x and x + wide > WIDTH:
            x, y = 0.0, y + _LEGEND
        shapes += [box(x, y - 10, 11, 11, kind, corner=2), text(x + 17, y, name, "small")]
        x += wide + 14.0
    return shapes, y + 12.0


def _column(each: ModelTimeline, edges: Values, left: float, right: float, top: float) -> list[str]:
    start, end = float(edges[0]), float(edges[-1])
    times = 0.5 * (edges[1:] + edges[:-1])
    every = np.concatenate([np.asarray(values) for values in each.latency_s.values()] or [np.empty(0)])
    in_ms = bool(np.nanmax(every, initial=0.0) < 1.0)
    ticks, is_log = value_ticks(every * (1e3 if in_ms else 1.0))
    y = top + _HEAD
    panel = Panel(left, right, y, y + _LATENCY, start, end, ticks[0], ticks[-1], is_log)
    shapes = [text(left, top + 16, each.model, "strong")]
    shapes.append(text(left, y - 10, f"latency [{'ms' if in_ms else 's'}]{', log' if is_log else ''}", "muted small"))
    shapes += panel.grid(ticks)
    for i, values in enumerate(each.latency_s.values()):
        shapes += panel.curve(times, values * (1e3 if in_ms else 1.0), f"line{i % SERIES}")
    shapes.append(line(left, panel.bottom, right, panel.bottom, "axis"))
    y = panel.bottom + _BETWEEN
    for policy, parts in each.shares.items():
        strip = Panel(left, right, y, y + _STRIP, start, end, 0.0, 1.0)
        shapes.append(text(left, y - 8, f"where {policy} sends them [%]", "muted small"))
        shapes += strip.stack(edges, {_area_kind(kind, i): part for i, (kind, part) in enumerate(parts.items())})
        shapes += [text(left - 7, strip.y(s) + 4, f"{100 * s:g}", "muted small", "end") for s in (0.0, 1.0)]
        shapes.append(line(left, strip.bottom, right, strip.bottom, "axis"))
        y = strip.bottom + _BETWEEN
    rate_ticks = round_ticks(float(np.nanmax(each.rate_per_s, initial=0.0)), 2)
    rate = Panel(left, right, y, y + _STRIP, start, end, 0.0, rate_ticks[-1])
    shapes.append(text(left, y - 8, "requests [1/s]", "muted small"))
    shapes += [*rate.grid(rate_ticks), *rate.stack(edges, {"quantity": np.nan_to_num(each.rate_per_s)})]
    shapes += rate.times([tick for tick in round_ticks(end, 4) if start <= tick <= end])
    return [*shapes, text(right, rate.bottom + 32, "time [s]", "muted small", "end")]


def _area_kind(kind: str, index: int) -> str:
    return kind if kind in KINDS else f"s{index % SERIES}"


def _mean_of(values: Values, weight: Values) -> float:
    """Of bins by how many requests they have; NaN where there is none."""
    known = np.isfinite(values) & (weight > 0)
    return float(np.average(values[known], weights=weight[known])) if known.any() else math.nan


def _alt(models: Sequence[ModelTimeline]) -> str:
    words = []
    for each in models:
        means = [f"{name} {value_text(_mean_of(v, each.rate_per_s), 's')}" for name, v in each.latency_s.items()]
        words.append(f"{each.model}: mean latency {', '.join(means)}.")
        for policy, parts in each.shares.items():
            told = [f"{value_text(_mean_of(v, each.rate_per_s), '1')} to {kind}" for kind, v in parts.items()]
            words.append(f"{policy} sends {', '.join(told)}.")
    return " ".join(words)


def _table(title: str, models: Sequence[ModelTimeline], edges: Values) -> Table:
    first = models[0]
    columns = ["model", "from [s]", "requests [1/s]", *(f"{name} [ms]" for name in first.latency_s)]
    columns += [f"{policy} to {kind} [%]" for policy, parts in first.shares.items() for kind in parts]
    rows: list[tuple[Cell, ...]] = []
    for each in models:
        for i, start in enumerate(edges[:-1]):
            row = [float(each.rate_per_s[i]), *(1e3 * float(values[i]) for values in each.latency_s.values())]
            row += [100.0 * float(part[i]) for parts in each.shares.values() for part in parts.values()]
            rows.append((each.model, float(start), *(value if math.isfinite(value) else None for value in row)))
    return Table(title, tuple(columns), tuple(rows))
