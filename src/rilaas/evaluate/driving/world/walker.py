"""A duckie that crosses the road, again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.scenario.surroundings import Duckies
from rilaas.evaluate.driving.world.presence import Presence
from rilaas.evaluate.driving.world.way import Claim

WARNING_S = 2.5
"""Who drives keeps free also of where a walking duckie will be in this time [s]."""

REACTION_S = 1.0
BRAKING_M_PER_S2 = 0.35
NEAR_M = 0.3
"""A duckie sets out when all are farther from its way than this and what it takes them to react and brake [m]."""

_PATIENCE_S = 3.0  # so long it stands before somebody in its way, then it turns back
_STANDS_M_PER_S = 0.02
_STEP_M = 0.05


class Walker(Presence):
    """A duckie between two places beside the road.

    It stands for a time, looks, and crosses. It never walks into anybody: it stands before who is in its way, and
    turns back when that lasts.

    Args:
        actor: Its body.
        here: Where it stands at the beginning, as (x, y) in the map's frame [m].
        there: Where it goes.
        duckies: How fast, and how long the pauses are.
        draw: Gives the next pause's share of its range, from 0 to 1.
    """

    def __init__(
        self,
        actor: Actor,
        here: tuple[float, float],
        there: tuple[float, float],
        duckies: Duckies,
        draw: Callable[[], float],
    ) -> None:
        self._ends = (here, there)
        self._length_m = math.dist(here, there)
        self._duckies, self._draw = duckies, draw
        self._done_m = 0.0
        self._is_walking = False
        self._blocked_s = 0.0
        self._pause_s = self._next_pause_s()
        super().__init__(actor, self._pose_at(0.0))

    def step(self, dt_s: float, others: Sequence[Presence]) -> None:
        """Stand or walk on.

        Args:
            dt_s: How long [s].
            others: Everybody who is there, the robot too.
        """
        if not self._is_walking:
            self._pause_s -= dt_s
            self._is_walking = self._pause_s <= 0.0 and self._sees_clear_road(others)
            self._blocked_s = 0.0
            return
        done_m = min(self._length_m, self._done_m + self._duckies.speed_m_per_s * dt_s)
        pose = self._pose_at(done_m)
        if not self.may_move(pose, others):
            self._blocked_s += dt_s
            self.put(self.pose, 0.0)
            if self._blocked_s > _PATIENCE_S:
                self._turn(self._length_m - self._done_m)
            return
        self._done_m, self._blocked_s = done_m, 0.0
        self.put(pose, self._duckies.speed_m_per_s)
        if done_m >= self._length_m:
            self._is_walking = False
            self._pause_s = self._next_pause_s()
            self._turn(0.0)

    def _make_claim(self) -> Claim:
        """While it walks, also where it will be soon."""
        body = super()._make_claim()
        if self.speed_m_per_s <= 0.0:
            return body
        reach_m = min(self._duckies.speed_m_per_s * WARNING_S, self._length_m - self._done_m)
        count = math.ceil(reach_m / _STEP_M)
        soon = [self._pose_at(self._done_m + reach_m * k / count)[:2] for k in range(1, count + 1)]
        return Claim(body.x_m, body.y_m, body.radius_m + reach_m, (*body.points, *soon))

    def _turn(self, done_m: float) -> None:
        self._ends = (self._ends[1], self._ends[0])
        self._done_m, self._blocked_s = done_m, 0.0
        self.put(self._pose_at(done_m), 0.0)

    def _sees_clear_road(self, others: Sequence[Presence]) -> bool:
        for other in others:
            speed = abs(other.speed_m_per_s)
            if other is self or other.actor.kind != "vehicle":
                continue
            needed_m = NEAR_M
            if speed > _STANDS_M_PER_S:
                needed_m += speed * REACTION_S + speed**2 / (2.0 * BRAKING_M_PER_S2)
            if self._away_m(other.pose) < needed_m:
                return False
        return True

    def _away_m(self, pose: Pose) -> float:
        """Distance of a place to its way [m]."""
        (x0, y0), (x1, y1) = self._ends
        along_m = ((pose[0] - x0) * (x1 - x0) + (pose[1] - y0) * (y1 - y0)) / self._length_m
        x, y, _ = self._pose_at(min(max(along_m, 0.0), self._length_m))
        return math.hypot(pose[0] - x, pose[1] - y)

    def _pose_at(self, done_m: float) -> Pose:
        (x0, y0), (x1, y1) = self._ends
        share = done_m / self._length_m
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0), math.atan2(y1 - y0, x1 - x0)

    def _next_pause_s(self) -> float:
        duckies = self._duckies
        return duckies.pause_min_s + self._draw() * (duckies.pause_max_s - duckies.pause_min_s)
