"""A whole trajectory as seen from the lanes that it passes through, all poses at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.lane_table import (
    Floats,
    Indexes,
    LaneSightings,
    candidates,
    lane_table,
    sightings,
)
from rilaas.evaluate.driving.road.tile_map import TileMap


@dataclass(frozen=True, slots=True, eq=False)
class LaneTrack:
    """What a trajectory of N poses is to the lanes.

    Attributes:
        in_lane: (N,) bool; whether the pose is in a lane and goes its way.
        lane: (N,) int64; the best aligned lane as an index into ``lane_graph(map).lanes``, -1 out of lane.
        along_m: (N,) float64 [m]; distance along that lane from where it enters its tile, NaN out of lane.
        lateral_m: (N,) float64 [m]; distance to the left of that lane's centre line, NaN out of lane.
        heading_rad: (N,) float64 [rad]; heading relative to that lane, NaN out of lane.
        progress_m: (max(N - 1, 0),) float64 [m]; way made along the lane until the next pose, 0 out of lane.
    """

    in_lane: NDArray[np.bool_]
    lane: Indexes
    along_m: Floats
    lateral_m: Floats
    heading_rad: Floats
    progress_m: Floats


def track_lanes(tile_map: TileMap, poses: ArrayLike) -> LaneTrack:
    """See a trajectory from the lanes.

    The best aligned lane is the one with the smallest abs(heading) among those that the pose is in: on a crossing it
    is not always the nearest. Progress is the coordinate of the next pose along the lane's direction at the closest
    centre point; of several lanes, the largest counts. It is negative while reversing.
    Source: duckietown-world 6.4.3, rules/in_drivable_lane.py, DrivenLength.

    The same lanes as ``lane_poses`` finds pose by pose, to within rounding.

    Args:
        tile_map: The map.
        poses: (N, 3) float64 [m, m, rad], in the map's frame.

    Raises:
        InvalidInput: The poses are not (N, 3) finite numbers.
    """
    poses = check_poses(poses)
    count, table = len(poses), lane_table(tile_map)
    seen = sightings(table, poses, *candidates(table, poses))
    order = np.lexsort((np.abs(seen.heading_rad), seen.pose))  # stable: of equals, the first lane of the first tile
    sorted_pose = seen.pose[order]
    best = order[np.concatenate([[True], sorted_pose[1:] != sorted_pose[:-1]])] if order.size else order
    found = seen.pose[best]
    lane = np.full(count, -1, np.int64)
    along_m, lateral_m, heading_rad = (np.full(count, math.nan) for _ in range(3))
    lane[found], along_m[found] = seen.lane[best], seen.along_m[best]
    lateral_m[found], heading_rad[found] = seen.lateral_m[best], seen.heading_rad[best]
    return LaneTrack(lane >= 0, lane, along_m, lateral_m, heading_rad, _progress_m(seen, poses))


def _progress_m(seen: LaneSightings, poses: Floats) -> Floats:
    progress_m = np.full(max(len(poses) - 1, 0), -math.inf)
    before = seen.pose < len(progress_m)
    pose = seen.pose[before]
    x_m, y_m, heading = (part[before] for part in seen.centre)
    dx, dy = poses[pose + 1, 0] - x_m, poses[pose + 1, 1] - y_m
    np.maximum.at(progress_m, pose, np.cos(heading) * dx + np.sin(heading) * dy)
    return np.where(np.isinf(progress_m), 0.0, progress_m)


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
