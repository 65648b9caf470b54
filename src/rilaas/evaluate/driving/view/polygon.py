"""Polygons between camera and pixels: cut off behind the camera, divided by depth, filled in parts of a pixel."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEAR_M = 0.02
"""What is nearer to the camera than this, along its axis, is cut off [m]."""
FRACTION_BITS = 4
"""Corners are drawn at multiples of 1/16 pixel."""
_FARTHEST_PX = 1.0e5


def divide(pixels: Array) -> Array:
    """From pixels times depth, and depth, (..., 3), to pixels, (..., 2)."""
    return np.clip(pixels[..., :2] / pixels[..., 2:], -_FARTHEST_PX, _FARTHEST_PX)


def fixed(points: Array) -> NDArray[np.int32]:
    """Points [px] as OpenCV's drawing takes them: in whole parts of a pixel."""
    return np.rint(points * float(1 << FRACTION_BITS)).astype(np.int32)


def window(points: Array, width_px: int, height_px: int) -> tuple[int, int, int, int] | None:
    """The part of an image that holds all points and a pixel around them.

    Returns:
        Left, top, right, bottom [px]; None where that is empty.
    """
    flat = points.reshape(-1, 2)
    (low_u, low_v), (high_u, high_v) = flat.min(0).tolist(), flat.max(0).tolist()
    left, top = max(0, math.floor(low_u) - 1), max(0, math.floor(low_v) - 1)
    right, bottom = min(width_px, math.ceil(high_u) + 2), min(height_px, math.ceil(high_v) + 2)
    return (left, top, right, bottom) if left < right and top < bottom else None


def cut(faces: Array) -> tuple[NDArray[np.intp], Array]:
    """Cut off what is nearer than ``NEAR_M`` (Sutherland and Hodgman, 1974, for one plane).

    Args:
        faces: (F, K, 3) float64: corners as pixels times depth, and depth.

    Returns:
        The numbers of the faces of which something is left, and these, (G, K + 1, 3): those with fewer corners repeat
        their last one.
    """
    depths = faces[..., 2]
    is_seen = depths.max(1) >= NEAR_M
    left = np.concatenate([faces, faces[:, -1:]], axis=1)
    for number in np.flatnonzero(is_seen & (depths.min(1) < NEAR_M)).tolist():
        corners = list(_cut_one(faces[number].tolist()))
        left[number, : len(corners)] = corners
        left[number, len(corners) :] = corners[-1]
    return np.flatnonzero(is_seen), left[is_seen]


def _cut_one(face: list[list[float]]) -> Iterator[list[float]]:
    for corner, after in zip(face, face[1:] + face[:1], strict=True):
        if corner[2] >= NEAR_M:
            yield corner
        if (corner[2] >= NEAR_M) != (after[2] >= NEAR_M):
            share = (NEAR_M - corner[2]) / (after[2] - corner[2])
            yield [a + share * (b - a) for a, b in zip(corner, after, strict=True)]
