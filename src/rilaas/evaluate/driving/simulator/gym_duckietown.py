"""gym-duckietown behind our protocol: the same scenarios, drawn and driven by somebody else's simulator.

Of gym-duckietown 6.1.34 are the pictures (OpenGL, without lens distortion) and the robot's motion (the integrator of
duckietown-world and its command delay). Ours are the map, the start, the robot's parameters and the clock:

- The map is handed over in its own format; ``empty`` becomes ``floor``, because it cannot draw a hole.
- Physics steps are at most 5 ms, the finest of AI-DO's simulator, a whole number of them in a frame. The delay acts
  as there: at the end of a step, the stored command nearest to ``command_delay_s`` ago.
- Its poses are those of our frame already once they are Cartesian (x to the right, y up, origin at the lower left).
- Any appearance but ``fixed`` is its domain randomisation, all of it, with the scenario's seed.
- Its own rewards, end rules and start sampling are not used.

A scenario with others on the road or with lights is refused: what is there follows its own rules, not the scenario's.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, MissingDependency, Unavailable
from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.scenario.start import start_pose
from rilaas.evaluate.driving.simulator.refusal import refuse_others
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.dynamics import Wheels
from rilaas.evaluate.driving.world.history import History
from rilaas.evaluate.driving.world.simulator import Simulator, Snapshot, check_command
from rilaas.evaluate.driving.world.world import command_delay_of, robot_of

PHYSICS_DT_S = 0.005
"""Longest physics step [s]: the shortest that AI-DO's simulator allows itself."""

INSTALL = "pip install 'rilaas[gym-duckietown]' in an environment of its own"
LIBRARIES = "apt-get install libegl1 libgl1 libglu1-mesa libgl1-mesa-dri"

_NOISE = 0x401


class GymDuckietown:
    """A scenario that runs in gym-duckietown; see ``Simulator``.

    Args:
        scenario: What to run.

    Raises:
        MissingDependency: The package or a system library is not there; the hint installs it.
        InvalidInput: The scenario needs what this simulator does not have.
        Unavailable: OpenGL failed.
    """

    def __init__(self, scenario: Scenario) -> None:
        refuse_others(scenario, "gym-duckietown")
        self.scenario = scenario
        self.tile_map: TileMap = load_map(scenario.map)
        if self.tile_map.survey is not None:
            raise InvalidInput(f"Map {self.tile_map.name!r} has no tiles, which are all that gym-duckietown draws.")
        self.actors: tuple[Actor, ...] = ()
        self.signals: tuple[StopLine, ...] = ()
        self.ticks_per_frame = max(1, math.ceil(scenario.dt_s / PHYSICS_DT_S - 1e-6))
        self.tick_s = scenario.dt_s / self.ticks_per_frame
        engine = import_engine()
        x, y, heading = (float(value) for value in start_pose(self.tile_map, scenario))
        self._start = x, y, heading
        self._body = engine.Body(robot_of(scenario), command_delay_of(scenario))
        with _failures(), quiet():
            self._eye = engine.Eye(own_map(self.tile_map), scenario.appearance != "fixed", scenario.seed)
        self.reset()

    @property
    def reached(self) -> Snapshot:
        """The world as it is now."""
        return self._now

    def reset(self) -> Snapshot:
        """See ``Simulator.reset``."""
        self._body.place(self._start)
        self._now = Snapshot(0, self._start)
        self._taken = History(self._start)
        return self._now

    def advance(self, wheels: Wheels, ticks: int) -> Snapshot:
        """See ``Simulator.advance``."""
        wheels = check_command(wheels, ticks)
        for _ in range(ticks):
            self._body.step(wheels, self.tick_s)
        if ticks:
            pose, speed, rate = self._body.state
            self._now = Snapshot(self._now.tick + ticks, pose, speed, rate)
            if self._now.tick % self.ticks_per_frame == 0:
                self._taken.add(self._now.tick // self.ticks_per_frame, pose)
        return self._now

    def frame(self, number: int) -> Frame:
        """See ``Simulator.frame``."""
        pose = self._taken.at(number)
        with _failures():
            image: Frame = self._eye.look(pose)
        if not self.scenario.camera_noise:
            return image
        rng = np.random.default_rng([self.scenario.seed, _NOISE, number])
        noise = self.scenario.camera_noise * rng.standard_normal(image.shape, np.float32)
        return np.clip(np.round(image + noise), 0.0, 255.0).astype(np.uint8)

    def close(self) -> None:
        """Give the window back."""
        self._eye.close()


@contextmanager
def open_gym_duckietown(scenario: Scenario) -> Iterator[Simulator]:
    """A scenario in gym-duckietown; see ``GymDuckietown``."""
    simulator = GymDuckietown(scenario)
    try:
        yield simulator
    finally:
        simulator.close()


def own_map(tile_map: TileMap) -> dict[str, Any]:
    """A map in the format of gym-duckietown, the top row first."""
    rows = [[_own_tile(tile.kind, tile.orientation) for tile in row] for row in reversed(tile_map.tiles)]
    return {"tile_size": tile_map.tile_size_m, "tiles": rows, "objects": {}}


def _own_tile(kind: str, orientation: str) -> str:
    if kind in {"4way", "asphalt", "grass", "floor"}:
        return kind
    return "floor" if kind == "empty" else f"{kind}/{orientation}"


def import_engine() -> ModuleType:
    """The part that imports gym-duckietown, imported when it is needed.

    Raises:
        MissingDependency: The package or a system library is not there; the hint installs it.
    """
    try:
        with quiet():
            from rilaas.evaluate.driving.simulator import gym_duckietown_engine
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"gym-duckietown needs the package {error.name}.", f"Install it: {INSTALL}."
        ) from None
    except ImportError as error:
        raise MissingDependency(
            f"gym-duckietown does not start: {error}.", f"It draws with OpenGL over EGL: {LIBRARIES}; {INSTALL}."
        ) from None
    return gym_duckietown_engine


@contextmanager
def quiet() -> Iterator[None]:
    """Without what gym-duckietown and the packages below it print, log and warn; standard output is for data."""
    for name in ("gym-duckietown", "duckietown_world", "zuper-commons"):
        logging.getLogger(name).setLevel(logging.ERROR)
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _failures() -> Iterator[None]:
    """OpenGL's own exceptions as ``Unavailable``."""
    from pyglet.gl import GLException
    from pyglet.window import WindowException

    try:
        yield
    except (GLException, WindowException) as error:
        raise Unavailable(f"gym-duckietown cannot draw: {error}.", f"It needs {LIBRARIES}.") from error
