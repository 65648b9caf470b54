"""A small plot inside a picture: one time axis, one value axis, lines or stacked areas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.report.svg import line, log_ticks, path, round_ticks, text

Values = NDArray[np.float64]
_LIFTED = 0.5  # an axis whose least value is above this share of the largest does not begin at 0


@dataclass(frozen=True, slots=True)
class Panel:
    """Where a plot lies and what its axes span.

    Attributes:
        left: Of the value axis [px].
        right: End of the time axis [px].
        top: Of the plot [px].
        bottom: Of the plot [px].
        start: Where the time axis begins.
        end: Where it ends.
        low: Least value.
        high: Largest value.
        is_log: Whether values are on a logarithmic axis; ``low`` is above 0 then.
    """

    left: float
    right: float
    top: float
    bottom: float
    start: float
    end: float
    low: float
    high: float
    is_log: bool = False

    def x(self, time: float) -> float:
        """Where a time lies [px]."""
        return self.left + (self.right - self.left) * (time - self.start) / (self.end - self.start)

    def y(self, value: float) -> float:
        """Where a value lies [px]; never outside the plot."""
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = (math.log(max(each, self.low)) for each in (value, low, high))
        return self.bottom - (self.bottom - self.top) * min(1.0, max(0.0, (value - low) / (high - low)))

    def grid(self, ticks: Sequence[float], *, labels: bool = True) -> list[str]:
        """Lines across at some values, with the values where they shall be told."""
        shapes = [line(self.left, self.y(tick), self.right, self.y(tick), "grid") for tick in ticks]
        if labels:
            shapes += [text(self.left - 7, self.y(tick) + 4, f"{tick:g}", "muted small", "end") for tick in ticks]
        return shapes

    def times(self, ticks: Sequence[float]) -> list[str]:
        """The time axis with its numbers."""
        shapes = [line(self.left, self.bottom, self.right, self.bottom, "axis")]
        for tick in ticks:
            anchor = "end" if tick >= self.end else "middle"
            shapes.append(text(self.x(tick), self.bottom + 16, f"{tick:g}", "muted small", anchor))
        return shapes

    def curve(self, times: Values, values: Values, kind: str) -> list[str]:
        """A line through values; where one is NaN the line is interrupted, and a value alone is a short dash.

        Args:
            times: (N,) of each value.
            values: (N,).
            kind: Its class.
        """
        shapes, run = list[str](), list[tuple[float, float]]()
        for time, value in [*zip(times, values, strict=True), (math.nan, math.nan)]:
            if math.isfinite(value):
                run.append((self.x(float(time)), self.y(float(value))))
            elif run:
                x, y = run[0]
                shapes.append(path(run if len(run) > 1 else [(x - 2, y), (x + 2, y)], kind))
                run = []
        return shapes

    def stack(self, edges: Values, parts: Mapping[str, Values]) -> list[str]:
        """Areas on top of each other, the first at the bottom; nothing where a value is NaN.

        Args:
            edges: (N + 1,) where each bar begins and the last one ends.
            parts: (N,) heights by class.
        """
        shapes = []
        below = np.zeros(len(edges) - 1)
        for kind, heights in parts.items():
            above = below + heights
            shapes += [self._area(edges, below, above, kind, span) for span in _spans(np.isfinite(above))]
            below = above
        return shapes

    def _area(self, edges: Values, below: Values, above: Values, kind: str, span: tuple[int, int]) -> str:
        first, last = span
        upper, lower = list[tuple[float, float]](), list[tuple[float, float]]()
        for i in range(first, last):
            start, end = self.x(float(edges[i])), self.x(float(edges[i + 1]))
            upper += [(start, self.y(float(above[i]))), (end, self.y(float(above[i])))]
            lower += [(start, self.y(float(below[i]))), (end, self.y(float(below[i])))]
        return path([*upper, *reversed(lower)], kind, closed=True)


def value_ticks(values: Values, *, count: int = 4, spread: float = 6.0) -> tuple[list[float], bool]:
    """Round values for the axis of lines, and whether it is logarithmic: where the largest is far above the middle.

    Args:
        values: All that is drawn; NaN is passed over.
        count: About how many values on a linear axis.
        spread: The axis is logarithmic where the largest value is this many times the median.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return [0.0, 1.0], False
    high, middle, low = float(known.max()), float(np.median(known)), float(known.min())
    if high - low < 1e-9 * abs(high):
        return round_ticks(high, count), False
    if low > 0 and high > spread * middle:
        decades = log_ticks(low / 2.5, high * 2.5)
        below = max((tick for tick in decades if tick <= low), default=decades[0])
        above = min((tick for tick in decades if tick >= high), default=decades[-1])
        return [tick for tick in decades if below <= tick <= above], True
    ticks = round_ticks(high, count)
    if low > _LIFTED * high:  # a line may begin above 0, and what differs is seen better
        finer = round_ticks(high - low, count)[1]
        ticks = [finer * i for i in range(math.floor(low / finer), math.ceil(high / finer - 1e-9) + 1)]
    return ticks, False


def _spans(known: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginning and end of each run of True."""
    steps = np.diff(np.concatenate([[0], known.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))
