"""How far a variant's answers are from the float model's, output by output."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.svg import SERIES, SVG, WIDTH, box, label_width, line, picture, signed_ticks, text

_BINS = 121  # odd: one bin holds no difference at all
_RIGHT, _TOP, _ROW = 150.0, 8.0, 76.0
_MOST_ROWS = 16


def agreement_chart(
    differences: Mapping[str, Sequence[float] | np.ndarray],
    *,
    units: Mapping[str, str] | None = None,
    variant: str = "the variant",
    title: str = "Agreement with the float model",
) -> Figure:
    """A histogram for each output element: what the variant answers less what the float model answers.

    Args:
        differences: (N,) by output element.
        units: Of the elements that have one.
        variant: What is compared, in words.
        title: Of the figure.

    Raises:
        ValueError: There is no element, or one has no difference that is finite.
    """
    data = {name: np.asarray(values, np.float64).ravel() for name, values in differences.items()}
    if not data or not all(values.size and np.isfinite(values).all() for values in data.values()):
        raise ValueError("agreement needs finite differences of at least one output element")
    shown = sorted(data, key=lambda name: -np.abs(data[name]).max())[:_MOST_ROWS]
    shown = [name for name in data if name in shown]
    reach = max(float(np.abs(data[name]).max()) for name in shown) or 1.0
    ticks = signed_ticks([-reach, reach], 6)
    left, bottom = 24.0 + label_width(shown), _TOP + _ROW * len(shown)

    def x_of(value: float) -> float:
        return left + (WIDTH - left - _RIGHT) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    shapes = []
    for tick in ticks:
        shapes.append(line(x_of(tick), _TOP, x_of(tick), bottom, "grid"))
        shapes.append(text(x_of(tick), bottom + 18, f"{tick:g}", "muted small", "middle"))
    edges = np.linspace(-1.0, 1.0, _BINS + 1) * reach
    for i, name in enumerate(shown):
        unit = (units or {}).get(name, "")
        shapes += _row(
            name, unit, data[name], edges, (ticks[0], ticks[-1]), x_of, _TOP + _ROW * (i + 1), f"s{i % SERIES}"
        )
    caption = (
        f"What {variant} answers less what the float model answers, by test sample; each element's bars are scaled "
        "to its highest, on a logarithmic scale of counts. Long marks enclose 99 % of the differences; the short "
        "mark is the largest."
    )
    if len(shown) < len(data):
        caption += f" The {len(shown)} of {len(data)} elements that differ most are drawn; the table has all."
    table = _table(title, data, units or {})
    return Figure(title, picture(WIDTH, bottom + 28, shapes), SVG, _alt(data, variant), caption, table)


def _row(
    name: str,
    unit: str,
    values: np.ndarray,
    edges: np.ndarray,
    ends: tuple[float, float],
    x_of: Callable[[float], float],
    base: float,
    kind: str,
) -> list[str]:
    shapes = [text(x_of(ends[0]) - 14, base - 26, name, "strong", "end")]
    if unit:
        shapes.append(text(x_of(ends[0]) - 14, base - 10, unit, "small muted", "end"))
    counts = np.histogram(values, edges)[0]
    tall = (_ROW - 22) / math.log1p(max(1, counts.max(initial=0)))
    for count, start, end in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            high = max(1.0, math.log1p(count) * tall)
            shapes.append(box(x_of(start) + 0.3, base - high, x_of(end) - x_of(start) - 0.6, high, kind))
    shapes.append(line(x_of(ends[0]), base, x_of(ends[1]), base, "axis"))
    middle, most, largest = _parts(values)
    shapes += [line(x, base - _ROW + 14, x, base + 4, "mark") for x in (x_of(-most), x_of(most))]
    x = x_of(float(values[np.abs(values).argmax()]))
    shapes.append(line(x, base - 12, x, base + 4, "mark"))
    words = WIDTH - _RIGHT + 16
    shapes.append(text(words, base - 42, f"p50  {middle:.3g}", "small"))
    shapes.append(text(words, base - 24, f"p99  {most:.3g}", "strong"))
    shapes.append(text(words, base - 8, f"largest  {largest:.3g}", "small"))
    return shapes


def _parts(values: np.ndarray) -> tuple[float, float, float]:
    """Median, 99th percentile and largest of the differences without their sign."""
    size = np.abs(values)
    return float(np.percentile(size, 50)), float(np.percentile(size, 99)), float(size.max())


def _table(title: str, data: Mapping[str, np.ndarray], units: Mapping[str, str]) -> Table:
    columns = ("output", "unit", "p50 of |difference|", "p99", "largest", "mean difference", "n")
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            units.get(name, ""),
            *(f"{part:.3g}" for part in _parts(values)),
            f"{values.mean():+.2g}",
            int(values.size),
        )
        for name, values in data.items()
    ]
    return Table(title, columns, tuple(rows))


def _alt(data: Mapping[str, np.ndarray], variant: str) -> str:
    told = "; ".join(
        f"{name}: 99 % within {most:.3g}, largest {largest:.3g}"
        for name, (_, most, largest) in ((name, _parts(values)) for name, values in list(data.items())[:8])
    )
    return f"Histograms of the differences of {variant} from the float model, {len(data)} outputs. {told}."
