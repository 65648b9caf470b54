"""The Duckiebot DB18's dynamics: two wheels with duty cycles, first-order speeds, and a command delay.

Source: duckietown-world 6.4.3, pwm_dynamics.py, get_DB18_nominal (Ercan et al., "A new control-oriented model of the
Duckiebot").
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.scenario.scenario import MAX_DELAY_S

Wheels = tuple[float, float]
"""Duty cycles (left, right) in [-1, 1]."""

PHYSICS_DT_S = 0.001
"""Time step of the simulator's physics [s]: latencies of a millisecond count."""


@dataclass(frozen=True, slots=True)
class Dynamics:
    """Parameters of the model::

        v' = -drag_v v + gain_v (u_right + u_left)
        w' = -drag_w w + gain_w (u_right - u_left)

    Attributes:
        drag_v: Linear drag [1/s].
        drag_w: Angular drag [1/s].
        gain_v: Linear gain [m/s^2].
        gain_w: Angular gain [rad/s^2].
        left_gain: Factor on the left wheel's duty cycle; 1 is a calibrated robot.
        right_gain: Factor on the right wheel's.
    """

    drag_v: float = 5.0
    drag_w: float = 4.0
    gain_v: float = 1.5
    gain_w: float = 15.0
    left_gain: float = 1.0
    right_gain: float = 1.0

    def steady_speed_m_per_s(self, wheels: Wheels) -> float:
        """Speed after a long time with constant wheels [m/s]."""
        return self.gain_v / self.drag_v * (wheels[0] + wheels[1])

    def throttle_for(self, speed_m_per_s: float) -> float:
        """Mean duty cycle of both wheels that holds a speed [m/s]."""
        return speed_m_per_s * self.drag_v / (2.0 * self.gain_v)

    def steering_for(self, rate_rad_per_s: float) -> float:
        """Half the difference of the wheels (right minus left) that holds a turning rate [rad/s]."""
        return rate_rad_per_s * self.drag_w / (2.0 * self.gain_w)


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the robot's axle centre is and how it moves, in the map's frame.

    Attributes:
        x_m: Position to the right [m].
        y_m: Position up [m].
        heading_rad: Counter-clockwise from x [rad], not wrapped.
        speed_m_per_s: Along the heading [m/s].
        rate_rad_per_s: Turning rate [rad/s].
    """

    x_m: float = 0.0
    y_m: float = 0.0
    heading_rad: float = 0.0
    speed_m_per_s: float = 0.0
    rate_rad_per_s: float = 0.0

    @property
    def pose(self) -> tuple[float, float, float]:
        """(x [m], y [m], heading [rad])."""
        return self.x_m, self.y_m, self.heading_rad


def advance(motion: Motion, wheels: Iterable[Wheels], dt_s: float, dynamics: Dynamics) -> Motion:
    """Move through a series of steps.

    Each step is an explicit Euler step of the speeds, then the pose follows the SE(2) exponential (an arc) with the
    NEW speeds, as in the source.

    Args:
        motion: Where to begin.
        wheels: Duty cycles that act during each step; values beyond [-1, 1] are clipped.
        dt_s: Length of a step [s].
        dynamics: The robot.
    """
    x, y, heading = motion.x_m, motion.y_m, motion.heading_rad
    v, w = motion.speed_m_per_s, motion.rate_rad_per_s
    keep_v, keep_w = 1.0 - dynamics.drag_v * dt_s, 1.0 - dynamics.drag_w * dt_s
    push_v, push_w = dynamics.gain_v * dt_s, dynamics.gain_w * dt_s
    before: Wheels | None = None
    faster = turning = 0.0
    for acting in wheels:
        if acting is not before:  # most often it is the same one for many steps
            before = acting
            left = dynamics.left_gain * max(-1.0, min(1.0, acting[0]))
            right = dynamics.right_gain * max(-1.0, min(1.0, acting[1]))
            faster, turning = push_v * (right + left), push_w * (right - left)
        v = keep_v * v + faster
        w = keep_w * w + turning
        turn = w * dt_s
        # The arc's chord points along the mean heading; its length is the arc's times sin(turn/2) / (turn/2).
        middle = heading + 0.5 * turn
        chord = v * dt_s * (math.sin(0.5 * turn) / (0.5 * turn) if abs(turn) > 1e-6 else 1.0 - turn * turn / 24.0)
        x += chord * math.cos(middle)
        y += chord * math.sin(middle)
        heading += turn
    return Motion(x, y, heading, v, w)


class DelayLine:
    """Commands reach the wheels late: at the end of a step, the stored command nearest to ``delay_s`` ago acts.

    A command is stored at the beginning of its step, so with steps of ``dt_s`` it acts
    ``round(delay_s / dt_s) - 1`` steps later (2 steps for 0.15 s at 0.05 s, as in the source). Before the first
    command arrives, the wheels stand still.

    Args:
        delay_s: From command to wheels [s].
        dt_s: Length of a step [s].
    """

    def __init__(self, delay_s: float, dt_s: float) -> None:
        if not (0.0 <= delay_s <= MAX_DELAY_S and dt_s > 0.0):
            raise InvalidInput(f"A delay is from 0 to {MAX_DELAY_S} s and a step > 0 s; got {delay_s} and {dt_s}.")
        self.steps = max(0, round(delay_s / dt_s) - 1)
        self._waiting: deque[Wheels] = deque()
        self.reset()

    def reset(self) -> None:
        """Forget every command."""
        self._waiting = deque([(0.0, 0.0)] * self.steps)

    def hold(self, wheels: Wheels, steps: int) -> list[Wheels]:
        """Give the same command for some steps.

        Args:
            wheels: The command.
            steps: How many steps it is held.

        Returns:
            The command that acts in each of these steps.
        """
        self._waiting.extend([wheels] * steps)
        return [self._waiting.popleft() for _ in range(steps)]
