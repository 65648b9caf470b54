"""What variants of a model cost: time against error or score, and which of them nobody beats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.number import bytes_text, value_text
from rilaas.report.pareto_label import Box, Spot, place
from rilaas.report.svg import (
    SERIES,
    SVG,
    WIDTH,
    cross,
    dot,
    line,
    log_ticks,
    path,
    picture,
    ring,
    signed_ticks,
    text,
)

_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 150.0, 46.0, 396.0
_SMALLEST, _LARGEST = 4.5, 14.0  # radius [px]
_LINE_STEP = 8.0  # so finely a slanted line is kept free of names [px]
_LOG_FROM = 3.0  # values whose largest is so many times the smallest stand on a logarithmic axis


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant as a dot.

    Attributes:
        name: Of the variant.
        latency_s: Its time [s], with the ends of what the whisker spans.
        value: Its error or score, with the ends of its interval.
        size_bytes: Of its weights [bytes].
        runtime: What computes it: the dot's colour.
        failed: Whether it did not keep its gate.
    """

    name: str
    latency_s: tuple[float, float, float]
    value: tuple[float, float, float]
    size_bytes: int
    runtime: str
    failed: bool = False


def pareto_chart(
    candidates: Sequence[Candidate],
    *,
    front: Sequence[str] = (),
    metric: str = "MSE ratio",
    unit: str = "",
    direction: str = "lower",
    deadline_s: float | None = None,
    title: str = "What each variant costs",
    spans: str = "from p10 to p90",
    runtimes: Sequence[str] = (),
) -> Figure:
    """A dot for each variant; those that nobody beats are joined by a line.

    Args:
        candidates: The variants; one without a finite time or value is in the table only.
        front: Names of those that nobody beats; all others are drawn the same, without ring and line.
        metric: What stands upwards.
        unit: Its unit.
        direction: Which way it is better: ``lower`` or ``higher``.
        deadline_s: A line, or None.
        title: Of the figure.
        spans: What the horizontal whiskers are.
        runtimes: All that have a colour, where several charts are to have the same; else those of the variants.

    Raises:
        ValueError: There is nothing to draw, a time is not positive, or the direction is neither.
    """
    if direction not in ("lower", "higher"):
        raise ValueError(f"a direction is 'lower' or 'higher', got {direction!r}")
    drawn = [each for each in candidates if all(map(math.isfinite, (*each.latency_s, *each.value)))]
    if not drawn or min(end for each in drawn for end in each.latency_s) <= 0.0:
        raise ValueError("a Pareto chart needs variants, and times above 0")
    times = [end for each in drawn for end in each.latency_s] + ([deadline_s] if deadline_s else [])
    axes = _Axes.of(times, [end for each in drawn for end in each.value])
    shapes = axes.draw(f"{metric} [{unit}]" if unit else metric, direction)
    largest = max(each.size_bytes for each in drawn)
    spots = [
        Spot(
            axes.x_of(c.latency_s[0]), axes.y_of(c.value[0]), _radius(c.size_bytes, largest), c.name, c.name in front
        )
        for c in drawn
    ]
    if deadline_s is not None:
        shapes += _deadline(axes.x_of(deadline_s), deadline_s)
    shapes += _front(spots)
    kinds = _colours(drawn, runtimes)
    shapes += _dots(drawn, spots, axes, kinds)
    lines = _lines(drawn, spots, axes, None if deadline_s is None else axes.x_of(deadline_s))
    labels, unnamed = place(spots, (_LEFT + 2, _TOP - 8, WIDTH - _RIGHT + 30, _BOTTOM - 2), lines)
    shapes += [*labels, *_legend(drawn, kinds, largest, deadline_s)]
    caption = f"Time of the weights alone: the median, whiskers {spans}; vertical whiskers are 95 % intervals. "
    caption += "A dot's area shows its bytes, its colour the runtime; ringed and joined are those that nobody beats "
    caption += "in both."
    if unnamed:
        caption += f" {unnamed} without room for a name: see the table."
    table = _table(title, candidates, front, f"{metric} [{unit}]" if unit else metric)
    alt = _alt(drawn, front, metric, unit, direction, deadline_s)
    return Figure(title, picture(WIDTH, _BOTTOM + 50, shapes), SVG, alt, caption, table)


