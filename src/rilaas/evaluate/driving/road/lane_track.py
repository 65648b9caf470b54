"""A whole trajectory as seen from the lanes that it passes through."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.tile_map import TileMap


@dataclass(frozen=True, slots=True, eq=False)
class LaneTrack:
    """What a trajectory of N poses is to the lanes.

    Attributes:
        in_lane: (N,) bool; whether the pose is in a lane and goes its way.
        lateral_m: (N,) float64 [m]; distance to the left of the best aligned lane's centre line, NaN out of lane.
        heading_rad: (N,) float64 [rad]; heading relative to that lane, NaN out of lane.
        progress_m: (max(N - 1, 0),) float64 [m]; way made along the lane until the next pose, 0 out of lane.
    """

    in_lane: np.ndarray
    lateral_m: np.ndarray
    heading_rad: np.ndarray
    progress_m: np.ndarray


def track_lanes(tile_map: TileMap, poses: ArrayLike) -> LaneTrack:
    """See a trajectory from the lanes.

    The best aligned lane is the one with the smallest abs(heading) among those that the pose is in: on a crossing it
    is not always the nearest. Progress is the coordinate of the next pose along the lane's direction at the closest
    centre point; of several lanes, the largest counts. It is negative while reversing.
    Source: duckietown-world 6.4.3, rules/in_drivable_lane.py, DrivenLength.

    Args:
        tile_map: The map.
        poses: (N, 3) float64 [m, m, rad], in the map's frame.

    Raises:
        InvalidInput: The poses are not (N, 3) finite numbers.
    """
    poses = check_poses(poses)
    count = len(poses)
    in_lane = np.zeros(count, bool)
    lateral_m, heading_rad = np.full(count, math.nan), np.full(count, math.nan)
    progress_m = np.zeros(max(count - 1, 0))
    graph = lane_graph(tile_map)
    rows = poses.tolist()
    for k, (x_m, y_m, heading) in enumerate(rows):
        found = graph.poses((x_m, y_m, heading))
        if not found:
            continue
        in_lane[k], lateral_m[k], heading_rad[k] = True, found[0].lateral_m, found[0].heading_rad
        if k + 1 < count:
            next_x_m, next_y_m, _ = rows[k + 1]
            progress_m[k] = max(
                math.cos(centre[2]) * (next_x_m - centre[0]) + math.sin(centre[2]) * (next_y_m - centre[1])
                for centre in (seen.centre for seen in found)
            )
    return LaneTrack(in_lane, lateral_m, heading_rad, progress_m)


def check_poses(poses: ArrayLike) -> np.ndarray:
    """Poses as (N, 3) float64.

    Raises:
        InvalidInput: They are something else, or not finite; the message says what and where.
    """
    array = as_floats(poses, "poses")
    if array.ndim != 2 or array.shape[1] != 3:
        raise InvalidInput(
            f"poses have shape {list(array.shape)}; they are [N, 3]: x [m], y [m], heading [rad] in the map's frame."
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise InvalidInput(f"poses[{bad[0]}] is {array[bad[0]].tolist()}; every number is finite.")
    return array


def as_floats(values: ArrayLike, name: str) -> np.ndarray:
    """Real numbers as a float64 array; ``name`` is what messages call them.

    Raises:
        InvalidInput: They are not an array of real numbers.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise InvalidInput(f"{name} is not an array: its rows have different lengths.") from None
    if array.dtype.kind not in "iuf":
        raise InvalidInput(f"{name} has dtype {array.dtype}; it is made of real numbers.")
    return array.astype(np.float64)
