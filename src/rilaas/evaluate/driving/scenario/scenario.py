"""A scenario: where a robot starts, how long it may drive, and what the world looks like."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field

from rilaas.core import InvalidInput, did_you_mean
from rilaas.evaluate.driving.road.tile_map import ROAD_KINDS
from rilaas.evaluate.driving.scenario.camera_faults import CameraFaults
from rilaas.evaluate.driving.scenario.surroundings import (
    MAX_ACTORS,
    MAX_LENGTH_M,
    Duckies,
    Lights,
    Obstacle,
    Traffic,
    is_pose,
)

APPEARANCES = ("fixed", "varied", "light", "colours", "camera")
"""``fixed``: the same look always. ``varied``: all is drawn from the seed. ``light``, ``colours``, ``camera`` (its
noise, blur and mounting): this part alone is drawn, the others are fixed."""

END_RULES = ("off_road", "collision", "out_of_lane", "blocked")
"""What may end an episode before its time. ``off_road``: the robot's axle left the road's tiles. ``collision``: its
body touched somebody. ``out_of_lane``: its axle is in no lane, or against its direction. ``blocked``: it did not
move."""

BLOCKED_S = 30.0
"""Standing still for so long is ``blocked`` [s]."""

MAX_DELAY_S = 60.0
"""From command to wheels [s]."""

TASKS = ("LF", "LFV", "LFI")
"""Lane following; with other vehicles; with crossings and their lights too: which traffic laws count."""


@dataclass(frozen=True, slots=True)
class Spawn:
    """How the start pose is drawn from the scenario's seed: a point of a lane, then a deviation from it.

    The defaults are those of the AI-DO 2020 lane following experiment (start poses on straight tiles, within 0.04 m
    and 40 degrees of the lane).

    Attributes:
        lateral_tolerance_m: Uniform within plus or minus this distance from the lane's centre line [m].
        heading_tolerance_rad: Uniform within plus or minus this angle from the lane's direction [rad].
        kinds: Tile kinds to start on; () for every road tile. Where the map has none of them, every road tile.
        line_clearance_m: Least distance to the next red line ahead, if that is in the same tile or the next [m].
    """

    lateral_tolerance_m: float = 0.04
    heading_tolerance_rad: float = math.radians(40.0)
    kinds: tuple[str, ...] = ("straight",)
    line_clearance_m: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lateral_tolerance_m", "line_clearance_m"):
            value = getattr(self, name)
            if not 0.0 <= value <= MAX_LENGTH_M:
                raise InvalidInput(f"{name} is {value}; it is a length from 0 to {MAX_LENGTH_M:g} [m].")
        if not 0.0 <= self.heading_tolerance_rad <= math.pi:
            raise InvalidInput(f"heading_tolerance_rad is {self.heading_tolerance_rad}; it is from 0 to pi [rad].")
        for kind in self.kinds:
            if kind not in ROAD_KINDS:
                raise InvalidInput(f"No robot starts on {kind!r}.", did_you_mean(kind, ROAD_KINDS))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One episode's world, start and end. The same scenario gives the same episode, bit by bit.

    An episode ends when ``duration_s`` has passed, or by one of its end rules.

    Attributes:
        name: What reports call it.
        map: A name of ours or a path; see ``load_map``.
        seed: Everything random is drawn from it: start pose, appearance, noise, latencies.
        duration_s: Longest time [s].
        dt_s: Time step of control and physics [s].
        appearance: One of ``APPEARANCES``.
        spawn: Where the robot starts.
        start: A start pose (x [m], y [m], heading [rad]) in the map's frame instead of a drawn one.
        command_delay_s: From command to wheels [s]; 0.15 is the Duckiebot DB18's.
        wheel_gain_spread: Standard deviation of each wheel's gain around 1, drawn once an episode: a robot that is
            not calibrated pulls to one side.
        command_delay_spread_s: Standard deviation of the command delay, drawn once an episode [s].
        motor_gain_spread: Relative standard deviation of both motors' gain, drawn once an episode: a full battery or
            an empty one.
        drag_spread: Relative standard deviation of drag, of speed and of turning rate alike: another floor.
        camera_noise: Standard deviation of the noise on each pixel, in grey levels of 255, drawn for each frame.
        camera_faults: What is wrong with the camera.
        task: One of ``TASKS``.
        end: Which of ``END_RULES`` hold.
        target_speed_m_per_s: The speed at which the whole way is the route of this length of time [m/s].
        traffic: Other vehicles.
        duckies: On foot.
        lights: At the crossings.
        obstacles: On the road and beside it.
    """

    name: str
    map: str
    seed: int
    duration_s: float = 60.0
    dt_s: float = 0.05
    appearance: str = "fixed"
    spawn: Spawn = field(default_factory=Spawn)
    start: tuple[float, float, float] | None = None
    command_delay_s: float = 0.15
    wheel_gain_spread: float = 0.0
    command_delay_spread_s: float = 0.0
    motor_gain_spread: float = 0.0
    drag_spread: float = 0.0
    camera_noise: float = 0.0
    camera_faults: CameraFaults = field(default_factory=CameraFaults)
    task: str = "LF"
    end: tuple[str, ...] = ("off_road",)
    target_speed_m_per_s: float = 0.3
    traffic: Traffic = field(default_factory=Traffic)
    duckies: Duckies = field(default_factory=Duckies)
    lights: Lights = field(default_factory=Lights)
    obstacles: tuple[Obstacle, ...] = ()

    def __post_init__(self) -> None:
        if self.appearance not in APPEARANCES:
            raise InvalidInput(
                f"Scenario {self.name!r} has appearance {self.appearance!r}.",
                did_you_mean(self.appearance, APPEARANCES),
            )
        if self.task not in TASKS:
            raise InvalidInput(f"Scenario {self.name!r} has task {self.task!r}.", did_you_mean(self.task, TASKS))
        for rule in self.end:
            if rule not in END_RULES:
                raise InvalidInput(f"Scenario {self.name!r} has no end rule {rule!r}.", did_you_mean(rule, END_RULES))
        if self.seed < 0:
            raise InvalidInput(f"Scenario {self.name!r} has seed {self.seed}; a seed is a whole number >= 0.")
        if not 0.001 <= self.dt_s <= 1.0:
            raise InvalidInput(f"Scenario {self.name!r} has dt_s = {self.dt_s}; a step is from 0.001 to 1 s.")
        if not self.dt_s <= self.duration_s <= 86_400.0:
            raise InvalidInput(f"Scenario {self.name!r} has duration_s = {self.duration_s}; from dt_s to one day.")
        for name in _AMOUNTS:
            value = getattr(self, name)
            if not 0.0 <= value <= sys.float_info.max:
                raise InvalidInput(f"Scenario {self.name!r} has {name} = {value}; it is a number >= 0.")
        if self.command_delay_s > MAX_DELAY_S:
            raise InvalidInput(
                f"Scenario {self.name!r} has command_delay_s = {self.command_delay_s}; it is at most {MAX_DELAY_S:g}."
            )
        if (count := sum(obstacle.count for obstacle in self.obstacles)) > MAX_ACTORS:
            raise InvalidInput(f"Scenario {self.name!r} has {count} obstacles; it has at most {MAX_ACTORS}.")
        if self.start is not None and not is_pose(self.start):
            raise InvalidInput(f"Scenario {self.name!r} has start {self.start}; it is (x [m], y [m], heading [rad]).")


_AMOUNTS = (
    "command_delay_s",
    "wheel_gain_spread",
    "command_delay_spread_s",
    "motor_gain_spread",
    "drag_spread",
    "camera_noise",
    "target_speed_m_per_s",
)
