"""How far several things are from one reference, in percent of it."""

from __future__ import annotations

from collections.abc import Mapping

from rilaas.report.document import Figure, Table
from rilaas.report.metric import Metric
from rilaas.report.number import percent_text
from rilaas.report.svg import SVG, WIDTH, box, label_width, line, picture, short, signed_ticks, text

_RIGHT, _TOP, _ROW = 200.0, 30.0, 26.0


def difference_chart(
    differences: Mapping[str, Metric], *, reference: str, title: str, caption: str = "", widest: float = 1.0
) -> Figure:
    """Relative differences as bars to the left or right of the reference, with their 95 % intervals.

    Args:
        differences: A share of the reference, by what differs; negative is less.
        reference: What it differs from.
        title: Of the figure.
        caption: A sentence below.
        widest: The axis ends there at most on either side, as a share; a longer bar ends in an arrow and its number.

    Raises:
        ValueError: There is nothing to compare.
    """
    if not differences:
        raise ValueError("a chart of differences needs at least one")
    ends = [end for m in differences.values() if m.n for end in (m.low, m.high)]
    ticks = signed_ticks(100.0 * min(widest, max(-widest, end)) for end in ends)
    left, bottom = 24.0 + label_width(differences), _TOP + _ROW * len(differences)

    def x_of(share: float) -> float:
        return left + (WIDTH - left - _RIGHT) * min(1.0, max(0.0, (100 * share - ticks[0]) / (ticks[-1] - ticks[0])))

    shapes = []
    for tick in ticks:
        x = x_of(tick / 100)
        shapes += [
            line(x, _TOP, x, bottom, "grid"),
            text(x, bottom + 18, f"{tick:+g}" if tick else "0", "muted small", "middle"),
        ]
    shapes.append(text(WIDTH - _RIGHT + 16, bottom + 18, "%", "muted small"))
    for i, (name, metric) in enumerate(differences.items()):
        middle = _TOP + _ROW * (i + 0.5)
        shapes.append(text(left - 14, middle + 4, short(name), "strong", "end"))
        shapes.append(text(WIDTH - _RIGHT + 16, middle + 4, percent_text(metric), "small"))
        if not metric.n:
            continue
        start, end = sorted((x_of(0.0), x_of(metric.mean)))
        shapes.append(box(start, middle - 7, end - start, 14, "s0" if metric.mean < 0 else "s1", corner=2))
        if 100 * metric.mean > ticks[-1]:
            shapes.append(text(end - 4, middle + 4, "›", "strong", "end"))
        elif metric.n > 1:
            low, high = x_of(metric.low), x_of(metric.high)
            shapes += [line(x, middle - 4, x, middle + 4, "mark") for x in (low, high)]
            shapes.append(line(low, middle, high, middle, "mark"))
    zero = x_of(0.0)
    shapes += [
        line(zero, _TOP - 4, zero, bottom, "limit"),
        text(zero, _TOP - 10, reference, "small strong", "middle"),
    ]
    rows = tuple((name, 100 * m.mean, 100 * m.low, 100 * m.high, m.n) for name, m in differences.items())
    table = Table(title, ("", "difference [%]", "low [%]", "high [%]", "n"), rows)
    told = "; ".join(f"{name}: {percent_text(metric)}" for name, metric in differences.items())
    alt = f"{title}, in percent of {reference}. {told}."
    return Figure(title, picture(WIDTH, bottom + 28, shapes), SVG, alt, caption, table)
