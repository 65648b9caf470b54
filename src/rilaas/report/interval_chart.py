"""One metric of several variants, servers or policies side by side."""

from __future__ import annotations

from collections.abc import Mapping

from rilaas.report.document import Figure, Table
from rilaas.report.metric import Metric
from rilaas.report.number import interval_text, mean_text, metric_text, metric_unit
from rilaas.report.svg import SERIES, SVG, WIDTH, box, label_width, line, picture, round_ticks, text

_RIGHT, _TOP, _ROW = 230.0, 8.0, 36.0


def interval_chart(metrics: Mapping[str, Metric], *, title: str, caption: str = "") -> Figure:
    """Means as bars from zero, with their 95 % intervals.

    Args:
        metrics: By what is compared; all in the same unit and not negative.
        title: Names the metric.
        caption: A sentence below.

    Raises:
        ValueError: The units differ, there is nothing to compare, or a mean is negative.
    """
    units = {metric.unit for metric in metrics.values()}
    if len(units) != 1 or any(metric.mean < 0 for metric in metrics.values()):
        raise ValueError("bars from zero need one unit and no negative mean")
    highest = max((metric.high for metric in metrics.values() if metric.n), default=0.0)
    unit, factor = metric_unit(max(metrics.values(), key=lambda metric: metric.high if metric.n else 0.0))
    ticks = round_ticks(highest * factor)
    left, bottom = 24.0 + label_width(metrics), _TOP + _ROW * len(metrics)

    def x_of(value: float) -> float:
        return left + (WIDTH - left - _RIGHT) * min(max(value * factor / ticks[-1], 0.0), 1.0)

    shapes = []
    for tick in ticks:
        x = x_of(tick / factor)
        shapes += [line(x, _TOP, x, bottom, "grid"), text(x, bottom + 18, f"{tick:g}", "muted small", "middle")]
    shapes.append(text(WIDTH - _RIGHT + 16, bottom + 18, unit, "muted small"))
    for i, (name, metric) in enumerate(metrics.items()):
        middle = _TOP + _ROW * (i + 0.5)
        shapes.append(text(left - 14, middle + 4, name, "strong", "end"))
        shapes.append(text(WIDTH - _RIGHT + 16, middle + 4, mean_text(metric), "strong"))
        shapes.append(text(WIDTH - 4, middle + 4, interval_text(metric), "small muted", "end"))
        if metric.n:
            shapes.append(box(left, middle - 9, x_of(metric.mean) - left, 18, f"s{i % SERIES}", corner=2))
        if metric.n > 1:
            low, high = x_of(metric.low), x_of(metric.high)
            shapes += [line(x, middle - 5, x, middle + 5, "mark") for x in (low, high)]
            shapes.append(line(low, middle, high, middle, "mark"))
    shapes.append(line(left, _TOP, left, bottom, "axis"))
    columns = ("", *(f"{end} [{unit}]" if unit else end for end in ("mean", "low", "high")), "n")
    rows = tuple((name, m.mean * factor, m.low * factor, m.high * factor, m.n) for name, m in metrics.items())
    alt = f"{title}. " + "; ".join(f"{name}: {metric_text(metric)}" for name, metric in metrics.items()) + "."
    caption = caption or "Mean with its 95 % bootstrap interval."
    return Figure(title, picture(WIDTH, bottom + 28, shapes), SVG, alt, caption, Table(title, columns, rows))
