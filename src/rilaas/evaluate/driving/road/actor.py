"""Who and what is on the road besides the robot, and the robot's own body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, did_you_mean
from rilaas.evaluate.driving.road.stop_line import StopLine

ACTOR_KINDS = ("vehicle", "duckie", "obstacle")
"""``vehicle``: drives in lanes. ``duckie``: stands or crosses on foot. ``obstacle``: stands."""

GREEN, YELLOW, RED = 0, 1, 2
"""States of a traffic light."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A thing that one can collide with: a box on the ground.

    Attributes:
        name: Its own in the episode, such as ``vehicle-1``.
        kind: One of ``ACTOR_KINDS``.
        length_m: Extent along its heading [m].
        width_m: Extent across [m].
        height_m: Extent upwards [m].
        middle_ahead_m: From the point that its pose tells (a vehicle's axle) to the middle of the box [m].
        look: What it is drawn as: ``duckiebot``, ``duckie``, ``cone``, ``barrier``.
    """

    name: str
    kind: str
    length_m: float
    width_m: float
    height_m: float
    middle_ahead_m: float = 0.0
    look: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ACTOR_KINDS:
            raise InvalidInput(f"There is no kind of actor {self.kind!r}.", did_you_mean(self.kind, ACTOR_KINDS))
        if not (self.length_m > 0.0 and self.width_m > 0.0 and self.height_m > 0.0):
            raise InvalidInput(f"Actor {self.name!r} has no extent: lengths, widths and heights are above 0 m.")


DUCKIEBOT = Actor("robot", "vehicle", 0.18, 0.13, 0.12, middle_ahead_m=-0.024, look="duckiebot")
"""The robot's own body. Its camera, 0.066 m ahead of the axle, is its front end.
Source: gym-duckietown 6.1.34, simulator.py (there 0.02 m wider, as a buffer)."""


@dataclass(frozen=True, slots=True, eq=False)
class ActorTrack:
    """Where an actor was.

    Attributes:
        actor: Who.
        poses: (N, 3) float64 [m, m, rad], in the map's frame, one for each stamp of the drive.
    """

    actor: Actor
    poses: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SignalTrack:
    """What a traffic light showed.

    Attributes:
        line: The stop line that it guards.
        states: (N,) uint8: ``GREEN``, ``YELLOW`` or ``RED`` at each stamp of the drive.
    """

    line: StopLine
    states: NDArray[np.uint8]
