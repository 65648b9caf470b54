"""How far apart two bodies on the ground are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose

Corners = NDArray[np.float64]

CONTACT_M = 0.005
"""Nearer bodies touch [m]: near zero, above what rounding and a push make of it."""


def corners(actor: Actor, poses: NDArray[np.float64]) -> Corners:
    """Corners of a body's rectangle, counter-clockwise from the front left.

    Args:
        actor: Whose body.
        poses: (N, 3) float64 [m, m, rad], in the map's frame.

    Returns:
        (N, 4, 2) float64 [m], in the map's frame.
    """
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    ahead = actor.middle_ahead_m + 0.5 * actor.length_m * np.array([1.0, -1.0, -1.0, 1.0])
    left = 0.5 * actor.width_m * np.array([1.0, 1.0, -1.0, -1.0])
    x = poses[:, :1] + cos[:, None] * ahead - sin[:, None] * left
    y = poses[:, 1:2] + sin[:, None] * ahead + cos[:, None] * left
    return np.stack([x, y], axis=2)


def gaps_m(one: Actor, one_poses: NDArray[np.float64], other: Actor, other_poses: NDArray[np.float64]) -> np.ndarray:
    """Shortest distance between two bodies' rectangles at N instants.

    Args:
        one: A body.
        one_poses: (N, 3) float64 [m, m, rad], in the map's frame.
        other: The other body.
        other_poses: (N, 3) float64, likewise.

    Returns:
        (N,) float64 [m]; 0 where they touch or overlap.
    """
    of_one = _outside(one, one_poses, corners(other, other_poses))
    of_other = _outside(other, other_poses, corners(one, one_poses))
    apart = of_one[0] | of_other[0]
    # Two rectangles that are apart are nearest at a corner of one of them.
    return np.asarray(np.where(apart, np.sqrt(np.minimum(of_one[1], of_other[1])), 0.0))


def gap_m(one: Actor, one_pose: Pose, other: Actor, other_pose: Pose) -> float:
    """The same at one instant [m]."""
    return float(gaps_m(one, np.array([one_pose]), other, np.array([other_pose]))[0])


def _outside(
    body: Actor, poses: NDArray[np.float64], points: Corners
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Corners of another rectangle as seen from a body.

    Returns:
        (N,) whether a side of the body separates the rectangles (separating axis theorem), and (N,) the square of the
        distance to the nearest corner [m^2].
    """
    cos, sin = np.cos(poses[:, 2:3]), np.sin(poses[:, 2:3])
    dx, dy = points[:, :, 0] - poses[:, 0:1], points[:, :, 1] - poses[:, 1:2]
    ahead, left = cos * dx + sin * dy - body.middle_ahead_m, cos * dy - sin * dx
    length, width = 0.5 * body.length_m, 0.5 * body.width_m
    apart = (ahead.min(1) > length) | (ahead.max(1) < -length) | (left.min(1) > width) | (left.max(1) < -width)
    before, beside = np.maximum(np.abs(ahead) - length, 0.0), np.maximum(np.abs(left) - width, 0.0)
    return apart, (before * before + beside * beside).min(1)
