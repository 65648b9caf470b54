"""How far apart two bodies on the ground are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose

Corners = NDArray[np.float64]


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
    a, b = corners(one, one_poses), corners(other, other_poses)
    apart = _is_apart(a, b) | _is_apart(b, a)
    nearest = np.minimum(_corner_to_edge_m(a, b), _corner_to_edge_m(b, a))
    return np.asarray(np.where(apart, nearest, 0.0))


def gap_m(one: Actor, one_pose: Pose, other: Actor, other_pose: Pose) -> float:
    """The same at one instant [m]."""
    return float(gaps_m(one, np.array([one_pose]), other, np.array([other_pose]))[0])


def _is_apart(a: Corners, b: Corners) -> NDArray[np.bool_]:
    """Whether an edge's direction of ``a`` separates the rectangles (separating axis theorem)."""
    axes = a[:, [0, 1]] - a[:, [1, 2]]  # (N, 2, 2)
    of_a, of_b = np.einsum("nkd,ncd->nkc", axes, a), np.einsum("nkd,ncd->nkc", axes, b)
    return np.asarray(((of_a.max(2) < of_b.min(2)) | (of_b.max(2) < of_a.min(2))).any(1))


def _corner_to_edge_m(points: Corners, rectangle: Corners) -> np.ndarray:
    """Shortest distance from any corner of one to any edge of the other, (N,) [m]."""
    start = rectangle[:, None, :, :]
    edge = np.roll(rectangle, -1, axis=1)[:, None, :, :] - start
    away = points[:, :, None, :] - start
    share = np.clip((away * edge).sum(3) / (edge * edge).sum(3), 0.0, 1.0)
    return np.asarray(np.linalg.norm(away - share[..., None] * edge, axis=3).min((1, 2)))
