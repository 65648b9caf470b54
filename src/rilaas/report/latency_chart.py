"""How latencies are distributed, with the deadline as a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rilaas.report.document import Figure, Table
from rilaas.report.metric import Percentiles
from rilaas.report.number import value_text
from rilaas.report.svg import SERIES, SVG, WIDTH, box, label_width, line, log_ticks, picture, short, text

_BINS_PER_DECADE = 40
_RIGHT, _ROW = 150.0, 76.0
_TOP, _TOP_WITH_DEADLINE = 8.0, 30.0


def latency_chart(
    latency_s: Mapping[str, Sequence[float] | np.ndarray],
    *,
    deadline_s: float | None = None,
    title: str = "Round trip per server",
    each: str = "server",
) -> Figure:
    """A histogram per server on one logarithmic axis.

    Args:
        latency_s: Positive values by server [s]; a server without any is listed as such.
        deadline_s: What is slower than this came too late and is drawn in red.
        title: Of the figure.
        each: What has a row: ``server``, or ``variant`` of a model.

    Raises:
        ValueError: A latency or the deadline is not positive and finite.
    """
    data = {name: np.asarray(values, np.float64).ravel() for name, values in latency_s.items()}
    every = np.concatenate([*data.values(), [deadline_s] if deadline_s is not None else []])
    if not (np.isfinite(every) & (every > 0)).all():
        raise ValueError("latencies and deadlines are positive and finite")
    edges = _edges(every, deadline_s)
    low, high = math.log(edges[0]), math.log(edges[-1])
    left, top = 24.0 + label_width(data), _TOP if deadline_s is None else _TOP_WITH_DEADLINE
    bottom = top + _ROW * len(data)

    def x_of(value_s: float) -> float:
        return left + (WIDTH - left - _RIGHT) * (math.log(value_s) - low) / (high - low)

    shapes: list[str] = []
    for tick in log_ticks(float(edges[0]), float(edges[-1])):
        shapes.append(line(x_of(tick), top, x_of(tick), bottom, "grid"))
        shapes.append(text(x_of(tick), bottom + 18, _tick_text(tick), "muted small", "middle"))
    for i, (name, values) in enumerate(data.items()):
        shapes += _row(name, values, edges, x_of, top + _ROW * (i + 1), f"s{i % SERIES}", deadline_s)
    if deadline_s is not None:
        x = x_of(deadline_s)
        shapes.append(line(x, top - 8, x, bottom, "limit"))
        shapes.append(text(x, top - 13, f"deadline {value_text(deadline_s, 's')}", "small strong", "middle"))
    caption = (
        f"Logarithmic axis; each {each}'s bars are scaled to its highest. Long mark p50, short marks p95 and p99."
    )
    if deadline_s is not None:
        caption += " What came after the deadline is red."
    table = _table(title, data, deadline_s, each)
    return Figure(title, picture(WIDTH, bottom + 28, shapes), SVG, _alt(data, deadline_s, each), caption, table)


def _row(
    name: str,
    values: np.ndarray,
    edges: np.ndarray,
    x_of: Callable[[float], float],
    base: float,
    kind: str,
    deadline_s: float | None,
) -> list[str]:
    shapes = [text(x_of(float(edges[0])) - 14, base - 26, short(name), "strong", "end")]
    counts = np.histogram(values, edges)[0]
    height = (_ROW - 18) / max(1, counts.max(initial=0))
    for count, start, end in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            late = deadline_s is not None and start >= deadline_s * (1 - 1e-9)
            x, tall = x_of(start), max(1.0, count * height)
            shapes.append(box(x + 0.4, base - tall, x_of(end) - x - 0.8, tall, "fail" if late else kind))
    shapes.append(line(x_of(float(edges[0])), base, WIDTH - _RIGHT, base, "axis"))
    words = WIDTH - _RIGHT + 16
    if not values.size:
        return [*shapes, text(words, base - 26, "no answer", "muted")]
    parts = Percentiles.of(values)
    for mark, top in ((parts.p50, base - _ROW + 12), (parts.p95, base - 10), (parts.p99, base - 10)):
        shapes.append(line(x_of(mark), top, x_of(mark), base + 4, "mark"))
    shapes.append(text(words, base - 42, f"p50  {value_text(parts.p50, 's')}", "strong"))
    shapes.append(text(words, base - 24, f"p95  {value_text(parts.p95, 's')}", "small"))
    shapes.append(text(words, base - 8, f"p99  {value_text(parts.p99, 's')}", "small"))
    return shapes


def _edges(every: np.ndarray, deadline_s: float | None) -> np.ndarray:
    """Edges of logarithmic bins over all values; the deadline is itself an edge."""
    anchor = deadline_s if deadline_s is not None else 1e-3
    low, high = (every.min(), every.max()) if every.size else (anchor, anchor)
    first = math.floor(math.log10(low / anchor) * _BINS_PER_DECADE) - 4
    last = math.ceil(math.log10(high / anchor) * _BINS_PER_DECADE) + 4
    edges: np.ndarray = anchor * 10.0 ** (np.arange(first, last + 1) / _BINS_PER_DECADE)
    return edges


def _tick_text(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1e3:g} ms"


def _alt(data: Mapping[str, np.ndarray], deadline_s: float | None, each: str) -> str:
    words = [f"Histogram of latencies for {len(data)} {each}{'s' if len(data) != 1 else ''}."]
    for name, values in data.items():
        part = Percentiles.of(values)
        words.append(f"{name}: median {value_text(part.p50, 's')}, p99 {value_text(part.p99, 's')}.")
    return " ".join(words + ([f"The deadline is {value_text(deadline_s, 's')}."] if deadline_s is not None else []))


def _table(title: str, data: Mapping[str, np.ndarray], deadline_s: float | None, each: str) -> Table:
    columns: tuple[str, ...] = (each, "n", "p50 [ms]", "p95 [ms]", "p99 [ms]", "highest [ms]")
    rows: list[tuple[str | int | float | None, ...]] = []
    for name, values in data.items():
        part = Percentiles.of(values)
        numbers = (part.p50, part.p95, part.p99, float(values.max())) if values.size else (None,) * 4
        rows.append((name, part.n, *(None if v is None else v * 1e3 for v in numbers)))
        if deadline_s is not None:
            rows[-1] += (int((values > deadline_s).sum()),)
    return Table(title, columns if deadline_s is None else (*columns, "too late"), tuple(rows))
