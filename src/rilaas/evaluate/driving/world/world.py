"""The flat tile world: a robot on a map among others, with camera and wheels. Headless and deterministic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import LanePose, Pose
from rilaas.evaluate.driving.road.lane_graph import LaneGraph, lane_graph
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.scenario import MAX_DELAY_S, Scenario
from rilaas.evaluate.driving.scenario.start import start_pose
from rilaas.evaluate.driving.view.appearance import Appearance, vary
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.ground import Ground, draw_ground
from rilaas.evaluate.driving.view.view import Frame, View
from rilaas.evaluate.driving.world.contact import advance_among
from rilaas.evaluate.driving.world.dynamics import PHYSICS_DT_S, DelayLine, Dynamics, Motion, Wheels, advance
from rilaas.evaluate.driving.world.history import History
from rilaas.evaluate.driving.world.simulator import Simulator, Snapshot, check_command
from rilaas.evaluate.driving.world.town import STEP_S, Town

# Streams of chance, one for each thing that a scenario's seed draws.
_APPEARANCE, _GAINS, _MOTORS, _DRAG, _DELAY = 0xA99E, 0x6A14, 0x6A15, 0x6A16, 0x6A17

_PARTS = {
    "light": ("unevenness", "shadows", "gain", "contrast", "gamma", "sky", "haze"),
    "colours": ("ground", "white", "yellow", "red", "grain", "wear", "seed"),
    "camera": ("noise", "blur_px", "pitch_error_rad", "height_error_m"),
}
"""Fields of an appearance, by which part of it a scenario may vary alone."""


class World:
    """A scenario that runs.

    Time is counted in ticks of at most 1 ms, a whole number of them in each ``dt_s`` of the scenario; the camera
    takes a frame every ``dt_s``. The others (``world.town``) move every ``STEP_S``, however time is sliced, and stand
    meanwhile; the robot is held by a body that it meets. Whether that ends the episode is not the world's affair.

    Attributes:
        town: The others; None where there is nobody.

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
        if self.tile_map.survey is not None:
            raise InvalidInput(
                f"Map {self.tile_map.name!r} was surveyed in {self.tile_map.survey.source}; this world draws tiles.",
                "Drive it there: --simulator carla.",
            )
        self.ticks_per_frame = max(1, math.ceil(scenario.dt_s / PHYSICS_DT_S - 1e-6))
        self.tick_s = scenario.dt_s / self.ticks_per_frame
        self._dynamics = robot_of(scenario)
        self._delay = DelayLine(command_delay_of(scenario), self.tick_s)
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
        x, y, heading = (float(value) for value in start_pose(self.tile_map, scenario))
        self._start: Pose = (x, y, heading)
        self.reset()
        self.actors: tuple[Actor, ...] = self.town.actors if self.town else ()
        self.signals: tuple[StopLine, ...] = self.town.signals if self.town else ()

    def reset(self) -> Snapshot:
        """See ``Simulator.reset``."""
        self._delay.reset()
        self.tick = 0
        self.motion = Motion(*self._start)
        self.town = Town(self.scenario, self.tile_map, self._start) if Town.is_needed(self.scenario) else None
        self._town_steps = 0
        self._taken = History(self.snapshot)
        return self.snapshot

    @property
    def snapshot(self) -> Snapshot:
        """The world as it is now."""
        motion, town = self.motion, self.town
        if town is None:
            return Snapshot(self.tick, motion.pose, motion.speed_m_per_s, motion.rate_rad_per_s)
        others = town.poses, town.signal_states(self.t_s)
        return Snapshot(self.tick, motion.pose, motion.speed_m_per_s, motion.rate_rad_per_s, *others)

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
        acting = self._delay.hold(check_command(wheels, ticks), ticks)
        if self.town is None:
            self.motion = advance(self.motion, acting, self.tick_s, self._dynamics)
            self.tick += ticks
        else:
            self._advance_among(self.town, acting)
        snapshot = self.snapshot
        if ticks and self.tick % self.ticks_per_frame == 0:
            self._taken.add(self.tick // self.ticks_per_frame, snapshot)
        return snapshot

    def _advance_among(self, town: Town, acting: Sequence[Wheels]) -> None:
        done = 0
        while done < len(acting):
            due = math.ceil((self._town_steps + 1) * STEP_S / self.tick_s - 1e-6)
            count = min(len(acting) - done, due - self.tick)
            part = acting[done : done + count]
            self.motion = advance_among(self.motion, part, self.tick_s, self._dynamics, town.boxes)
            self.tick += count
            done += count
            if self.tick == due:
                town.step(self.motion, self.t_s)
                self._town_steps += 1

    def look(self) -> Frame:
        """What the camera sees now, (H, W, 3) uint8 RGB."""
        return self._draw(self.snapshot)

    def frame(self, number: int) -> Frame:
        """See ``Simulator.frame``."""
        return self._draw(self._taken.at(number))

    def _draw(self, snapshot: Snapshot) -> Frame:
        number = snapshot.tick // self.ticks_per_frame
        if self.town is None:
            return self._view.frame(snapshot.pose, number)
        standing = tuple(zip(self.actors, snapshot.actors, strict=True))
        return self._view.frame(
            snapshot.pose, number, standing, tuple(zip(self.signals, snapshot.signals, strict=True))
        )


@contextmanager
def tile_world(scenario: Scenario) -> Iterator[Simulator]:
    """A scenario in our own simulator."""
    yield World(scenario)


def appearance_of(scenario: Scenario) -> Appearance:
    """The look of a scenario's world; what varies in it is drawn from its seed."""
    if scenario.appearance == "fixed":
        return Appearance()
    drawn = vary(np.random.default_rng([scenario.seed, _APPEARANCE]))
    if scenario.appearance == "varied":
        return drawn
    return replace(Appearance(), **{name: getattr(drawn, name) for name in _PARTS[scenario.appearance]})


def robot_of(scenario: Scenario) -> Dynamics:
    """The robot of a scenario, with the faults drawn from its seed."""
    nominal = Dynamics()
    left, right = _factors(scenario, _GAINS, scenario.wheel_gain_spread, 2)
    (motors,) = _factors(scenario, _MOTORS, scenario.motor_gain_spread, 1)
    (drag,) = _factors(scenario, _DRAG, scenario.drag_spread, 1)
    return Dynamics(
        drag_v=drag * nominal.drag_v,
        drag_w=drag * nominal.drag_w,
        gain_v=motors * nominal.gain_v,
        gain_w=motors * nominal.gain_w,
        left_gain=left,
        right_gain=right,
    )


def command_delay_of(scenario: Scenario) -> float:
    """From command to wheels in a scenario [s], drawn from its seed where it varies."""
    if not scenario.command_delay_spread_s:
        return scenario.command_delay_s
    rng = np.random.default_rng([scenario.seed, _DELAY])
    delay_s = scenario.command_delay_s + scenario.command_delay_spread_s * float(rng.standard_normal())
    return min(max(0.0, delay_s), MAX_DELAY_S)


def _factors(scenario: Scenario, stream: int, spread: float, count: int) -> list[float]:
    """Numbers around 1, at most half away from it."""
    if not spread:
        return [1.0] * count
    rng = np.random.default_rng([scenario.seed, stream])
    return [float(value) for value in np.clip(1.0 + spread * rng.standard_normal(count), 0.5, 1.5)]


@lru_cache(maxsize=8)
def _fixed_ground(tile_map: TileMap) -> Ground:
    return draw_ground(tile_map, Appearance())
