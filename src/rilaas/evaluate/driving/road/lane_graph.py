"""All lanes of a map: which one a pose is in, which ones follow, where a lane leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.lane import BORDER_M, Lane, LanePose, Pose, lanes_of_tile, see_from, wrap_angle
from rilaas.evaluate.driving.road.survey import lanes_of_survey
from rilaas.evaluate.driving.road.tile_map import TileMap

TURNS = ("straight", "right", "left")
"""Which way to go on at a crossing, the best one first, unless a caller says otherwise."""

FAR_M = 1e9
"""Farther from the origin there is no map."""

_PLACES = 6  # Ends of lanes that agree to a micrometre are one place.


class LaneGraph:
    """The lanes of a map, indexed by tile, and how they join. ``lane_graph(map)`` makes it once for each map.

    Args:
        tile_map: The map.
    """

    def __init__(self, tile_map: TileMap) -> None:
        self.map = tile_map
        self._lanes: dict[tuple[int, int], Sequence[Lane]] = {}
        self._from: dict[tuple[float, ...], list[Lane]] = {}
        self._after: dict[Lane, list[Lane]] = {}
        if tile_map.survey is not None:
            self._take(*lanes_of_survey(tile_map.survey, tile_map.tile_size_m))
            return
        self._lanes = {(i, j): lanes_of_tile(tile_map, i, j) for i, j, tile in tile_map.cells() if tile.is_road}
        for lane in self.lanes:
            self._from.setdefault(_place(lane.pose_at(0.0)), []).append(lane)

    @property
    def lanes(self) -> list[Lane]:
        """Every lane, tile by tile."""
        return [lane for lanes in self._lanes.values() for lane in lanes]

    def successors(self, lane: Lane) -> list[Lane]:
        """Lanes that begin where this one ends; none where the road ends."""
        if self._after:
            return self._after.get(lane, [])
        return self._from.get(_place(lane.pose_at(lane.length_m)), [])

    def poses(self, pose: Pose) -> list[LanePose]:
        """Every lane that a pose is in, the best aligned one first; see ``lane_poses``."""
        found = []
        for cell in self._cells(pose[0], pose[1]):
            for lane in self._lanes.get(cell, ()):
                seen = see_from(lane, pose)
                if seen is not None and seen.is_inside:
                    found.append(seen)
        if len(found) > 1:
            found.sort(key=lambda seen: abs(seen.heading_rad))
        return found

    def nearest(self, pose: Pose) -> LanePose | None:
        """The nearest lane that leads the pose's way; see ``nearest_lane_pose``."""
        inside = self.poses(pose)
        if inside:
            return inside[0]
        if abs(pose[0]) > FAR_M or abs(pose[1]) > FAR_M:
            return None
        i, j = (math.floor(value / self.map.tile_size_m) for value in pose[:2])
        best: LanePose | None = None
        best_cost = math.inf
        for cell in ((i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)):
            for lane in self._lanes.get(cell, ()):
                seen = _clamped(lane, pose)
                cost = math.dist(seen.centre[:2], pose[:2]) if seen is not None else math.inf
                if seen is not None and abs(seen.heading_rad) > math.pi / 2:
                    cost += self.map.tile_size_m  # a lane of the other direction, only where there is no other
                if cost < best_cost:
                    best, best_cost = seen, cost
        return best

    def ahead(self, lane: Lane, along_m: float, turns: Sequence[str] = TURNS) -> Pose:
        """Pose on the centre line ``along_m`` after the start of ``lane``; see ``look_ahead``."""
        while along_m >= lane.length_m:
            following = self.successors(lane)
            if not following:
                break
            along_m -= lane.length_m
            lane = min(following, key=lambda next_: turns.index(next_.turn) if next_.turn in turns else len(turns))
        return lane.pose_at(along_m)

    def _take(self, lanes: Sequence[Lane], following: Sequence[Sequence[int]]) -> None:
        cells: dict[tuple[int, int], list[Lane]] = {}
        for lane, after in zip(lanes, following, strict=True):
            cells.setdefault(lane.cell, []).append(lane)
            self._after[lane] = [lanes[k] for k in after]
        self._lanes = dict(cells)

    def _cells(self, x_m: float, y_m: float) -> list[tuple[int, int]]:
        # A border belongs to the tiles on both its sides.
        if abs(x_m) > FAR_M or abs(y_m) > FAR_M:
            return []
        columns, rows = (
            {math.floor((value + slack) / self.map.tile_size_m) for slack in (-BORDER_M, BORDER_M)}
            for value in (x_m, y_m)
        )
        return [(i, j) for i in columns for j in rows]


