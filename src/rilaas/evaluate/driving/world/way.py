"""The way of somebody who follows lanes: the lanes that come, and how far it is free."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from rilaas.evaluate.driving.road.lane import Lane, Pose
from rilaas.evaluate.driving.road.lane_graph import LaneGraph

Choose = Callable[[Sequence[Lane]], Lane]
"""Which of several lanes to go on with."""


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

    def nearest_m(self, points: Iterable[tuple[float, float]], half_width_m: float, horizon_m: float) -> float:
        """Distance along the way to the first of some points that is on it; inf where none is [m].

        Args:
            points: (x [m], y [m]) in the map's frame.
            half_width_m: How far from the middle of the way counts as on it [m].
            horizon_m: How far ahead to look [m].
        """
        nearest_m = math.inf
        points = list(points)
        for start_m, lane in self.starts():
            if start_m > min(horizon_m, nearest_m):
                break
            for x_m, y_m in points:
                along_m, lateral_m = lane.project(x_m, y_m)
                if 0.0 <= along_m <= lane.length_m and abs(lateral_m) <= half_width_m and start_m + along_m > 0.0:
                    nearest_m = min(nearest_m, start_m + along_m)
        return nearest_m if nearest_m <= horizon_m else math.inf
