"""The flat tile world: one robot on a map, seen by its camera, moved by its wheels. Headless and deterministic."""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import LanePose, Pose
from rilaas.evaluate.driving.road.lane_graph import LaneGraph, lane_graph
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.scenario.start import start_pose
from rilaas.evaluate.driving.view.appearance import Appearance, vary
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.ground import Ground, draw_ground
from rilaas.evaluate.driving.view.view import Frame, View
from rilaas.evaluate.driving.world.dynamics import PHYSICS_DT_S, DelayLine, Dynamics, Motion, Wheels, advance
from rilaas.evaluate.driving.world.simulator import HISTORY, Snapshot

# Streams of chance, one for each thing that a scenario's seed draws.
_APPEARANCE, _GAINS = 0xA99E, 0x6A14


class World:
    """A scenario that runs.

    Time is counted in ticks of at most 1 ms, a whole number of them in each ``dt_s`` of the scenario; the camera
    takes a frame every ``dt_s``. The episode is over when the axle's middle is not on a road tile.

    Args:
        scenario: What to run.
        camera: The camera as specified; the appearance adds its mounting errors.
        appearance: The look; the scenario's own where None.

    Raises:
        NotFound: The scenario's map does not exist.
        InvalidInput: The map has no road to start on.
    """

    def __init__(
        self, scenario: Scenario, camera: Camera | None = None, *, appearance: Appearance | None = None
    ) -> None:
        self.scenario = scenario
        self.tile_map: TileMap = load_map(scenario.map)
        self.actors: tuple[Actor, ...] = ()
        self.signals: tuple[StopLine, ...] = ()
        self.ticks_per_frame = max(1, math.ceil(scenario.dt_s / PHYSICS_DT_S - 1e-6))
        self.tick_s = scenario.dt_s / self.ticks_per_frame
        self._dynamics = robot_of(scenario)
        self._delay = DelayLine(scenario.command_delay_s, self.tick_s)
        if appearance is None:
            appearance = appearance_of(scenario)
        fixed = appearance == Appearance()
        self._view = View(
            _fixed_ground(self.tile_map) if fixed else draw_ground(self.tile_map, appearance),
            appearance,
            camera,
            noise=math.hypot(appearance.noise, scenario.camera_noise),
            seed=scenario.seed,
        )
        self._start = start_pose(self.tile_map, scenario)
        self.reset()

    def reset(self) -> Snapshot:
        """See ``Simulator.reset``."""
        self._delay.reset()
        self.tick = 0
        x, y, heading = (float(value) for value in self._start)
        self.motion = Motion(x, y, heading)
        self._taken: deque[Snapshot] = deque([self.snapshot], maxlen=HISTORY + 1)
        return self.snapshot

    @property
    def snapshot(self) -> Snapshot:
        """The world as it is now."""
        motion = self.motion
        return Snapshot(self.tick, motion.pose, motion.speed_m_per_s, motion.rate_rad_per_s)

    @property
    def t_s(self) -> float:
        """Simulated time since the start [s]."""
        return self.tick * self.tick_s

    @property
    def pose(self) -> Pose:
        """True pose of the axle's middle: x [m], y [m], heading [rad], in the map's frame."""
        return self.motion.pose

    @property
    def is_on_road(self) -> bool:
        """Whether the axle's middle is on a tile with lanes; the episode is over when it is not."""
        tile = self.tile_map.tile_at(self.motion.x_m, self.motion.y_m)
        return tile is not None and tile.is_road

    @property
    def lanes(self) -> LaneGraph:
        """The lanes of the map."""
        return lane_graph(self.tile_map)

    @property
    def lane_pose(self) -> LanePose | None:
        """True pose as seen from the best aligned lane, None out of every lane."""
        found = self.lanes.poses(self.pose)
        return found[0] if found else None

    @property
    def camera(self) -> Camera:
        """The camera as it is really mounted."""
        return self._view.camera

    def step(self, wheels: Wheels, dt_s: float | None = None) -> Frame:
        """Hold a command, then look.

        Args:
            wheels: Duty cycles (left, right); values beyond [-1, 1] are clipped.
            dt_s: How long [s], in whole ticks; the scenario's ``dt_s`` where None.

        Returns:
            What the camera sees then, (H, W, 3) uint8 RGB.

        Raises:
            InvalidInput: A wheel's command is not a finite number, or the time is negative.
        """
        end = self.tick + (self.ticks_per_frame if dt_s is None else round(dt_s / self.tick_s))
        while self.tick != end:
            stamp = (self.tick // self.ticks_per_frame + 1) * self.ticks_per_frame
            self.advance(wheels, min(end, stamp) - self.tick)
        return self.look()

    def advance(self, wheels: Wheels, ticks: int) -> Snapshot:
        """See ``Simulator.advance``."""
        left, right = float(wheels[0]), float(wheels[1])
        if not (math.isfinite(left) and math.isfinite(right)) or ticks < 0:
            raise InvalidInput(
                f"Wheels ({left}, {right}) for {ticks} ticks: duty cycles are finite numbers, ticks >= 0."
            )
        acting = self._delay.hold((left, right), ticks)
        self.motion = advance(self.motion, acting, self.tick_s, self._dynamics)
        self.tick += ticks
        snapshot = self.snapshot
        if ticks and self.tick % self.ticks_per_frame == 0:
            self._taken.append(snapshot)
        return snapshot

    def look(self) -> Frame:
        """What the camera sees now, (H, W, 3) uint8 RGB."""
        return self._draw(self.snapshot)

    def frame(self, number: int) -> Frame:
        """See ``Simulator.frame``."""
        newest = self._taken[-1].tick // self.ticks_per_frame
        if not max(0, newest - HISTORY) <= number <= newest:
            raise InvalidInput(f"Frame {number} cannot be shown; the newest is {newest}.")
        return self._draw(self._taken[number - newest - 1])

    def _draw(self, snapshot: Snapshot) -> Frame:
        return self._view.frame(snapshot.pose, snapshot.tick // self.ticks_per_frame)


def appearance_of(scenario: Scenario) -> Appearance:
    """The look of a scenario's world, drawn from its seed where it is ``varied``."""
    if scenario.appearance == "fixed":
        return Appearance()
    return vary(np.random.default_rng([scenario.seed, _APPEARANCE]))


def robot_of(scenario: Scenario) -> Dynamics:
    """The robot of a scenario, with the faults drawn from its seed."""
    if not scenario.wheel_gain_spread:
        return Dynamics()
    rng = np.random.default_rng([scenario.seed, _GAINS])
    left, right = np.clip(1.0 + scenario.wheel_gain_spread * rng.standard_normal(2), 0.5, 1.5)
    return Dynamics(left_gain=float(left), right_gain=float(right))


@lru_cache(maxsize=8)
def _fixed_ground(tile_map: TileMap) -> Ground:
    return draw_ground(tile_map, Appearance())
