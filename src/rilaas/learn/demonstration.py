"""Episodes in which an expert says at each frame what it would do, whoever drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.tile_map import ROAD_KINDS
from rilaas.evaluate.driving.scenario.scenario import Scenario, Spawn
from rilaas.evaluate.driving.world.world import World
from rilaas.learn.expert import Expert

Preprocess = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""The model folder's own: ``image`` (N, H, W, 3) uint8 to ``input`` (N, 3, 66, 200) float32 in [-1, 1]."""

Driver = Callable[[NDArray[np.float32]], tuple[float, float]]
"""A network's input (1, 3, 66, 200) to throttle and steering."""

WIDE = Spawn(lateral_tolerance_m=0.1, heading_tolerance_rad=0.9, kinds=ROAD_KINDS)
"""Starts that the expert has to recover from."""
LOST_M = 0.2
"""Further than this from a centre line, an episode teaches nothing any more [m]."""


@dataclass(frozen=True, slots=True, eq=False)
class Demonstrations:
    """Inputs and what the expert did.

    Attributes:
        inputs: (N, 3, 66, 200) uint8: the network's inputs, scaled from [-1, 1] to 0..255.
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


def varied_scenario(map_name: str, duration_s: float, rng: np.random.Generator) -> Scenario:
    """Draw a world to learn in: light, colours, start, a robot that pulls aside, and a slow or fast command path."""
    return Scenario(
        name="demonstration",
        map=map_name,
        seed=int(rng.integers(2**31)),
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
    """Record an episode.

    Who drives changes every half second at random, so that the student gets into situations of its own and the
    expert shows the way out. It ends early off the road or far from every lane.

    Args:
        scenario: What to run.
        recording: How.
        preprocess: From frame to the network's input.
        student: The network so far; the expert drives alone where None.
        rng: Source of chance for the change of drivers and for bumps.
    """
    world = World(scenario)
    inputs: list[NDArray[np.uint8]] = []
    commands: list[tuple[float, float]] = []
    turn, bump, bump_left = 0, 0.0, 0
    expert_drives = True
    for step in range(round(recording.duration_s / scenario.dt_s)):
        label = recording.expert.command(world)
        lane = world.lanes.nearest(world.pose)
        if label is None or lane is None or abs(lane.lateral_m) > LOST_M or not world.is_on_road:
            break
        if step >= turn:
            expert_drives = student is None or rng.random() < recording.expert_share
            turn = step + round(0.5 / scenario.dt_s)
        if not bump_left and rng.random() < recording.bump_rate_hz * scenario.dt_s:
            bump, bump_left = rng.uniform(-0.6, 0.6), round(0.25 / scenario.dt_s)
        keep = step % recording.keep_every == 0
        throttle, steering = label
        if keep or not expert_drives:
            seen = preprocess({"image": world.look()[None]})["input"]
            if keep:
                inputs.append(np.round((seen + 1.0) * 127.5).astype(np.uint8))
                commands.append(label)
            if student is not None and not expert_drives:
                throttle, steering = student(seen)
        steering += bump if bump_left else 0.0
        bump_left = max(0, bump_left - 1)
        world.advance((throttle - steering, throttle + steering), world.ticks_per_frame)
    if not inputs:
        return Demonstrations.none()
    return Demonstrations(np.concatenate(inputs), np.array(commands, np.float32))
