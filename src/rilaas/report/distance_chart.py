"""What each episode reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rilaas.report.document import Cell, Episode, Figure, Table
from rilaas.report.metric import Metric, summarize
from rilaas.report.number import mean_text, metric_text
from rilaas.report.svg import SVG, WIDTH, box, line, picture, round_ticks, text

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 132.0, 14.0, 236.0


def distance_chart(
    episodes: Sequence[Episode],
    *,
    metric: str = "driven_lane_m",
    unit: str = "m",
    reference: Sequence[float] | None = None,
    reference_name: str = "expert",
    title: str = "Distance along the lane, per episode",
) -> Figure:
    """One bar per episode in the order in which they ran, failed ones in red, with the mean and its interval.

    Args:
        episodes: What was run; those without the metric have no bar, below zero counts as zero.
        metric: Name of the metric.
        unit: Its unit.
        reference: (len(episodes),) what somebody else reached; drawn as a mark over each bar.
        reference_name: Who that is.
        title: Of the figure.

    Raises:
        ValueError: The reference has another length than the episodes.
    """
    values = [episode.metrics.get(metric, math.nan) for episode in episodes]
    marks = [math.nan] * len(values) if reference is None else list(reference)
    if len(marks) != len(values):
        raise ValueError(f"{len(values)} episodes need as many reference values, got {len(marks)}")
    mean = summarize([value for value in values if math.isfinite(value)], unit, "higher")
    ticks = round_ticks(max((value for value in (*values, *marks) if math.isfinite(value)), default=1.0))

    def y_of(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * max(0.0, value) / ticks[-1]

    shapes = []
    for tick in ticks:
        shapes.append(line(_LEFT, y_of(tick), WIDTH - _RIGHT, y_of(tick), "grid"))
        shapes.append(text(_LEFT - 8, y_of(tick) + 4, f"{tick:g}", "muted small", "end"))
    shapes.append(text(_LEFT - 8, _BOTTOM + 18, unit, "muted small", "end"))
    shapes += _bars(episodes, values, marks, y_of)
    shapes += _mean(mean, y_of)
    shapes += _legend(episodes, reference_name if reference is not None else "")
    failed = sum(episode.failed for episode in episodes)
    alt = f"{len(values)} episodes, {failed} failed; mean {metric_text(mean)}."
    caption = f"Mean {metric_text(mean)}: the line, its 95 % interval the band. {failed} of {len(values)} failed."
    table = _table(title, episodes, f"{metric} [{unit}]", values, reference_name, reference)
    return Figure(title, picture(WIDTH, _BOTTOM + 30, shapes), SVG, alt, caption, table)


def _bars(
    episodes: Sequence[Episode], values: Sequence[float], marks: Sequence[float], y_of: Callable[[float], float]
) -> list[str]:
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    wide = max(0.8, min(slot * 0.76, 40.0))
    every = math.ceil(len(values) / 25)
    shapes = []
    for i, (episode, value, mark) in enumerate(zip(episodes, values, marks, strict=True)):
        middle = _LEFT + slot * (i + 0.5)
        if math.isfinite(value):
            # A failure at once has no distance; a stub keeps it in sight.
            tall = max(_BOTTOM - y_of(value), 3.0 if episode.failed else 0.0)
            shapes.append(box(middle - wide / 2, _BOTTOM - tall, wide, tall, "fail" if episode.failed else "s0"))
        if math.isfinite(mark):
            shapes.append(line(middle - wide / 2 - 1, y_of(mark), middle + wide / 2 + 1, y_of(mark), "mark"))
        if i % every == 0:
            shapes.append(text(middle, _BOTTOM + 18, str(i + 1), "muted small", "middle"))
    return [*shapes, line(_LEFT, _BOTTOM, WIDTH - _RIGHT, _BOTTOM, "axis")]


def _mean(mean: Metric, y_of: Callable[[float], float]) -> list[str]:
    if not mean.n:
        return []
    end, y = WIDTH - _RIGHT, y_of(mean.mean)
    band = box(_LEFT, y_of(mean.high), end - _LEFT, y_of(mean.low) - y_of(mean.high), "band")
    return [band, line(_LEFT, y, end, y, "limit"), text(end + 10, y + 4, f"mean {mean_text(mean)}", "small strong")]


def _legend(episodes: Sequence[Episode], reference_name: str) -> list[str]:
    x, y, shapes = WIDTH - _RIGHT + 10, _BOTTOM, []
    if any(episode.failed for episode in episodes):
        shapes += [box(x, y - 9, 12, 10, "fail"), text(x + 18, y, "failed", "small")]
        y -= 20
    if reference_name:
        shapes += [line(x, y - 4, x + 12, y - 4, "mark"), text(x + 18, y, reference_name, "small")]
    return shapes


def _table(
    title: str,
    episodes: Sequence[Episode],
    column: str,
    values: Sequence[float],
    reference_name: str,
    reference: Sequence[float] | None,
) -> Table:
    columns: tuple[str, ...] = ("episode", "scenario", "seed", "status", column)
    rows: list[tuple[Cell, ...]] = []
    for i, (episode, value) in enumerate(zip(episodes, values, strict=True)):
        rows.append((i + 1, episode.scenario, episode.seed, episode.status, value))
        if reference is not None:
            rows[-1] += (float(reference[i]),)
    return Table(title, columns if reference is None else (*columns, reference_name), tuple(rows))
