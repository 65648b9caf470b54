"""The driver that PilotNet imitates: state feedback on the true lane pose, with the lane's curvature fed forward.

The form is the kinematic path tracker of J. M. Snider, "Automatic Steering Methods for Autonomous Automobile Path
Tracking", CMU-RI-TR-09-08, 2009, section 3. The gains were chosen here, by driving with command delays from 0.15 to
0.35 s: pure pursuit, which is simpler, left the lane from 0.25 s on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rilaas.core import DeadlineExceeded, Prediction, Signature, Tensors, Timing
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.road.lane import LanePose, Pose, wrap_angle
from rilaas.evaluate.driving.world.dynamics import Dynamics
from rilaas.evaluate.driving.world.world import World

_NOMINAL = Dynamics()
_LATERAL_LIMIT_M = 0.1
_HEADING_LIMIT_RAD = 1.2
_SPAN_M = 0.1


@dataclass(frozen=True, slots=True)
class Expert:
    """Steers along the lane, and back to it::

        curvature = curvature of the lane a little ahead - lateral_gain d - heading_gain h
        speed     = cruise / (1 + slowing abs(curvature))

    with d and h the robot's distance to the left of the centre line and its heading relative to it, both limited.
    It looks at the pose alone, not at speeds and commands under way, for the camera does not show these either.

    Attributes:
        lateral_gain: [1/m^2].
        heading_gain: [1/m].
        preview_m: How far ahead the lane's curvature is taken: the way made until the wheels obey [m].
        cruise_m_per_s: Speed on straight road [m/s].
        slowing_m: How much slower in curves [m].
        steering_limit: Largest difference of a wheel from the throttle.
    """

    lateral_gain: float = 12.0
    heading_gain: float = 7.5
    preview_m: float = 0.125
    cruise_m_per_s: float = 0.34
    slowing_m: float = 0.08
    steering_limit: float = 0.5

    def command(self, world: World) -> tuple[float, float] | None:
        """What to do now.

        Returns:
            Throttle and steering: the wheels' mean, and half of right minus left. None where there is no road near.
        """
        lane = world.lanes.nearest(world.pose)
        if lane is None:
            return None
        speed_m_per_s, curvature = self.aim(lane, lambda s_m: world.lanes.ahead(lane.lane, lane.along_m + s_m))
        steering = _NOMINAL.steering_for(curvature * speed_m_per_s)
        limited = max(-self.steering_limit, min(self.steering_limit, steering))
        return _NOMINAL.throttle_for(speed_m_per_s), limited

    def aim(self, lane: LanePose, ahead: Callable[[float], Pose]) -> tuple[float, float]:
        """Speed [m/s] and curvature [1/m], positive to the left, on a free road.

        Args:
            lane: The robot as seen from its lane.
            ahead: The pose on the centre line so far ahead of the robot [m].
        """
        # The lane's curvature is averaged over a short way.
        before, after = (ahead(self.preview_m + s * _SPAN_M)[2] for s in (-0.5, 0.5))
        lateral_m = max(-_LATERAL_LIMIT_M, min(_LATERAL_LIMIT_M, lane.lateral_m))
        heading_rad = max(-_HEADING_LIMIT_RAD, min(_HEADING_LIMIT_RAD, lane.heading_rad))
        curvature = wrap_angle(after - before) / _SPAN_M
        curvature -= self.lateral_gain * lateral_m + self.heading_gain * heading_rad
        return self.cruise_m_per_s / (1.0 + self.slowing_m * abs(curvature)), curvature


class ExpertPolicy:
    """The expert as a policy of one world; it does not look at the image.

    Args:
        world: The world that it drives in, to be given to ``rollout`` as well.
        expert: The driver.
    """

    def __init__(self, world: World, expert: Expert | None = None) -> None:
        self._world = world
        self._expert = expert or Expert()

    @property
    def signature(self) -> Signature:
        """That of every driving policy."""
        return DRIVING_SIGNATURE

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """See ``Policy.predict``. Stands still where there is no road near."""
        start = time.perf_counter()
        self.signature.check_inputs(inputs)
        if deadline_s is not None and deadline_s <= 0.0:
            raise DeadlineExceeded("The deadline had passed before the expert was asked.")
        throttle, steering = self._expert.command(self._world) or (0.0, 0.0)
        wheels = np.clip(np.array([[throttle - steering, throttle + steering]], np.float32), -1.0, 1.0)
        wheels = np.repeat(wheels, len(inputs["image"]), axis=0)
        return Prediction({"wheels": wheels}, Timing(total_s=time.perf_counter() - start))

    def reset(self) -> None:
        """Nothing is remembered."""
