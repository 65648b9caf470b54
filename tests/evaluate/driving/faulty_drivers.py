"""Drivers with known faults. They see the true world, so that nothing but the fault is judged."""

import math
from dataclasses import dataclass, field

import numpy as np

from rilaas.core import Prediction, Timing
from rilaas.evaluate.driving import World
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.objective.leader import find_leader
from rilaas.evaluate.driving.road.actor import ActorTrack
from rilaas.evaluate.driving.road.lane import LanePose
from rilaas.evaluate.driving.road.stop_line import stop_lines
from rilaas.evaluate.driving.world.dynamics import Dynamics

_ROBOT = Dynamics()
_LATERAL_GAIN, _HEADING_GAIN, _PREVIEW_M = 12.0, 7.5, 0.125  # as the expert's
_NEXT_LANE_M = 0.44 * 0.585  # from the middle of a lane to that of the one beside it
_LINE_AHEAD_M = 0.45
_STANDS_M = 0.15  # axle before the line


@dataclass(slots=True)
class Driver:
    """Keeps its lane, its distance and the red lines; each field is a fault.

    Attributes:
        world: Where it drives.
        offset_m: It drives so far to the left of the lane's middle.
        wobble_m: It swings about that by so much, four seconds to and fro.
        gap_m: Axle to axle, what it keeps behind a vehicle that stands.
        headway_s: And so much more at speed.
        stops: Whether it stops at red lines.
        cruise_m_per_s: Its speed on a free road.
        turns_off_s: When it turns off the road.
    """

    world: World
    offset_m: float = 0.0
    wobble_m: float = 0.0
    gap_m: float = 0.4
    headway_s: float = 0.8
    stops: bool = True
    cruise_m_per_s: float = 0.3
    turns_off_s: float = math.inf
    _served: set = field(default_factory=set)
    _rested_s: float = 0.0

    signature = DRIVING_SIGNATURE

    def reset(self):
        self._served, self._rested_s = set(), 0.0

    def predict(self, inputs, *, deadline_s=None):
        wheels = np.clip(np.array([self._command()], np.float32), -1.0, 1.0)
        return Prediction({"wheels": wheels}, Timing(total_s=0.001))

    def _command(self):
        if self.world.t_s >= self.turns_off_s:
            return 0.55, 0.35
        x_m, y_m, heading = self.world.pose
        offset_m = self.offset_m + self.wobble_m * math.sin(0.5 * math.pi * self.world.t_s)
        as_if = x_m + offset_m * math.sin(heading), y_m - offset_m * math.cos(heading), heading
        lane = self.world.lanes.nearest(as_if)
        if lane is None:
            return 0.0, 0.0
        speed = max(0.0, min(self.cruise_m_per_s, self._behind_leader(), self._before_line()))
        steering = _ROBOT.steering_for(self._curvature(lane) * speed)
        throttle = _ROBOT.throttle_for(speed)
        return throttle - steering, throttle + steering

    def _curvature(self, lane: LanePose):
        ahead = [
            self.world.lanes.ahead(lane.lane, lane.along_m + s)[2] for s in (_PREVIEW_M - 0.05, _PREVIEW_M + 0.05)
        ]
        away_m = max(-0.1, min(0.1, lane.lateral_m))
        return math.remainder(ahead[1] - ahead[0], 2 * math.pi) / 0.1 - (
            _LATERAL_GAIN * away_m + _HEADING_GAIN * max(-1.2, min(1.2, lane.heading_rad))
        )

    def _behind_leader(self):
        now = zip(self.world.actors, self.world.snapshot.actors, strict=True)
        others = tuple(ActorTrack(actor, np.array([pose])) for actor, pose in now)
        leader = find_leader(self.world.tile_map, np.array([self.world.pose]), others)
        return (float(leader.distance_m[0]) - self.gap_m) / self.headway_s

    def _before_line(self):
        """Creep up to a line that is ahead, stand for half a second, go."""
        x_m, y_m, heading = self.world.pose
        for line in stop_lines(self.world.tile_map) if self.stops else ():
            to_go_m, left_m = line.see(x_m, y_m)
            faces_it = abs(left_m) <= 0.15 and math.cos(heading - line.pose[2]) > 0.7
            if not (faces_it and 0.0 < to_go_m <= _LINE_AHEAD_M):
                self._served.discard(line)
            elif line not in self._served:
                stands = to_go_m < _STANDS_M + 0.05 and abs(self.world.motion.speed_m_per_s) < 0.01
                self._rested_s = self._rested_s + self.world.scenario.dt_s if stands else 0.0
                if self._rested_s >= 0.5:
                    self._served.add(line)
                wanted = 1.2 * (to_go_m - _STANDS_M)
                return wanted if wanted > 0.015 else 0.0
        return math.inf


FAULTS = {
    "good": {},
    "tailgates": {"gap_m": 0.2, "headway_s": 0.25},
    "oscillates": {"wobble_m": 0.24},
    "ignores stop lines": {"stops": False},
    "stands still": {"cruise_m_per_s": 0.0},
    "drives in the wrong lane": {"offset_m": _NEXT_LANE_M},
    "crashes early": {"turns_off_s": 2.0},
}
"""By what a person would say of the driver."""
