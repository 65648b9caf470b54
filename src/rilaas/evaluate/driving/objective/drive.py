"""The record of a drive: all that a metric may look at, and what several metrics need of it, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.objective.leader import Leader, find_leader
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor, ActorTrack, SignalTrack
from rilaas.evaluate.driving.road.footprint import gaps_m
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.lane_track import LaneTrack, track_lanes
from rilaas.evaluate.driving.road.tile_map import TileMap

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Drive:
    """A trajectory with everybody else's on the same stamps. Sums are left Riemann sums, as in the anchor.

    Attributes:
        tile_map: The road.
        t_s: (N,) float64 [s], strictly rising; N >= 1.
        poses: (N, 3) float64 [m, m, rad], in the map's frame.
        planned_s: How long it was to last [s].
        failed: Whether the robot ended it before its time.
        task: One of ``scenario.scenario.TASKS``.
        target_speed_m_per_s: Makes the route's length from ``planned_s``.
        commands: (N, 2) float64 duty cycles (left, right) from each stamp on; None where nobody knows.
        answered_s: (M,) float64 [s] when answers came into force; None where nobody knows.
        actors: Who else was there.
        signals: What the lights showed.
        body: The robot's.
    """

    tile_map: TileMap
    t_s: Floats
    poses: Floats
    planned_s: float
    failed: bool = False
    task: str = "LF"
    target_speed_m_per_s: float = 0.3
    commands: Floats | None = None
    answered_s: Floats | None = None
    actors: tuple[ActorTrack, ...] = ()
    signals: tuple[SignalTrack, ...] = ()
    body: Actor = DUCKIEBOT

    @cached_property
    def dt_s(self) -> Floats:
        """(N - 1,) [s] from each stamp to the next."""
        return np.diff(self.t_s)

    @cached_property
    def survival_s(self) -> float:
        """How long it lasted [s]."""
        return float(self.dt_s.sum())

    @cached_property
    def missing_s(self) -> float:
        """What is missing to its planned length because the robot failed [s]; 0 where it did not."""
        return max(0.0, self.planned_s - self.survival_s) if self.failed else 0.0

    @cached_property
    def track(self) -> LaneTrack:
        """The trajectory as seen from the lanes."""
        return track_lanes(self.tile_map, self.poses)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """(N, 2) column and row of the tile under each pose, -1 twice off the map; see ``TileMap.cell_at``."""
        size = np.array([self.tile_map.width, self.tile_map.height])
        extent_m = size * self.tile_map.tile_size_m
        places = self.poses[:, :2]
        inside: NDArray[np.bool_] = np.all((places >= 0.0) & (places <= extent_m), axis=1)
        cells = np.floor(np.where(inside[:, None], places, 0.0) / self.tile_map.tile_size_m).astype(np.int64)
        return np.asarray(np.where(inside[:, None], np.minimum(cells, size - 1), -1))

    @cached_property
    def on_road(self) -> NDArray[np.bool_]:
        """(N,) whether the axle's middle is on a tile with lanes."""
        road = np.zeros((self.tile_map.width + 1, self.tile_map.height + 1), bool)  # -1, off the map, is the last
        for i, j, tile in self.tile_map.cells():
            road[i, j] = tile.is_road
        return np.asarray(road[self.cells[:, 0], self.cells[:, 1]])

    @cached_property
    def leader(self) -> Leader:
        """Who was ahead in the same lane."""
        return find_leader(self.tile_map, self.poses, self.actors)

    @cached_property
    def speed_m_per_s(self) -> Floats:
        """(N - 1,) speed along the heading from each stamp to the next, negative in reverse [m/s].

        From the chord: its component along the mean heading, over the time.
        """
        step = np.diff(self.poses[:, :2], axis=0)
        turn = self.rate_rad_per_s * self.dt_s
        middle = self.poses[:-1, 2] + 0.5 * turn
        return np.asarray((np.cos(middle) * step[:, 0] + np.sin(middle) * step[:, 1]) / self.dt_s)

    @cached_property
    def rate_rad_per_s(self) -> Floats:
        """(N - 1,) turning rate from each stamp to the next [rad/s]."""
        turn = np.diff(self.poses[:, 2])
        return np.asarray(np.arctan2(np.sin(turn), np.cos(turn)) / self.dt_s)

    @cached_property
    def gaps_m(self) -> tuple[Floats, ...]:
        """For each actor, (N,) distance between the bodies [m]; 0 where they touch."""
        return tuple(gaps_m(self.body, self.poses, each.actor, each.poses) for each in self.actors)

    def pose_at(self, index: int) -> Pose:
        """Pose at a stamp: x [m], y [m], heading [rad]."""
        x_m, y_m, heading_rad = self.poses[index].tolist()
        return x_m, y_m, heading_rad

    @cached_property
    def route_m(self) -> float:
        """The way that the target speed would make in the planned time [m]."""
        return self.planned_s * self.target_speed_m_per_s
