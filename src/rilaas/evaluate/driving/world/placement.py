"""Where everybody begins: places drawn from the seed, clear of the robot and of each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.lane import Lane, Pose
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.stop_line import CROSSINGS
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.world.presence import FRONT_M, REAR_M
from rilaas.evaluate.driving.world.way import Choose, Way

ROBOT_CLEARANCE_M = 0.4
CLEARANCE_M = 0.3
"""Least distances from the robot's start and from each other [m]. Source: duckietown-world 6.4.3, the AI-DO 2020
scenarios' duckies."""

MAX_DRAWS = 1000

_BESIDE_M = 0.045  # beyond the lane's edge: the middle of the strip between it and the tile's border
_EDGE_M = 0.015  # a cone reaches 15 mm into the lane, and a robot in its middle passes at 30 mm
_LEADING_FROM_M, _LEADING_TO_M = 0.45, 1.0
_SPARE_M = 0.06


@dataclass(slots=True)
class Placement:
    """Draws places on a map, one after the other.

    Attributes:
        tile_map: The map.
        robot: Where the robot starts.
        rng: Source of chance.
        taken: Places that were given away, as (x, y) [m].
    """

    tile_map: TileMap
    robot: Pose
    rng: np.random.Generator
    taken: list[tuple[float, float]] = field(default_factory=list)

    def vehicle(self, choose: Choose) -> Way:
        """Somewhere on a lane, wholly outside of crossings.

        Raises:
            InvalidInput: There is no room left.
        """
        lanes = [lane for lane in lane_graph(self.tile_map).lanes if not self._is_crossing(lane)]
        for _ in range(MAX_DRAWS):
            lane, along_m = self._point(lanes)
            if self._fits(lane, along_m) and self._take(lane.pose_at(along_m)):
                return Way(lane_graph(self.tile_map), lane, along_m, choose)
        raise self._full("a vehicle")

    def leading_vehicle(self, number: int, choose: Choose) -> Way:
        """Ahead of the robot in its own lane; one with a higher number is farther ahead.

        Raises:
            InvalidInput: There is no room left.
        """
        seen = lane_graph(self.tile_map).nearest(self.robot)
        for draw in range(MAX_DRAWS if seen is not None else 0):
            assert seen is not None
            way = Way(lane_graph(self.tile_map), seen.lane, max(0.0, seen.along_m), choose)
            way.go(self.rng.uniform(_LEADING_FROM_M, _LEADING_TO_M + 0.5 * number + 0.01 * draw))
            lane = way.lanes[0]
            if not self._is_crossing(lane) and self._fits(lane, way.along_m) and self._take(way.pose):
                return way
        raise self._full("a vehicle ahead of the robot")

    def thing(self, place: str) -> Pose:
        """On a straight tile: ``beside`` the lane, on its ``edge`` or in its middle (``lane``).

        Its heading is the lane's.

        Raises:
            InvalidInput: There is no room left.
        """
        for _ in range(MAX_DRAWS):
            lane, along_m = self._point(self._straights())
            if place != "beside":  # not where one comes out of a curve
                along_m = (1.0 + along_m / lane.length_m) / 3.0 * lane.length_m
            offset_m = {"beside": -lane.half_width_m - _BESIDE_M, "edge": -lane.half_width_m - _EDGE_M, "lane": 0.0}
            pose = _aside(lane.pose_at(along_m), offset_m[place])
            if self._take(pose):
                return pose
        raise self._full(f"a thing with place = {place!r}")

    def way_across(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Two places beside a straight piece of road, opposite each other, as (x, y) [m].

        Raises:
            InvalidInput: There is no room left.
        """
        for _ in range(MAX_DRAWS):
            lane, along_m = self._point(self._straights())
            x_m, y_m, heading = _aside(lane.pose_at(along_m), -lane.half_width_m - _BESIDE_M)
            middle_x_m, middle_y_m = ((cell + 0.5) * self.tile_map.tile_size_m for cell in lane.cell)
            half_m = (middle_y_m - y_m) * math.cos(heading) - (middle_x_m - x_m) * math.sin(heading)
            there = _aside((x_m, y_m, heading), 2.0 * half_m)[:2]
            if self._is_free(there) and self._take((x_m, y_m)):
                self.taken.append(there)
                return (x_m, y_m), there
        raise self._full("a duckie that crosses")

    def _point(self, lanes: list[Lane]) -> tuple[Lane, float]:
        """A point of some lanes, uniform over their length."""
        if not lanes:
            raise self._full("anybody")
        lengths = np.array([lane.length_m for lane in lanes])
        lane = lanes[int(self.rng.choice(len(lanes), p=lengths / lengths.sum()))]
        return lane, float(self.rng.uniform(0.0, lane.length_m))

    def _straights(self) -> list[Lane]:
        lanes = lane_graph(self.tile_map).lanes
        return [lane for lane in lanes if self.tile_map.tile(*lane.cell).kind == "straight"]

    def _is_crossing(self, lane: Lane) -> bool:
        return self.tile_map.tile(*lane.cell).kind in CROSSINGS

    def _fits(self, lane: Lane, along_m: float) -> bool:
        """Whether a Duckiebot there keeps to its tile where a crossing is beside it."""
        graph = lane_graph(self.tile_map)
        after = any(self._is_crossing(each) for each in graph.successors(lane))
        before = any(self._is_crossing(each) and lane in graph.successors(each) for each in graph.lanes)
        is_clear_ahead = not after or lane.length_m - along_m >= FRONT_M + _SPARE_M
        return is_clear_ahead and (not before or along_m >= REAR_M + _SPARE_M)

    def _is_free(self, place: tuple[float, ...]) -> bool:
        return math.dist(place[:2], self.robot[:2]) >= ROBOT_CLEARANCE_M and all(
            math.dist(place[:2], other) >= CLEARANCE_M for other in self.taken
        )

    def _take(self, place: tuple[float, ...]) -> bool:
        if not self._is_free(place):
            return False
        self.taken.append((place[0], place[1]))
        return True

    def _full(self, what: str) -> InvalidInput:
        return InvalidInput(
            f"There is no room for {what} on map {self.tile_map.name!r}, beside {len(self.taken)} others.",
            f"Everybody is {CLEARANCE_M:g} m from everybody else: ask for fewer, or take a larger map.",
        )


def _aside(pose: Pose, left_m: float) -> Pose:
    x_m, y_m, heading = pose
    return x_m - math.sin(heading) * left_m, y_m + math.cos(heading) * left_m, heading
