"""Where a lane enters a crossing: the red line, and the light that may stand there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.tile_map import TileMap

CROSSINGS = ("3way_left", "3way_right", "4way")
"""Tile kinds with a red line where each road enters."""


@dataclass(frozen=True, slots=True)
class StopLine:
    """A red line across one lane.

    Attributes:
        pose: Middle of the lane where the red begins, which is the border of the crossing's tile, heading the way
            that the lane goes; in the map's frame.
        half_width_m: Half the width of the lane [m].
        cell: Column and row of the crossing's tile.
    """

    pose: Pose
    half_width_m: float
    cell: tuple[int, int]

    def see(self, x_m: float, y_m: float) -> tuple[float, float]:
        """A point as seen from the line.

        Returns:
            Distance yet to go to the line, negative behind it, and distance to the left of the lane's middle [m].
        """
        cos, sin = math.cos(self.pose[2]), math.sin(self.pose[2])
        dx, dy = x_m - self.pose[0], y_m - self.pose[1]
        return -(cos * dx + sin * dy), cos * dy - sin * dx


@lru_cache(maxsize=64)
def stop_lines(tile_map: TileMap) -> tuple[StopLine, ...]:
    """Every stop line of a map, tile by tile."""
    lines: dict[tuple[float, ...], StopLine] = {}
    for lane in lane_graph(tile_map).lanes:
        if tile_map.tile(*lane.cell).kind in CROSSINGS:
            pose = lane.pose_at(0.0)
            place = tuple(round(value, 6) for value in pose)
            lines.setdefault(place, StopLine(pose, lane.half_width_m, lane.cell))
    return tuple(lines.values())
