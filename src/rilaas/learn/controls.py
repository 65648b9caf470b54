"""In which numbers a network says what the expert does: throttle and steering, or throttle, steer and brake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Controls(Protocol):
    """What a network answers."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers, in order."""
        ...

    def encode(self, commands: Array) -> Array:
        """Throttle and steering, (N, 2) float32 duty cycles, in the network's numbers, (N, K) float32."""
        ...

    def decode(self, answers: Array) -> Array:
        """The inverse: (N, K) float32 to (N, 2) float32; what is beyond the range is cut off."""
        ...


@dataclass(frozen=True, slots=True)
class ThrottleSteering:
    """Throttle is the wheels' mean duty cycle, steering is half of right minus left: positive to the left."""

    names: tuple[str, ...] = ("throttle", "steering")

    def encode(self, commands: Array) -> Array:
        """As they are."""
        return commands

    def decode(self, answers: Array) -> Array:
        """As they are."""
        return answers


@dataclass(frozen=True, slots=True)
class ThrottleSteerBrake:
    """The three numbers of the document's PilotNet: throttle in [0, 1], steer in [0, 1], brake in [0, 1]::

        duty     = throttle - full_brake brake
        steering = limit (1 - 2 steer)

    Steer is 0 fully to the left, 0.5 straight, 1 fully to the right: the document's mapping of CARLA's (-1, 1) to
    (0, 1). A Duckiebot has no brake, its motors are; so the expert's wish to go slower than on a straight road is
    split as a driver's feet do it: it lifts the throttle first, by ``lift`` of what it has at cruising speed, and
    brakes for what is missing. All three are functions of the pose alone, as a single image shows no speed.

    Source: the outputs and the mapping of steer are those of Paniego, Paliwal and Cañas, RA-L 9(1), 2024; the split
    is ours.

    Attributes:
        names: Of the numbers, in order.
        cruise: Duty cycle at cruising speed.
        lift: Share of it that is given up before the brake is used.
        full_brake: Duty cycle that a brake of 1 takes away.
        limit: Steering at the end of its range.
    """

    names: tuple[str, ...] = ("throttle", "steer", "brake")
    cruise: float = 0.34 / 0.6  # Expert.cruise_m_per_s over the nominal robot's speed at full duty [m/s]
    lift: float = 0.15
    full_brake: float = 0.3
    limit: float = 0.5  # Expert.steering_limit

    def encode(self, commands: Array) -> Array:
        """See ``Controls``."""
        duty, steering = commands[:, 0], commands[:, 1]
        least = (1.0 - self.lift) * self.cruise
        throttle = np.maximum(duty, least)
        steer = 0.5 - steering / (2.0 * self.limit)
        return np.stack([throttle, steer, (throttle - duty) / self.full_brake], axis=1).astype(np.float32)

    def decode(self, answers: Array) -> Array:
        """See ``Controls``."""
        throttle, steer, brake = np.clip(answers, 0.0, 1.0).T
        duty = throttle - self.full_brake * brake
        return np.stack([duty, self.limit * (1.0 - 2.0 * steer)], axis=1).astype(np.float32)


THROTTLE_STEERING = ThrottleSteering()
THROTTLE_STEER_BRAKE = ThrottleSteerBrake()


def wheels_of(commands: Array) -> Array:
    """Throttle and steering, (N, 2) float32, as duty cycles of the left and right wheel, (N, 2) in [-1, 1]."""
    throttle, steering = commands[:, 0], commands[:, 1]
    return np.clip(np.stack([throttle - steering, throttle + steering], axis=1), -1.0, 1.0).astype(np.float32)
