"""Episodes in which an expert says at each frame what it would do, whoever drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.tile_map import ROAD_KINDS
from rilaas.evaluate.driving.scenario.scenario import Scenario, Spawn
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.world import World
from rilaas.learn.expert import Expert

Preprocess = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""The model folder's own: ``image`` (N, H, W, 3) uint8 to ``input`` (N, C, H, W) float32 in [-1, 1]."""

Command = tuple[float, float]
"""Throttle and steering: the wheels' mean duty cycle, and half of right minus left."""

Driver = Callable[[NDArray[np.float32]], Command]
"""A network's input (1, C, H, W) to throttle and steering."""

WIDE = Spawn(lateral_tolerance_m=0.1, heading_tolerance_rad=0.9, kinds=ROAD_KINDS)
"""Starts that the expert has to recover from."""
LOST_M = 0.2
"""Further than this from a centre line, an episode teaches nothing any more [m]."""


@dataclass(frozen=True, slots=True, eq=False)
class Demonstrations:
    """Inputs and what the expert did.

    Attributes:
        inputs: (N, C, H, W) uint8: the network's inputs, scaled from [-1, 1] to 0..255.
        commands: (N, 2) float32: throttle and steering.
    """

    inputs: NDArray[np.uint8]
    commands: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def none(cls) -> Demonstrations:
        """Not one."""
        return cls(np.empty((0, 3, 66, 200), np.uint8), np.empty((0, 2), np.float32))

    @classmethod
    def join(cls, parts: Sequence[Demonstrations]) -> Demonstrations:
        """All of them, in order."""
        parts = [part for part in parts if len(part)] or [cls.none()]
        return cls(np.concatenate([part.inputs for part in parts]), np.concatenate([part.commands for part in parts]))


@dataclass(frozen=True, slots=True)
class Recording:
    """How an episode is recorded.

    Attributes:
        expert: Who labels.
        expert_share: Share of the time in which the expert drives; the student drives the rest.
        duration_s: Longest time [s].
        keep_every: Every how manieth frame is kept.
        bump_rate_hz: How often something turns the robot aside, for a quarter of a second [1/s].
    """

    expert: Expert = field(default_factory=Expert)
    expert_share: float = 1.0
    duration_s: float = 8.0
    keep_every: int = 2
    bump_rate_hz: float = 0.4


TRAINING_SEEDS = (0, 2**31)
"""Training draws the seeds of its worlds from these, the end not included."""
RECORDING_SEEDS = (2**31, 3_000_000_000)
"""Recordings for optimization are of these; suites and cards have theirs from 3,000,000,000 on."""


def varied_scenario(
    map_name: str, duration_s: float, rng: np.random.Generator, seeds: tuple[int, int] = TRAINING_SEEDS
) -> Scenario:
    """Draw a world to learn in: light, colours, start, a robot that pulls aside, and a slow or fast command path.

    Args:
        map_name: Where.
        duration_s: How long at most [s].
        rng: What it is drawn from.
        seeds: From where to where the world's own seed is, the end not included.
    """
    return Scenario(
        name="demonstration",
        map=map_name,
        seed=int(rng.integers(*seeds)),
        duration_s=duration_s,
        appearance="varied",
        spawn=WIDE,
        command_delay_s=float(rng.uniform(0.1, 0.3)),
        wheel_gain_spread=0.04,
    )


def collect(
    scenario: Scenario,
    recording: Recording,
    preprocess: Preprocess,
    student: Driver | None,
    rng: np.random.Generator,
) -> Demonstrations:
    """Record an episode as a network sees it; see ``demonstrate``.

    Args:
        scenario: What to run.
        recording: How.
        preprocess: From frame to the network's input.
        student: The network so far; the expert drives alone where None.
        rng: Source of chance for the change of drivers and for bumps.
    """
    inputs: list[NDArray[np.uint8]] = []
    commands: list[Command] = []

    def drive(frame: Frame) -> Command:
        assert student is not None
        return student(preprocess({"image": frame[None]})["input"])

    for frame, command in demonstrate(scenario, recording, None if student is None else drive, rng):
        seen = preprocess({"image": frame[None]})["input"]
        inputs.append(np.round((seen + 1.0) * 127.5).astype(np.uint8))
        commands.append(command)
    if not inputs:
        return Demonstrations.none()
    return Demonstrations(np.concatenate(inputs), np.array(commands, np.float32))


def demonstrate(
    scenario: Scenario,
    recording: Recording,
    student: Callable[[Frame], Command] | None,
    rng: np.random.Generator,
) -> Iterator[tuple[Frame, Command]]:
    """Drive an episode; yields the frames that are kept, and what the expert would do there.

    Who drives changes every half second at random, so that the student gets into situations of its own and the
    expert shows the way out. It ends early off the road or far from every lane.

    Args:
        scenario: What to run.
        recording: How.
        student: From frame to throttle and steering; the expert drives alone where None.
        rng: Source of chance for the change of drivers and for bumps.
    """
    world = World(scenario)
    turn, bump, bump_left = 0, 0.0, 0
    expert_drives = True
    for step in range(round(recording.duration_s / scenario.dt_s)):
        label = recording.expert.command(world)
        lane = world.lanes.nearest(world.pose)
        if label is None or lane is None or abs(lane.lateral_m) > LOST_M or not world.is_on_road:
            return
        if step >= turn:
            expert_drives = student is None or rng.random() < recording.expert_share
            turn = step + round(0.5 / scenario.dt_s)
        if not bump_left and rng.random() < recording.bump_rate_hz * scenario.dt_s:
            bump, bump_left = rng.uniform(-0.6, 0.6), round(0.25 / scenario.dt_s)
        keep = step % recording.keep_every == 0
        throttle, steering = label
        if keep or not expert_drives:
            frame = world.look()
            if keep:
                yield frame, label
            if student is not None and not expert_drives:
                throttle, steering = student(frame)
        steering += bump if bump_left else 0.0
        bump_left = max(0, bump_left - 1)
        world.advance((throttle - steering, throttle + steering), world.ticks_per_frame)
