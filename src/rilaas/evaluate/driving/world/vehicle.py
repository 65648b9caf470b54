"""A Duckiebot that drives by itself: along its lane, behind whoever is ahead, and by the rules at crossings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.evaluate.driving.road.actor import GREEN, YELLOW, Actor
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.world.crossing import Crossing, Entries
from rilaas.evaluate.driving.world.driver_model import DriverModel
from rilaas.evaluate.driving.world.presence import FRONT_M, HORIZON_M, REAR_M, Ahead, Presence, look_along
from rilaas.evaluate.driving.world.way import Way

STOP_BEFORE_M = 0.04
"""Where a vehicle stops: its front end so far from the line [m]."""

ROOM_M = 0.1
"""Behind a crossing, vehicles want room for a body and so much more [m]."""

_AT_LINE_M = 0.05  # nearer to its stopping place than this, a slow vehicle has arrived
_SLOW_M_PER_S = 0.02


@dataclass(frozen=True, slots=True)
class NextLine:
    """The next crossing that a way leads over.

    Attributes:
        crossing: Which.
        line: Where the way enters it.
        start_m: Distance of the axle to the line [m].
        end_m: Distance to where the way leaves it [m].
    """

    crossing: Crossing
    line: StopLine
    start_m: float
    end_m: float

    @property
    def stop_m(self) -> float:
        """Distance to where one stops for it [m]; negative behind it."""
        return self.start_m - FRONT_M - STOP_BEFORE_M

    def has_room(self, way: Way, me: Presence, others: Sequence[Presence], spare_m: float = ROOM_M) -> bool:
        """Whether one can leave the crossing wholly, and keep this distance to whoever is ahead."""
        needed_m = self.end_m + REAR_M + spare_m
        if way.reach(needed_m) < needed_m:
            return True  # the road ends there; who goes to its end leaves room for nobody
        return look_along(way, me, others, needed_m).gap_m >= needed_m


def next_line(way: Way, entries: Entries) -> NextLine | None:
    """The next line that the axle has not passed, among the lanes that the way knows."""
    lanes = list(way.starts())
    for k, (start_m, lane) in enumerate(lanes):
        crossing = entries.get(lane.cell)
        if crossing is None or start_m < 1e-9:
            continue
        here = lane.pose_at(0.0)
        line = next((each for each in crossing.lines if math.dist(each.pose, here) < 1e-6), None)
        if line is None:
            continue
        end_m = start_m
        for _, each in lanes[k:]:
            if each.cell not in crossing.cells:
                break
            end_m += each.length_m
        return NextLine(crossing, line, start_m, end_m)
    return None


class Vehicle(Presence):
    """A vehicle of the traffic. Kinematic: it is where its way is.

    Args:
        actor: Its body.
        way: Where it begins, and how it chooses lanes.
        wanted_m_per_s: Its speed on a free road [m/s].
        dwell_s: How long it stands at a red line [s].
        model: How it keeps its distance.
    """

    def __init__(
        self, actor: Actor, way: Way, wanted_m_per_s: float, dwell_s: float, model: DriverModel | None = None
    ) -> None:
        super().__init__(actor, way.pose)
        self._way, self._wanted, self._dwell_s = way, wanted_m_per_s, dwell_s
        self._model = model or DriverModel()
        self._stood_s = 0.0
        self._entered: Crossing | None = None

    def step(self, dt_s: float, others: Sequence[Presence], entries: Entries) -> None:
        """Drive on.

        Args:
            dt_s: How long [s].
            others: Everybody who is there, the robot too.
            entries: The crossings of the map.
        """
        end_m = self._way.reach(HORIZON_M + FRONT_M)
        ahead = look_along(self._way, self, others)
        speed = self.speed_m_per_s
        acceleration = self._model.acceleration(speed, self._wanted, ahead.gap_m, ahead.speed_m_per_s)
        stop_m = min(self._stop_m(dt_s, others, entries), end_m - FRONT_M)
        if stop_m < HORIZON_M:
            stop = Ahead(stop_m + self._model.standstill_m)
            acceleration = min(acceleration, self._model.acceleration(speed, self._wanted, stop.gap_m))
        speed = max(0.0, speed + acceleration * dt_s)
        if stop_m < _AT_LINE_M and speed < _SLOW_M_PER_S:
            speed = 0.0  # it stands, and does not creep
        step_m = min(speed * dt_s, max(0.0, stop_m))
        if step_m > 0.0 and self.may_move(self._way.pose_at(step_m), others):
            self._way.go(step_m)
            self.put(self._way.pose, step_m / dt_s)
        else:
            self.put(self.pose, 0.0)

    def _stop_m(self, dt_s: float, others: Sequence[Presence], entries: Entries) -> float:
        """Distance to where it has to stop for a crossing [m]; inf where it has not."""
        if self._entered is not None and self._way.lanes[0].cell in self._entered.cells:
            self._entered = None
        ahead = next_line(self._way, entries)
        if ahead is None or ahead.stop_m > HORIZON_M or ahead.crossing is self._entered:
            return math.inf
        if ahead.crossing.plan is None:
            goes = self._goes_at_red_line(ahead, dt_s, others)
        else:
            goes = self._goes_at_light(ahead, others)
        return math.inf if goes else max(0.0, ahead.stop_m)

    def _goes_at_light(self, ahead: NextLine, others: Sequence[Presence]) -> bool:
        if ahead.start_m < FRONT_M:
            return True  # its front end is over the line
        light = ahead.crossing.light(ahead.line)
        if light == YELLOW:  # it stops where it can
            return ahead.stop_m < self.speed_m_per_s**2 / (2.0 * self._model.hardest_m_per_s2)
        has_room = ahead.has_room(self._way, self, others)
        return light == GREEN and ahead.crossing.may_enter(self, ahead.line, has_room=has_room)

    def _goes_at_red_line(self, ahead: NextLine, dt_s: float, others: Sequence[Presence]) -> bool:
        if self.speed_m_per_s > _SLOW_M_PER_S or ahead.stop_m > _AT_LINE_M:
            return False
        ahead.crossing.arrive(self)
        self._stood_s += dt_s
        if self._stood_s < self._dwell_s:
            return False
        if not ahead.crossing.may_enter(self, ahead.line, has_room=ahead.has_room(self._way, self, others)):
            return False
        ahead.crossing.enter(self)
        self._entered, self._stood_s = ahead.crossing, 0.0
        return True
