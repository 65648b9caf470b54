"""Which layer loses most when it alone is computed with 8 bits."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.svg import SVG, WIDTH, box, label_width, line, picture, signed_ticks, text

_RIGHT, _TOP, _ROW, _LEAST_ROW = 96.0, 8.0, 26.0, 15.0
_TOP_WITH_LIMIT, _TALLEST = 28.0, 900.0


def sensitivity_chart(
    ratios: Mapping[str, float],
    *,
    limit: float | None = None,
    all_ratio: float | None = None,
    title: str = "Sensitivity, layer by layer",
) -> Figure:
    """How much the error grows when only this layer is int8.

    Args:
        ratios: By layer, in the network's order: mean squared error with this layer alone in int8, against the float
            model's; 1 where nothing changes, NaN where the layer cannot be quantized alone.
        limit: Of the gate on the same ratio: a line, or None.
        all_ratio: The same where all layers are int8; named in the caption.
        title: Of the figure.

    Raises:
        ValueError: There is no layer.
    """
    if not ratios:
        raise ValueError("a sensitivity needs layers")
    growth = {name: 100.0 * (ratio - 1.0) for name, ratio in ratios.items()}
    known = [value for value in growth.values() if math.isfinite(value)]
    ticks = signed_ticks([*known, *([100.0 * (limit - 1.0)] if limit is not None else [])])
    row = max(_LEAST_ROW, min(_ROW, _TALLEST / len(growth)))
    top = _TOP if limit is None else _TOP_WITH_LIMIT
    left, bottom = 24.0 + label_width(growth), top + row * len(growth)

    def x_of(percent: float) -> float:
        return left + (WIDTH - left - _RIGHT) * (percent - ticks[0]) / (ticks[-1] - ticks[0])

    shapes = []
    for tick in ticks:
        shapes.append(line(x_of(tick), top, x_of(tick), bottom, "grid"))
        shapes.append(text(x_of(tick), bottom + 18, f"{tick:+g}" if tick else "0", "muted small", "middle"))
    shapes.append(text(WIDTH - 4, bottom + 18, "growth [%]", "muted small", "end"))
    for i, (name, percent) in enumerate(growth.items()):
        middle = top + row * (i + 0.5)
        shapes.append(text(left - 12, middle + 4, _shortened(name, left - 20), "small", "end"))
        words = f"{percent:+.3g} %" if math.isfinite(percent) else "not possible"
        shapes.append(
            text(WIDTH - _RIGHT + 16, middle + 4, words, "small" if math.isfinite(percent) else "small muted")
        )
        if math.isfinite(percent):
            start, end = sorted((x_of(0.0), x_of(percent)))
            shapes.append(box(start, middle - 0.32 * row, max(1.0, end - start), 0.64 * row, "s0", corner=2))
    shapes.append(line(x_of(0.0), top, x_of(0.0), bottom, "axis"))
    if limit is not None:
        x = x_of(100.0 * (limit - 1.0))
        words = f"gate {100.0 * (limit - 1.0):+.3g} %"
        shapes += [line(x, top - 6, x, bottom, "limit"), text(x, top - 11, words, "small strong", "middle")]
    caption = "By how much the mean squared error grows when only this layer is int8, in the network's order."
    if all_ratio is not None:
        caption += f" All layers together: {100.0 * (all_ratio - 1.0):+.3g} %."
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, ratios[name], growth[name]) for name in ratios)
    table = Table(title, ("layer", "MSE ratio", "growth [%]"), rows)
    return Figure(title, picture(WIDTH, bottom + 28, shapes), SVG, _alt(growth), caption, table)


def _shortened(name: str, room_px: float) -> str:
    """The end of a name that is longer than its room: ends differ, beginnings seldom do."""
    letters = max(8, int(room_px / 6.4))
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def _alt(growth: Mapping[str, float]) -> str:
    known = sorted(((v, name) for name, v in growth.items() if math.isfinite(v)), reverse=True)
    told = ", ".join(f"{name} {percent:+.3g} %" for percent, name in known[:3])
    return f"Growth of the error by layer, {len(growth)} layers. Most: {told or 'none could be quantized alone'}."