@dataclass(frozen=True, slots=True)
class _Axes:
    """From times and values to places."""

    x_ticks: list[float]
    y_ticks: list[float]
    x_of: Callable[[float], float]
    y_of: Callable[[float], float]

    @classmethod
    def of(cls, times: Sequence[float], values: Sequence[float]) -> _Axes:
        low, high = math.log10(min(times)) - 0.12, math.log10(max(times)) + 0.08
        logarithmic = min(values) > 0.0 and max(values) > _LOG_FROM * min(values)
        if logarithmic:
            bottom, top = math.log10(min(values)), math.log10(max(values)) + 0.08
            bottom -= 0.2 * (top - bottom)  # room for names below
            y_ticks = log_ticks(10.0**bottom, 10.0**top)
        else:
            y_ticks = signed_ticks(values) if min(values) <= 0.5 * max(values) else _near_ticks(values)
            bottom, top = y_ticks[0], y_ticks[-1]

        def x_of(time_s: float) -> float:
            return _LEFT + (WIDTH - _LEFT - _RIGHT) * (math.log10(time_s) - low) / (high - low)

        def y_of(value: float) -> float:
            place = math.log10(max(value, 10.0**bottom)) if logarithmic else value
            return _BOTTOM - (_BOTTOM - _TOP) * (place - bottom) / (top - bottom)

        return cls(log_ticks(10.0**low, 10.0**high), y_ticks, x_of, y_of)

    def draw(self, label: str, direction: str) -> list[str]:
        shapes = []
        for tick in self.y_ticks:
            shapes.append(line(_LEFT, self.y_of(tick), WIDTH - _RIGHT, self.y_of(tick), "grid"))
            shapes.append(text(_LEFT - 10, self.y_of(tick) + 4, f"{tick:.6g}", "muted small", "end"))
        for tick in self.x_ticks:
            shapes.append(line(self.x_of(tick), _TOP, self.x_of(tick), _BOTTOM, "grid"))
            shapes.append(text(self.x_of(tick), _BOTTOM + 20, _time_text(tick), "muted small", "middle"))
        shapes.append(text(12, _TOP - 28, f"{label}, {direction} is better", "small muted"))
        shapes.append(text(WIDTH - _RIGHT, _BOTTOM + 40, "time of the weights, logarithmic", "small muted", "end"))
        return [*shapes, line(_LEFT, _BOTTOM, WIDTH - _RIGHT, _BOTTOM, "axis")]


def _near_ticks(values: Sequence[float]) -> list[float]:
    """Round values around some that are far from 0, as scores are."""
    low = min(values)
    span = (max(values) - low) or abs(low) * 0.1 or 1.0
    ticks = signed_ticks([span])
    step = ticks[1] - ticks[0]
    first = math.floor((low - 0.15 * step) / step)
    count = math.ceil((max(values) + 0.15 * step) / step) - first
    return [step * (first + k) for k in range(count + 1)]


def _radius(size_bytes: int, largest: int) -> float:
    share = size_bytes / largest if largest else 1.0
    return math.sqrt(_SMALLEST**2 + (_LARGEST**2 - _SMALLEST**2) * share)


def _colours(drawn: Sequence[Candidate], runtimes: Sequence[str]) -> dict[str, str]:
    used = {each.runtime for each in drawn}
    order = sorted({*used, *runtimes})
    return {runtime: f"s{min(k, SERIES - 1)}" for k, runtime in enumerate(order) if runtime in used}


def _deadline(x: float, deadline_s: float) -> list[str]:
    anchor = "start" if x < _LEFT + 80 else "end" if x > WIDTH - _RIGHT - 60 else "middle"
    words = f"deadline {value_text(deadline_s, 's')}"
    return [line(x, _TOP - 6, x, _BOTTOM, "limit"), text(x, _TOP - 12, words, "small strong", anchor)]


def _front(spots: Sequence[Spot]) -> list[str]:
    best = sorted((spot for spot in spots if spot.is_first), key=lambda spot: spot.x)
    return [path([(spot.x, spot.y) for spot in best], "front")] if len(best) > 1 else []


