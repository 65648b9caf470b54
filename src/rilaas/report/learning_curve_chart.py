"""How good what is trained became, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rilaas.report.document import Figure, Table
from rilaas.report.number import value_text
from rilaas.report.panel import Panel, value_ticks
from rilaas.report.svg import SVG, WIDTH, dot, line, picture, ring, round_ticks, text

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 184.0, 14.0, 236.0
_APART = 17.0  # pixels between two lines of words


def learning_curve_chart(
    steps: Sequence[int],
    values: Sequence[float],
    *,
    unit: str,
    kept: int,
    reference: float = math.nan,
    reference_name: str = "",
    factor: float = 1.0,
    title: str = "Learning curve",
    caption: str = "",
) -> Figure:
    """A value over the steps of a training, with the point that was kept and what it is compared with.

    Args:
        steps: (N,) of the training, in rising order.
        values: (N,) measured then.
        unit: Of the values once they are multiplied by ``factor``.
        kept: Index of the point whose policy was kept.
        reference: The value of what it is compared with; NaN for nothing.
        reference_name: What that is.
        factor: Values are shown times this.
        title: Of the figure.
        caption: A sentence below.

    Raises:
        ValueError: There is no point, or not a value for each step.
    """
    if not steps or len(steps) != len(values):
        raise ValueError(f"a learning curve has a value for each step; got {len(steps)} and {len(values)}")
    shown = np.asarray(values, np.float64) * factor
    known = np.append(shown, reference * factor)
    ticks, is_log = value_ticks(known)
    times = round_ticks(max(steps))
    panel = Panel(_LEFT, WIDTH - _RIGHT, _TOP, _BOTTOM, 0.0, times[-1], ticks[0], ticks[-1], is_log)
    shapes = [*panel.grid(ticks), *_steps(panel, times)]
    shapes.append(text(panel.left - 7, _BOTTOM + 34, unit, "muted small", "end"))
    shapes += panel.curve(np.asarray(steps, np.float64), shown, "curve")
    shapes += [dot(panel.x(at), panel.y(value), 2.6, "s0") for at, value in zip(steps, shown, strict=True)]
    x, y = panel.x(steps[kept]), panel.y(float(shown[kept]))
    shapes.append(ring(x, y, 6.0, "mark"))
    words = [(y, f"kept: {shown[kept]:.4g} {unit}", "small strong")]
    if math.isfinite(reference):
        y = panel.y(reference * factor)
        shapes.append(line(panel.left, y, panel.right, y, "limit"))
        words.append((y, f"{reference_name}: {reference * factor:.4g} {unit}", "small"))
    shapes += _beside(words)
    pairs = zip(steps, shown.tolist(), strict=True)
    rows = tuple((at, value, "kept" if i == kept else "") for i, (at, value) in enumerate(pairs))
    table = Table(title, ("steps", f"value [{unit}]", ""), rows)
    picked = f"the policy after {steps[kept]:,} steps was kept, with {shown[kept]:.4g} {unit}"
    alt = f"{title}: {len(steps)} points up to {max(steps):,} steps; {picked}."
    if math.isfinite(reference):
        alt += f" {reference_name}: {value_text(reference * factor, unit)}."
    return Figure(title, picture(WIDTH, _BOTTOM + 42, shapes), SVG, alt, caption, table)


def _steps(panel: Panel, ticks: Sequence[float]) -> list[str]:
    """The axis of steps, with thousands and millions as letters."""
    letter, unit = ("M", 1e6) if ticks[-1] >= 2e6 else ("k", 1e3) if ticks[-1] >= 2e3 else ("", 1.0)
    shapes = [line(panel.left, panel.bottom, panel.right, panel.bottom, "axis")]
    for tick in ticks:
        words = f"{tick / unit:g}{letter}" if tick else "0"
        shapes.append(text(panel.x(tick), panel.bottom + 16, words, "muted small", "middle"))
    return [*shapes, text(0.5 * (panel.left + panel.right), panel.bottom + 34, "steps", "muted small", "middle")]


def _beside(words: Sequence[tuple[float, str, str]]) -> list[str]:
    """Words to the right of the plot at their heights, moved apart where they would lie on each other."""
    shapes, last = list[str](), -math.inf
    for y, each, kind in sorted(words):
        last = max(y + 4, last + _APART)
        shapes.append(text(WIDTH - _RIGHT + 10, last, each, kind))
    return shapes
