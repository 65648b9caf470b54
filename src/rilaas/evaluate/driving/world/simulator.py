"""What a simulator is to the loop: time that passes, and frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.dynamics import Wheels

HISTORY = 64
"""How many frames back a simulator can still show: as much as a camera may be late."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The world at one instant.

    Attributes:
        tick: Time since the start, in the simulator's ticks.
        pose: The robot's axle's middle: x [m], y [m], heading [rad], in the map's frame.
        speed_m_per_s: Along the heading [m/s].
        rate_rad_per_s: Turning rate [rad/s].
        actors: Poses of the simulator's ``actors``, in their order.
        signals: States of the simulator's ``signals``, in their order; see ``road.actor``.
        ended: Why the world cannot go on, one of ``scenario.scenario.END_RULES``; '' while it can.
    """

    tick: int
    pose: Pose
    speed_m_per_s: float = 0.0
    rate_rad_per_s: float = 0.0
    actors: tuple[Pose, ...] = ()
    signals: tuple[int, ...] = ()
    ended: str = ""


class Simulator(Protocol):
    """One scenario on one clock. ``check_simulator`` tests any implementation.

    Time is counted in ticks of ``tick_s``. The camera takes frame number k at tick ``k * ticks_per_frame``; whether
    it is drawn then or when it is asked for is the simulator's affair.

    Attributes:
        scenario: What is run.
        tile_map: The road.
        tick_s: Length of a tick [s]; at most 1 ms where the simulator can step so finely.
        ticks_per_frame: Ticks from one frame to the next.
        actors: Who else is there, in the order of a snapshot's poses; the same for the whole episode.
        signals: The stop lines with a traffic light, in the order of a snapshot's states.
    """

    scenario: Scenario
    tile_map: TileMap
    tick_s: float
    ticks_per_frame: int
    actors: tuple[Actor, ...]
    signals: tuple[StopLine, ...]

    def reset(self) -> Snapshot:
        """Begin anew, at tick 0.

        Raises:
            Unavailable: The simulator is gone or broken; says nothing about the policy.
        """
        ...

    def advance(self, wheels: Wheels, ticks: int) -> Snapshot:
        """Hold a command for some ticks, at most up to the next frame's.

        Args:
            wheels: Duty cycles (left, right); values beyond [-1, 1] are clipped.
            ticks: How many; at least 0.

        Raises:
            InvalidInput: A wheel's command is not a finite number.
            Unavailable: See ``reset``.
        """
        ...

    def frame(self, number: int) -> Frame:
        """The frame with this number, (H, W, 3) uint8 RGB, owned by the caller.

        Args:
            number: The newest, or one of the ``HISTORY`` before it.

        Raises:
            InvalidInput: There is no such frame, or it is too old.
            Unavailable: See ``reset``.
        """
        ...


def check_command(wheels: Wheels, ticks: int) -> Wheels:
    """A command as two numbers, for every simulator's ``advance``.

    Raises:
        InvalidInput: A wheel's command is not a finite number, or the ticks are negative.
    """
    left, right = float(wheels[0]), float(wheels[1])
    if not (math.isfinite(left) and math.isfinite(right)) or ticks < 0:
        raise InvalidInput(f"Wheels ({left}, {right}) for {ticks} ticks: duty cycles are finite numbers, ticks >= 0.")
    return left, right


SimulatorOf = Callable[[Scenario], AbstractContextManager[Simulator]]
"""Makes a fresh simulator for one attempt at one scenario, and clears it away; may raise ``Unavailable``. It is
pickled for workers. ``simulator.registry`` knows them by name."""


def simulator_name(simulator: SimulatorOf) -> str:
    """What a report calls a simulator: its function's name, so ``open_gym_duckietown`` is ``gym-duckietown``."""
    maker = simulator.func if isinstance(simulator, partial) else simulator
    name: str = getattr(maker, "__name__", type(maker).__name__)
    return name.removeprefix("open_").replace("_", "-")
