"""How well each episode was driven, the worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rilaas.report.document import Episode, Figure, Table
from rilaas.report.metric import summarize
from rilaas.report.number import mean_text, metric_text
from rilaas.report.svg import SVG, WIDTH, box, cross, dot, line, picture, signed_ticks, text

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 132.0, 14.0, 236.0
_LABELS = 25
"""Most numbers below the axis."""


def score_chart(
    episodes: Sequence[Episode],
    *,
    metric: str = "driving_score",
    unit: str = "",
    highest: float | None = 100.0,
    title: str = "Driving score, per episode",
) -> Figure:
    """A dot per episode, the worst on the left; a red cross where it failed; the mean and its interval.

    Args:
        episodes: What was run; those without the metric are left out, and the caption says how many.
        metric: Name of the metric, higher is better.
        unit: Its unit.
        highest: Where the axis ends at least; where the values end if None.
        title: Of the figure.
    """
    scored = [(number, each) for number, each in enumerate(episodes, 1) if math.isfinite(_value(each, metric))]
    scored.sort(key=lambda row: _value(row[1], metric))
    values = [_value(each, metric) for _, each in scored]
    # In the episodes' own order, so that the interval is that of the report's metric, drawn with the same seed.
    mean = summarize([_value(each, metric) for _, each in sorted(scored, key=lambda row: row[0])], unit, "higher")
    ticks = signed_ticks(values if highest is None else [highest, *values])

    def y_of(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    shapes = []
    for tick in ticks:
        shapes.append(line(_LEFT, y_of(tick), WIDTH - _RIGHT, y_of(tick), "grid"))
        shapes.append(text(_LEFT - 8, y_of(tick) + 4, f"{tick:g}", "muted small", "end"))
    shapes.append(text(_LEFT - 8, _BOTTOM + 18, unit, "muted small", "end"))
    if mean.n:
        end, y = WIDTH - _RIGHT, y_of(mean.mean)
        shapes.append(box(_LEFT, y_of(mean.high), end - _LEFT, y_of(mean.low) - y_of(mean.high), "band"))
        shapes += [line(_LEFT, y, end, y, "limit"), text(end + 10, y + 4, f"mean {mean_text(mean)}", "small strong")]
    shapes += _dots(scored, values, y_of)
    shapes.append(line(_LEFT, _BOTTOM, WIDTH - _RIGHT, _BOTTOM, "axis"))
    failed = sum(episode.failed for _, episode in scored)
    without = len(episodes) - len(scored)
    caption = (
        f"Mean {metric_text(mean)}: the line, its 95 % interval the band. Below each dot the number of its episode, "
        f"worst first. {failed} of {len(scored)} failed."
    )
    if without:
        caption += f" {without} without a score {'is' if without == 1 else 'are'} left out."
    alt = f"{len(scored)} episodes, {failed} failed; mean {metric_text(mean)}."
    columns = ("episode", "scenario", "seed", "status", f"{metric} [{unit}]" if unit else metric)
    rows = tuple((n, e.scenario, e.seed, e.status, _value(e, metric)) for n, e in scored)
    return Figure(title, picture(WIDTH, _BOTTOM + 30, shapes), SVG, alt, caption, Table(title, columns, rows))


def _dots(
    scored: Sequence[tuple[int, Episode]], values: Sequence[float], y_of: Callable[[float], float]
) -> list[str]:
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    size = min(4.5, max(1.5, 0.4 * slot))
    every = math.ceil(len(scored) / _LABELS)
    shapes = []
    for i, ((number, episode), value) in enumerate(zip(scored, values, strict=True)):
        x = _LEFT + slot * (i + 0.5)
        shapes.append(cross(x, y_of(value), 2.0 * size) if episode.failed else dot(x, y_of(value), size, "s0"))
        if i % every == 0:
            shapes.append(text(x, _BOTTOM + 18, str(number), "muted small", "middle"))
    if any(episode.failed for _, episode in scored):
        x, y = WIDTH - _RIGHT + 16, _BOTTOM - 4
        shapes += [cross(x, y, 9.0), text(x + 12, y + 4, "failed", "small")]
    return shapes


def _value(episode: Episode, metric: str) -> float:
    return episode.metrics.get(metric, math.nan)
