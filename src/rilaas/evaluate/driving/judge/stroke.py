"""Lines and shapes of a map that is drawn in tiles, x right and y up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rilaas.evaluate.driving.road.marking import DASH_SHARE


def stroke(
    path: str, colour: str, width: float, *, dash: float = 0.0, cap: str = "butt", opacity: float = 1.0
) -> str:
    """A line; ``dash`` is the length of a dash and its gap, half a gap at each end."""
    more = f' stroke-linecap="{cap}" stroke-linejoin="{cap}"' if cap != "butt" else ""
    if dash:
        gap = (1.0 - DASH_SHARE) * dash
        more += f' stroke-dasharray="{n(dash - gap)} {n(gap)}" stroke-dashoffset="{n(-0.5 * gap)}"'
    if opacity < 1.0:
        more += f' stroke-opacity="{opacity}"'
    return f'<path d="{path}" stroke="{colour}" stroke-width="{n(width)}"{more}/>'


def way(points: np.ndarray, colour: str, width: float, *, step: float, opacity: float) -> str:
    """A line through points, (N, 2); those nearer than ``step`` to the one before are left out."""
    kept = [points[0]]
    for point in points[1:]:
        if math.dist(point, kept[-1]) >= step:
            kept.append(point)
    kept.append(points[-1])
    return stroke(f"M{_places(kept)}", colour, width, cap="round", opacity=opacity)


def outline(points: Sequence[Sequence[float]] | np.ndarray, fill: str, *, opacity: float = 1.0) -> str:
    """A filled shape with a dark border."""
    clear = f' fill-opacity="{opacity}"' if opacity < 1.0 else ""
    return f'<path d="M{_places(points)}Z" fill="{fill}"{clear} stroke="#1c2229" stroke-width=".015"/>'


def n(value: float) -> str:
    """A number with as many digits as show."""
    return f"{value:.4f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))


def _places(points: Sequence[Sequence[float]] | np.ndarray) -> str:
    # A thousandth of a tile is a fourteenth of a pixel.
    return "L".join(f"{n(round(float(x), 3))} {n(round(float(y), 3))}" for x, y in points)