def _dots(drawn: Sequence[Candidate], spots: Sequence[Spot], axes: _Axes, kinds: dict[str, str]) -> list[str]:
    shapes = []
    for each, spot in zip(drawn, spots, strict=True):
        left, right = (axes.x_of(end) for end in each.latency_s[1:])
        low, high = (axes.y_of(end) for end in each.value[1:])
        shapes += [line(left, spot.y, right, spot.y, "axis"), line(spot.x, low, spot.x, high, "axis")]
    for each, spot in sorted(zip(drawn, spots, strict=True), key=lambda pair: -pair[1].radius):
        shapes.append(dot(spot.x, spot.y, spot.radius, kinds[each.runtime]))
        if spot.is_first:
            shapes.append(ring(spot.x, spot.y, spot.radius + 1.2, "mark"))
        if each.failed:
            shapes.append(cross(spot.x, spot.y, max(11.0, 1.5 * spot.radius)))
    return shapes


def _lines(drawn: Sequence[Candidate], spots: Sequence[Spot], axes: _Axes, deadline_x: float | None) -> list[Box]:
    """Whiskers, the front's line and the deadline as thin boxes that names keep off where they can."""
    boxes = []
    for each, spot in zip(drawn, spots, strict=True):
        boxes.append((axes.x_of(each.latency_s[1]), spot.y - 1, axes.x_of(each.latency_s[2]), spot.y + 1))
        boxes.append((spot.x - 1, axes.y_of(each.value[2]), spot.x + 1, axes.y_of(each.value[1])))
    best = sorted((spot.x, spot.y) for spot in spots if spot.is_first)
    for (x1, y1), (x2, y2) in itertools.pairwise(best):
        steps = max(1, int(math.dist((x1, y1), (x2, y2)) / _LINE_STEP))
        for k in range(steps + 1):
            x, y = x1 + (x2 - x1) * k / steps, y1 + (y2 - y1) * k / steps
            boxes.append((x - 2, y - 2, x + 2, y + 2))
    return boxes if deadline_x is None else [*boxes, (deadline_x - 2, _TOP, deadline_x + 2, _BOTTOM)]


def _legend(drawn: Sequence[Candidate], kinds: dict[str, str], largest: int, deadline_s: float | None) -> list[str]:
    x, y, shapes = WIDTH - _RIGHT + 40.0, _TOP + 6.0, []
    for runtime, kind in kinds.items():
        shapes += [dot(x, y, 5.0, kind), text(x + 14, y + 4, runtime, "small")]
        y += 20.0
    if any(each.failed for each in drawn):
        shapes += [cross(x, y, 10.0), text(x + 14, y + 4, "gate failed", "small")]
        y += 20.0
    smallest = min(each.size_bytes for each in drawn)
    for size in dict.fromkeys((largest, smallest)):
        radius = _radius(size, largest)
        y += 8.0 + radius
        shapes += [ring(x, y, radius), text(x + 20, y + 4, bytes_text(size), "small muted")]
        y += radius
    return shapes


def _time_text(seconds: float) -> str:
    unit, factor = ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{round(seconds * factor, 6):g} {unit}"


def _table(title: str, candidates: Sequence[Candidate], front: Sequence[str], label: str) -> Table:
    columns = ("variant", "runtime", "time [ms]", f"{label}", "low", "high", "bytes", "nobody beats it", "gate")
    rows: list[tuple[Cell, ...]] = [
        (
            each.name,
            each.runtime,
            each.latency_s[0] * 1e3,
            *each.value,
            each.size_bytes,
            "yes" if each.name in front else "",
            "failed" if each.failed else "",
        )
        for each in sorted(candidates, key=lambda each: each.latency_s[0])
    ]
    return Table(title, columns, tuple(rows))


def _alt(
    drawn: Sequence[Candidate],
    front: Sequence[str],
    metric: str,
    unit: str,
    direction: str,
    deadline_s: float | None,
) -> str:
    words = [f"{len(drawn)} variants by time and {metric}, {direction} is better."]
    best = sorted((each for each in drawn if each.name in front), key=lambda each: each.latency_s[0])
    told = (
        f"{each.name} {value_text(each.latency_s[0], 's')}, {value_text(each.value[0], unit)}, "
        f"{bytes_text(each.size_bytes)}"
        for each in best
    )
    if best:
        words.append(f"Nobody beats: {'; '.join(told)}.")
    if failed := [each.name for each in drawn if each.failed]:
        words.append(f"Failed the gate: {', '.join(failed)}.")
    if deadline_s is not None:
        late = [each.name for each in drawn if each.latency_s[0] > deadline_s]
        words.append(f"Slower than the deadline of {value_text(deadline_s, 's')}: {', '.join(late) or 'none'}.")
    return " ".join(words)
