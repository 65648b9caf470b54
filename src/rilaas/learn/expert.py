"""The driver that PilotNet imitates: pure pursuit on the true centre line.

Source: R. C. Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", CMU-RI-TR-92-01, 1992.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from rilaas.core import DeadlineExceeded, Prediction, Signature, Tensors, Timing
from rilaas.evaluate.driving.dynamics import Dynamics
from rilaas.evaluate.driving.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.world import World

_NOMINAL = Dynamics()


@dataclass(frozen=True, slots=True)
class Expert:
    """Steers at a point of the centre line ahead, on the circle that leads there::

        curvature = 2 sin(bearing) / distance
        speed     = cruise / (1 + slowing abs(curvature))

    It looks at the pose alone, not at speeds and commands under way, for the camera does not show these either.

    Attributes:
        look_ahead_m: How far ahead that point lies [m].
        cruise_m_per_s: Speed on straight road [m/s].
        slowing_m: How much slower in curves [m].
        steering_limit: Largest difference of a wheel from the throttle.
    """

    look_ahead_m: float = 0.3
    cruise_m_per_s: float = 0.34
    slowing_m: float = 0.05
    steering_limit: float = 0.5

    def command(self, world: World) -> tuple[float, float] | None:
        """What to do now.

        Returns:
            Throttle and steering: the wheels' mean, and half of right minus left. None where there is no road near.
        """
        pose = world.pose
        lane = world.lanes.nearest(pose)
        if lane is None:
            return None
        target = world.lanes.ahead(lane.lane, lane.along_m + self.look_ahead_m)
        dx, dy = target[0] - pose[0], target[1] - pose[1]
        bearing = math.atan2(dy, dx) - pose[2]
        curvature = 2.0 * math.sin(bearing) / max(0.5 * self.look_ahead_m, math.hypot(dx, dy))
        if math.cos(bearing) < 0.0:  # the point is behind: turn around as tightly as allowed
            curvature = math.copysign(4.0 / self.look_ahead_m, curvature)
        speed_m_per_s = self.cruise_m_per_s / (1.0 + self.slowing_m * abs(curvature))
        steering = _NOMINAL.steering_for(curvature * speed_m_per_s)
        limited = max(-self.steering_limit, min(self.steering_limit, steering))
        return _NOMINAL.throttle_for(speed_m_per_s), limited


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
