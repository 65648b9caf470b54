"""The way of somebody who follows lanes: the lanes that come, and how far it is free."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rilaas.evaluate.driving.road.lane import Lane, Pose
from rilaas.evaluate.driving.road.lane_graph import LaneGraph

Choose = Callable[[Sequence[Lane]], Lane]
"""Which of several lanes to go on with."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody takes of the road.

    Attributes:
        x_m: Middle of a circle that holds all of it, in the map's frame [m].
        y_m: [m].
        radius_m: Of the circle [m].
        points: (x [m], y [m]) all over it.
    """

    x_m: float
    y_m: float
    radius_m: float
    points: Sequence[tuple[float, float]]


class Way:
    """A place on a lane, and the lanes that follow, chosen as they are needed.

    Args:
        graph: The lanes of the map.
        lane: Where it begins.
        along_m: Distance from the lane's start [m].
        choose: Decides at crossings.
    """

    def __init__(self, graph: LaneGraph, lane: Lane, along_m: float, choose: Choose) -> None:
        self._graph, self._choose = graph, choose
        self.lanes: deque[Lane] = deque([lane])
        self.along_m = along_m

    @property
    def pose(self) -> Pose:
        """Where it is now: x [m], y [m], heading [rad], in the map's frame."""
        return self.lanes[0].pose_at(self.along_m)

    def pose_at(self, ahead_m: float) -> Pose:
        """Where it will be so far on; the last lane known goes on straight or in its circle."""
        left_m = self.along_m + ahead_m
        for lane in self.lanes:
            if left_m < lane.length_m or lane is self.lanes[-1]:
                break
            left_m -= lane.length_m
        return lane.pose_at(left_m)

    def reach(self, ahead_m: float) -> float:
        """Choose lanes as far as this; how far the way goes in all, which is less where the road ends [m]."""
        known_m = sum(lane.length_m for lane in self.lanes) - self.along_m
        while known_m < ahead_m:
            following = self._graph.successors(self.lanes[-1])
            if not following:
                break
            lane = following[0] if len(following) == 1 else self._choose(following)
            self.lanes.append(lane)
            known_m += lane.length_m
        return known_m

    def go(self, step_m: float) -> None:
        """Go on, at most to the road's end."""
        step_m = min(step_m, self.reach(step_m + 0.01))
        self.along_m += step_m
        while self.along_m >= self.lanes[0].length_m and len(self.lanes) > 1:
            self.along_m -= self.lanes.popleft().length_m

    def starts(self) -> Iterable[tuple[float, Lane]]:
        """Every lane with the distance yet to go to its start [m], negative for the present one."""
        start_m = -self.along_m
        for lane in self.lanes:
            yield start_m, lane
            start_m += lane.length_m

    def find(self, x_m: float, y_m: float, reach_m: float) -> float:
        """Move the place to where a point is abeam, at most ``reach_m`` from here; its distance from the way [m].

        It stays where it is, and the distance is inf, where no lane known sees the point.
        """
        best_m, best = math.inf, None
        for start_m, lane in self.starts():
            along_m, lateral_m = lane.project(x_m, y_m)
            if -1e-6 <= along_m <= lane.length_m and abs(start_m + along_m) <= reach_m and abs(lateral_m) < best_m:
                best_m, best = abs(lateral_m), (lane, along_m)
        if best is not None:
            while self.lanes[0] is not best[0]:
                self.lanes.popleft()
            self.along_m = best[1]
        return best_m

    def nearest_m(self, claim: Claim, half_width_m: float, horizon_m: float) -> float:
        """Distance along the way to the first point of a claim that is on it; inf where none is [m].

        Args:
            claim: What may be in the way.
            half_width_m: How far from the middle of the way counts as on it [m].
            horizon_m: How far ahead to look [m].
        """
        nearest_m = math.inf
        reach_m = claim.radius_m + half_width_m
        for start_m, lane in self.starts():
            if start_m > min(horizon_m, nearest_m):
                break
            if _is_far(lane, claim, reach_m, -start_m):
                continue
            for x_m, y_m in claim.points:
                along_m, lateral_m = lane.project(x_m, y_m)
                if 0.0 <= along_m <= lane.length_m and abs(lateral_m) <= half_width_m and start_m + along_m > 0.0:
                    nearest_m = min(nearest_m, start_m + along_m)
        return nearest_m if nearest_m <= horizon_m else math.inf


def _is_far(lane: Lane, claim: Claim, reach_m: float, from_m: float) -> bool:
    """Whether no point of a claim can be on a lane after ``from_m``; cheap, and False where it is not sure."""
    if len(lane.pieces) == 1:  # a straight one: the distance to its line is exact
        along_m, lateral_m = lane.pieces[0].project(claim.x_m, claim.y_m)
        return abs(lateral_m) > reach_m or not max(0.0, from_m) - reach_m <= along_m <= lane.length_m + reach_m
    x_m, y_m, _ = _middle(lane)
    return math.hypot(claim.x_m - x_m, claim.y_m - y_m) > 0.5 * lane.length_m + reach_m


@lru_cache(maxsize=4096)
def _middle(lane: Lane) -> Pose:
    return lane.pose_at(0.5 * lane.length_m)