@lru_cache(maxsize=64)
def lane_graph(tile_map: TileMap) -> LaneGraph:
    """The lanes of a map; made once."""
    return LaneGraph(tile_map)


def lane_poses(tile_map: TileMap, pose: Sequence[float] | np.ndarray) -> list[LanePose]:
    """Every lane that a pose is in, sorted by abs(heading): on a crossing there may be several.

    Args:
        tile_map: The map.
        pose: x [m], y [m], heading [rad] in the map's frame.

    Raises:
        InvalidInput: The pose is not three finite numbers.
    """
    return lane_graph(tile_map).poses(_checked(pose))


def lane_pose(tile_map: TileMap, pose: Sequence[float] | np.ndarray) -> LanePose | None:
    """The best aligned lane that a pose is in, None where it is in none; see ``lane_poses``."""
    found = lane_poses(tile_map, pose)
    return found[0] if found else None


def nearest_lane_pose(tile_map: TileMap, pose: Sequence[float] | np.ndarray) -> LanePose | None:
    """Where to get back to: the lane that the pose is in, or the nearest one that leads its way.

    Lanes of the tile and of its eight neighbours count, those against the pose's heading only where there is no
    other. ``along_m`` is kept within the lane, so ``centre`` is a pose of it.

    Args:
        tile_map: The map.
        pose: x [m], y [m], heading [rad] in the map's frame.

    Returns:
        None where there is no road within a tile's reach.
    """
    return lane_graph(tile_map).nearest(_checked(pose))


def look_ahead(tile_map: TileMap, start: LanePose, distance_m: float, turns: Sequence[str] = TURNS) -> Pose:
    """Pose on the centre line ahead of a lane pose, over as many tiles as needed.

    Args:
        tile_map: The map.
        start: Where to start, from ``lane_pose`` or ``nearest_lane_pose``.
        distance_m: How far, along the centre line [m].
        turns: Which way to go at a crossing, the best first.

    Returns:
        x [m], y [m], heading [rad] in the map's frame. Where the road ends, the last lane is prolonged.
    """
    return lane_graph(tile_map).ahead(start.lane, start.along_m + distance_m, turns)


def centre_line(
    tile_map: TileMap, start: LanePose, length_m: float, step_m: float = 0.05, turns: Sequence[str] = TURNS
) -> np.ndarray:
    """Centre line ahead of a lane pose; see ``look_ahead``.

    Returns:
        poses: (N, 3) float64 [m, m, rad], in the map's frame, every ``step_m`` from 0 to ``length_m``.
    """
    count = math.floor(length_m / step_m + 1e-9) + 1
    return np.array([look_ahead(tile_map, start, k * step_m, turns) for k in range(count)])


def _clamped(lane: Lane, pose: Pose) -> LanePose | None:
    seen = see_from(lane, pose)
    if seen is None or 0.0 <= seen.along_m <= lane.length_m:
        return seen
    along_m = min(max(seen.along_m, 0.0), lane.length_m)
    centre = lane.pose_at(along_m)
    lateral_m = math.cos(centre[2]) * (pose[1] - centre[1]) - math.sin(centre[2]) * (pose[0] - centre[0])
    return LanePose(lane, along_m, lateral_m, wrap_angle(pose[2] - centre[2]), centre)


def _place(pose: Pose) -> tuple[float, ...]:
    x_m, y_m, heading = pose
    values = (x_m, y_m, math.cos(heading), math.sin(heading))
    return tuple(round(value, _PLACES) + 0.0 for value in values)  # + 0.0 turns -0.0 into 0.0


def _checked(pose: Sequence[float] | np.ndarray) -> Pose:
    values = [float(value) for value in pose]
    if len(values) != 3 or not all(map(math.isfinite, values)):
        raise InvalidInput(f"{values} is not a pose: x [m], y [m], heading [rad], all finite.")
    return values[0], values[1], values[2]
