"""A driver that sees all: it keeps its lane, its distance and the law among others. For tests and as a measure.

Steering is the expert's. Speed is the Intelligent Driver Model's (``driver_model``), behind whoever is ahead on its
way, and behind the place where it has to stop. The wheels are given what the nominal robot needs for that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rilaas.core import DeadlineExceeded, Prediction, Signature, Tensors, Timing
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, GREEN, YELLOW
from rilaas.evaluate.driving.road.lane import Lane, see_from
from rilaas.evaluate.driving.road.lane_graph import TURNS
from rilaas.evaluate.driving.world.crossing import Crossing, by_cell, crossings
from rilaas.evaluate.driving.world.driver_model import DriverModel
from rilaas.evaluate.driving.world.dynamics import Dynamics
from rilaas.evaluate.driving.world.presence import FRONT_M, HORIZON_M, Presence, look_along
from rilaas.evaluate.driving.world.town import Town
from rilaas.evaluate.driving.world.vehicle import STOP_BEFORE_M, NextLine, next_line
from rilaas.evaluate.driving.world.way import Way
from rilaas.evaluate.driving.world.world import World
from rilaas.learn.expert import Expert

_NOMINAL = Dynamics()
_LOST_M = 0.2  # farther than this from its way, it looks for another one
_SEARCH_M = 0.5
_RESTS_M_PER_S = 0.02
_AT_LINE_M = 0.1
_BRAKING_M_PER_S2 = 1.0  # without power the robot slows down by 5 v


@dataclass(frozen=True, slots=True)
class TownExpert:
    """How it drives.

    Attributes:
        expert: Steers, and says how fast on a free road.
        model: Keeps the distance; its gap when standing keeps the axles farther apart than the safety distance.
        dwell_s: How long it stands at a red line [s].
        turns: Which way it goes at a crossing, the best first.
    """

    expert: Expert = field(default_factory=Expert)
    model: DriverModel = field(
        default_factory=lambda: DriverModel(headway_s=0.9, standstill_m=0.22, braking_m_per_s2=0.4)
    )
    dwell_s: float = 0.6
    turns: tuple[str, ...] = TURNS


class TownExpertPolicy:
    """The town expert as a policy of one world; it does not look at the image.

    Args:
        world: The world that it drives in, to be given to ``rollout`` as well.
        driver: How it drives.
    """

    def __init__(self, world: World, driver: TownExpert | None = None) -> None:
        self._world = world
        self._driver = driver or TownExpert()
        self.reset()

    @property
    def signature(self) -> Signature:
        """That of every driving policy."""
        return DRIVING_SIGNATURE

    def reset(self) -> None:
        """Forget its way."""
        self._way: Way | None = None
        self._rested_s, self._seen_s = 0.0, 0.0
        self._going: Crossing | None = None
        self._town: Town | None = None
        self._entries = by_cell(crossings(self._world.tile_map))

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """See ``Policy.predict``. Stands still where there is no road near."""
        start = time.perf_counter()
        self.signature.check_inputs(inputs)
        if deadline_s is not None and deadline_s <= 0.0:
            raise DeadlineExceeded("The deadline had passed before the expert was asked.")
        throttle, steering = self.command()
        wheels = np.clip(np.array([[throttle - steering, throttle + steering]], np.float32), -1.0, 1.0)
        wheels = np.repeat(wheels, len(inputs["image"]), axis=0)
        return Prediction({"wheels": wheels}, Timing(total_s=time.perf_counter() - start))

    def command(self) -> tuple[float, float]:
        """What to do now: throttle and steering, the wheels' mean and half of right minus left."""
        world, driver = self._world, self._driver
        if world.town is not None and world.town is not self._town:
            self._town, self._entries = world.town, by_cell(world.town.crossings)
        way = self._find_way()
        lane = None if way is None else see_from(way.lanes[0], world.pose)
        if way is None or lane is None:
            return 0.0, 0.0
        free_m_per_s, curvature = driver.expert.aim(lane, way.pose_at)
        speed = max(0.0, world.motion.speed_m_per_s)
        ahead = look_along(way, self._me, self._others)
        acceleration = driver.model.acceleration(speed, free_m_per_s, ahead.gap_m, ahead.speed_m_per_s)
        stop_m = self._stop_m(way, speed)
        if stop_m < HORIZON_M:
            gap_m = max(1e-3, stop_m + driver.model.standstill_m)
            acceleration = min(acceleration, driver.model.acceleration(speed, free_m_per_s, gap_m))
        throttle = max(0.0, (acceleration + _NOMINAL.drag_v * speed) / (2.0 * _NOMINAL.gain_v))
        if acceleration <= 0.0 and speed < _RESTS_M_PER_S:
            throttle = 0.0  # it stands, and does not creep
        steering = _NOMINAL.steering_for(curvature * max(speed, _NOMINAL.steady_speed_m_per_s((throttle, throttle))))
        limit = driver.expert.steering_limit
        return throttle, max(-limit, min(limit, steering))

    @property
    def _me(self) -> Presence:
        return Presence(DUCKIEBOT, self._world.pose) if self._town is None else self._town.robot

    @property
    def _others(self) -> Sequence[Presence]:
        return () if self._town is None else self._town.others

    def _find_way(self) -> Way | None:
        """Its way, from where it is now; a new one where it is far from the one that it had."""
        world = self._world
        x_m, y_m, _ = world.pose
        if self._way is not None:
            self._way.reach(HORIZON_M + FRONT_M)
            if self._way.find(x_m, y_m, _SEARCH_M) <= _LOST_M:
                self._way.reach(HORIZON_M + FRONT_M)
                return self._way
        seen = world.lanes.nearest(world.pose)
        if seen is None:
            return None
        self._way = Way(world.lanes, seen.lane, max(0.0, seen.along_m), self._choose)
        self._way.reach(HORIZON_M + FRONT_M)
        return self._way

    def _choose(self, lanes: Sequence[Lane]) -> Lane:
        return min(lanes, key=lambda lane: self._driver.turns.index(lane.turn))

    def _stop_m(self, way: Way, speed: float) -> float:
        """Distance to where it has to stop for a crossing [m]; inf where it has not."""
        passed_s, self._seen_s = max(0.0, self._world.t_s - self._seen_s), self._world.t_s
        if self._going is not None and way.lanes[0].cell in self._going.cells:
            self._going = None
        ahead = next_line(way, self._entries)
        if ahead is None or ahead.stop_m > HORIZON_M or ahead.crossing is self._going:
            self._rested_s = 0.0
            return math.inf
        if ahead.crossing.plan is not None:
            goes = self._goes_at_light(ahead, way, speed)
        else:
            is_resting = speed < _RESTS_M_PER_S and ahead.stop_m < _AT_LINE_M
            self._rested_s = self._rested_s + passed_s if is_resting else 0.0
            goes = self._rested_s >= self._driver.dwell_s and self._may_enter(ahead, way)
        if goes:
            self._going = ahead.crossing
        return math.inf if goes else ahead.stop_m

    def _goes_at_light(self, ahead: NextLine, way: Way, speed: float) -> bool:
        if ahead.start_m < FRONT_M:
            return True  # its front end is over the line
        light = ahead.crossing.light(ahead.line)
        braking_m = speed**2 / (2.0 * _BRAKING_M_PER_S2) + speed * self._world.scenario.command_delay_s
        if light == GREEN:
            return ahead.stop_m < braking_m + _AT_LINE_M and self._may_enter(ahead, way)
        return light == YELLOW and ahead.stop_m < braking_m - STOP_BEFORE_M

    def _may_enter(self, ahead: NextLine, way: Way) -> bool:
        if self._town is None:
            return True
        has_room = ahead.has_room(way, self._me, self._others, self._driver.model.standstill_m)
        return ahead.crossing.may_enter(self._me, ahead.line, has_room=has_room)
