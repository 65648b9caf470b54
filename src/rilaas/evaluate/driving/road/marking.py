"""What is painted on each kind of tile: white edges, the yellow dashed centre line, red stop lines.

Dimensions: the Duckietown appearance specification (white and red tape 2 inches wide, yellow 1 inch), placed so that
the lanes are those of duckietown-world: 0.376 tile wide, centred 0.22 tile from the middle of the road.
Coordinates are those of a tile at orientation E, in tiles: x right, y up, (0, 0) in the middle.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.tile_map import DEFAULT_TILE_SIZE_M

Grid = NDArray[np.float64]
Coverage = NDArray[np.uint8]

LANE_OUTER = 0.22 + 0.188
"""Outer border of a lane, where the white tape begins [tile]."""
WHITE_WIDTH = 0.048 / DEFAULT_TILE_SIZE_M
YELLOW_WIDTH = 0.025 / DEFAULT_TILE_SIZE_M
RED_WIDTH = 0.048 / DEFAULT_TILE_SIZE_M
DASH_SHARE = 2.0 / 3.0
"""Dashes of 2 inches, gaps of 1 inch."""
DASHES_STRAIGHT = 8
"""Dashes on a straight tile: the period of 73 mm nearest to 3 inches that fits."""
DASHES_CURVE = 6


@lru_cache(maxsize=32)
def paint(kind: str, size_px: int) -> tuple[Coverage, Coverage, Coverage]:
    """How much of each pixel is covered by white, yellow and red.

    Args:
        kind: A tile kind; plain ground has no paint.
        size_px: Side of the tile [px].

    Returns:
        Three (size_px, size_px) uint8 arrays, 255 is fully covered, row 0 is the upper border (y = 0.5).
    """
    axis = (np.arange(size_px) + 0.5) / size_px - 0.5
    x, y = np.meshgrid(axis, -axis)
    none = np.full_like(x, -1.0)
    white = yellow = red = none
    if kind == "straight":
        white = _within(np.abs(y), LANE_OUTER, LANE_OUTER + WHITE_WIDTH)
        yellow = np.minimum(0.5 * YELLOW_WIDTH - np.abs(y), _dashes(x + 0.5, DASHES_STRAIGHT))
    elif kind == "curve_left":
        white, yellow = _curve(x, y, 0.5)
    elif kind == "curve_right":
        white, yellow = _curve(x, y, -0.5)
    elif kind in {"3way_left", "3way_right", "4way"}:
        white, red = _crossing(x, y, kind)
    return _coverage(white, size_px), _coverage(yellow, size_px), _coverage(red, size_px)


def _within(value: Grid, low: float, high: float) -> Grid:
    """Distance to the border of a stripe, positive inside [tile]."""
    return np.minimum(value - low, high - value)


def _dashes(along: Grid, count: int) -> Grid:
    """Distance to the ends of ``count`` dashes over a line from 0 to 1, positive inside [in units of the line]."""
    phase = (along * count) % 1.0
    return (0.5 * DASH_SHARE - np.abs(phase - 0.5)) / count


def _curve(x: Grid, y: Grid, corner_y: float) -> tuple[Grid, Grid]:
    """A quarter turn about the corner (-0.5, corner_y)."""
    radius = np.hypot(x + 0.5, y - corner_y)
    angle = np.arctan2(np.abs(y - corner_y), x + 0.5)
    white = _within(np.abs(radius - 0.5), LANE_OUTER, LANE_OUTER + WHITE_WIDTH)
    dashes = _dashes(angle / (0.5 * math.pi), DASHES_CURVE) * 0.25 * math.pi
    return white, np.minimum(0.5 * YELLOW_WIDTH - np.abs(radius - 0.5), dashes)


def _crossing(x: Grid, y: Grid, kind: str) -> tuple[Grid, Grid]:
    """Round white corners, a white edge along a closed side, and a stop line where each road enters."""
    closed = {"3way_left": 3, "3way_right": 1, "4way": None}[kind]
    white = np.full_like(x, -1.0)
    red = np.full_like(x, -1.0)
    for quarter in range(4):  # the side that faces east, north, west, south
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter]
        out, side = x * cos + y * sin, y * cos - x * sin  # towards the side, and to the left of that
        if quarter == closed:
            white = np.maximum(white, _within(out, LANE_OUTER, LANE_OUTER + WHITE_WIDTH))
            continue
        # A robot that comes in keeps to the right, which is to the left when one looks out.
        lane = _within(side, 0.5 * YELLOW_WIDTH, LANE_OUTER)
        red = np.maximum(red, np.minimum(lane, _within(out, 0.5 - RED_WIDTH, 1.0)))
        if (quarter + 1) % 4 != closed:
            corner = np.hypot(out - 0.5, side - 0.5)
            white = np.maximum(white, _within(corner, 0.5 - LANE_OUTER - WHITE_WIDTH, 0.5 - LANE_OUTER))
    return white, red


def _coverage(distance: Grid, size_px: int) -> Coverage:
    """Antialiased: half a pixel to each side of the border."""
    return np.round(255.0 * np.clip(0.5 + distance * size_px, 0.0, 1.0)).astype(np.uint8)
