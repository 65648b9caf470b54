"""What latency costs: a score against how long answers take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.number import value_text
from rilaas.report.svg import SVG, WIDTH, dot, line, path, picture, round_ticks, signed_ticks, text

Point = tuple[float, float, float, float, int]
"""Latency [s], mean score, lower and upper end of its interval, number of episodes."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 40.0, 40.0, 266.0


def score_latency_chart(
    points: Sequence[Point],
    limit_s: float | None = None,
    *,
    metric: str = "driving_score",
    unit: str = "",
    title: str = "Score against latency",
) -> Figure:
    """Means joined by a line, their intervals as a band, and a line where driving starts to lose.

    Args:
        points: One per latency that was driven, in any order.
        limit_s: The smallest latency at which driving is measurably worse [s]; None where there is none.
        metric: Name of the score.
        unit: Its unit.
        title: Of the figure.

    Raises:
        ValueError: There is no point, or a latency is negative or not finite.
    """
    rising = sorted(points)
    if not rising or not all(math.isfinite(point[0]) and point[0] >= 0.0 for point in rising):
        raise ValueError("a score against latency needs points, and latencies that are finite and not negative")
    longest_s = max(rising[-1][0], limit_s or 0.0)
    x_unit, factor = ("ms", 1e3) if longest_s < 1.0 else ("s", 1.0)
    x_ticks = round_ticks(longest_s * factor, 6)
    drawn = [point for point in rising if all(map(math.isfinite, point[1:4]))]
    y_ticks = signed_ticks(end for point in drawn for end in point[1:4])

    def x_of(latency_s: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * latency_s * factor / x_ticks[-1]

    def y_of(score: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (score - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    shapes = []
    for tick in y_ticks:
        shapes.append(line(_LEFT, y_of(tick), WIDTH - _RIGHT, y_of(tick), "grid"))
        shapes.append(text(_LEFT - 10, y_of(tick) + 4, f"{tick:g}", "muted small", "end"))
    shapes += [text(x_of(tick / factor), _BOTTOM + 20, f"{tick:g}", "muted small", "middle") for tick in x_ticks]
    shapes.append(text(_LEFT, _TOP - 24, f"{metric} [{unit}]" if unit else metric, "small muted"))
    shapes.append(text(WIDTH - _RIGHT, _BOTTOM + 38, f"latency [{x_unit}]", "small muted", "end"))
    shapes.append(line(_LEFT, _BOTTOM, WIDTH - _RIGHT, _BOTTOM, "axis"))
    shapes += _curve(drawn, x_of, y_of)
    if limit_s is not None:
        shapes += _limit(limit_s, x_of(limit_s))
    caption = "Mean score at each latency; the band joins the 95 % intervals."
    verdict = (
        f"From {value_text(limit_s, 's')} on it is measurably worse than at the smallest latency."
        if limit_s is not None
        else "At no latency that was driven is it measurably worse than at the smallest one."
    )
    columns = (f"latency [{x_unit}]", f"{metric} [{unit}]" if unit else metric, "low", "high", "n")
    rows: tuple[tuple[Cell, ...], ...] = tuple((s * factor, *rest) for s, *rest in rising)
    table = Table(title, columns, rows)
    return Figure(
        title, picture(WIDTH, _BOTTOM + 48, shapes), SVG, _alt(rising, verdict), f"{caption} {verdict}", table
    )


def _curve(drawn: Sequence[Point], x_of: Callable[[float], float], y_of: Callable[[float], float]) -> list[str]:
    if not drawn:
        return []
    upper = [(x_of(s), y_of(high)) for s, _, _, high, _ in drawn]
    lower = [(x_of(s), y_of(low)) for s, _, low, _, _ in reversed(drawn)]
    shapes = [
        path([*upper, *lower], "around", closed=True),
        path([(x_of(s), y_of(mean)) for s, mean, *_ in drawn], "curve"),
    ]
    for latency_s, mean, low, high, _ in drawn:
        x = x_of(latency_s)
        shapes += [line(x, y_of(low), x, y_of(high), "mark"), dot(x, y_of(mean), 4.5, "s0")]
    return shapes


def _limit(limit_s: float, x: float) -> list[str]:
    # The words stay inside the picture at either end.
    anchor = "start" if x < WIDTH / 4 else "end" if x > 3 * WIDTH / 4 else "middle"
    words = f"starts to lose at {value_text(limit_s, 's')}"
    return [line(x, _TOP - 6, x, _BOTTOM, "limit"), text(x, _TOP - 12, words, "small strong", anchor)]


def _alt(points: Sequence[Point], verdict: str) -> str:
    told = "; ".join(
        f"{value_text(s, 's')}: {mean:.3g} [{low:.3g} to {high:.3g}], n={n}" for s, mean, low, high, n in points
    )
    return f"Mean score by latency. {told}. {verdict}"
