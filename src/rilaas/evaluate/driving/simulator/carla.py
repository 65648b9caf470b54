"""CARLA behind our protocol, over its own client package (0.9.16), in synchronous mode.

It was tested against the client library's types and a recorded exchange, never against a server: none can run on the
machines that this was written on. What was decided:

- The road is a survey of the town (``carla_survey``): the scenario's map is its JSON file, and metrics see its lanes.
- Physics steps are at most 10 ms, as CARLA's documentation asks for; the server is ticked for each. An image counts
  when its step is a frame's.
- A car has no wheels' duty cycles. Their mean is the throttle, backwards where it is negative, and the brake where it
  is 0; half of left minus right, times ``STEER_GAIN``, is the steering, positive to the right as in CARLA.
- The pose is the vehicle's own origin, at the middle of its box, which is not its rear axle.
- ``command_delay_s`` acts as in our world; the spreads of wheels, motors and drag are refused.
- ``varied`` draws the sun and the clouds from the scenario's seed; ``fixed`` is clear noon.
- Whatever the collision sensor tells ends the episode where ``collision`` is an end rule: walls and poles, too.
- The same bytes again are promised by the server, or not; ``check_simulator`` finds out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, MissingDependency, Unavailable
from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.scenario.start import start_pose
from rilaas.evaluate.driving.simulator.carla_camera import CarlaCamera
from rilaas.evaluate.driving.simulator.carla_survey import pose_from_carla
from rilaas.evaluate.driving.simulator.refusal import refuse_others
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.dynamics import DelayLine, Wheels
from rilaas.evaluate.driving.world.history import History
from rilaas.evaluate.driving.world.simulator import Simulator, Snapshot, check_command
from rilaas.evaluate.driving.world.world import command_delay_of

PHYSICS_DT_S = 0.01
"""Longest physics step [s]. Source: CARLA 0.9.16 documentation, "Synchrony and time-step"."""

TIMEOUT_S = 20.0
SETTLE_S = 1.0
"""Time for the car to come to rest on its wheels before the episode begins [s]."""

VEHICLE = "vehicle.tesla.model3"
DROP_M = 0.3
STEER_GAIN = 4.0
"""Steering for a difference of the wheels: a Duckiebot's 0.5 between them is a full turn of a car's steering."""

_WEATHER = 0x5EA7

Connect = Callable[[tuple[str, int]], Any]


class Carla:
    """A scenario that runs on a CARLA server; see ``Simulator``.

    Args:
        scenario: What to run; its map is a survey.
        address: The server's host and port.
        connect: Makes a ``carla.Client``.

    Raises:
        MissingDependency: The client package is not installed.
        InvalidInput: The scenario needs what this adapter does not have.
        Unavailable: The server does not answer.
    """

    def __init__(self, scenario: Scenario, address: tuple[str, int], connect: Connect | None = None) -> None:
        self._carla = import_carla()
        refuse_others(scenario, "carla")
        if scenario.wheel_gain_spread or scenario.motor_gain_spread or scenario.drag_spread:
            raise InvalidInput("The spreads of wheels, motors and drag are a Duckiebot's; a car has none of them.")
        self.scenario, self.tile_map = scenario, load_map(scenario.map)
        if self.tile_map.survey is None:
            raise InvalidInput(
                f"Map {self.tile_map.name!r} is made of tiles, which no CARLA town is.",
                "Survey a town, and give the suite the JSON file as its map; see docs/simulators.md.",
            )
        self._origin_m = self.tile_map.survey.origin_m
        self.actors: tuple[Actor, ...] = ()
        self.signals: tuple[StopLine, ...] = ()
        self.ticks_per_frame = max(1, math.ceil(scenario.dt_s / PHYSICS_DT_S - 1e-6))
        self.tick_s = scenario.dt_s / self.ticks_per_frame
        self._delay = DelayLine(command_delay_of(scenario), self.tick_s)
        x_m, y_m, heading = start_pose(self.tile_map, scenario).tolist()
        self._start: Pose = (x_m, y_m, heading)
        self._spawned: list[Any] = []
        with _failures(address):
            self._client = (connect or self._connect)(address)
            self._world = self._town()
            self._before = self._world.get_settings()
        self._address = address
        self.reset()

    def reset(self) -> Snapshot:
        """See ``Simulator.reset``."""
        with _failures(self._address):
            self._clear()
            self._client.reload_world(False)
            self._world = self._client.get_world()
            self._set_up()
            for _ in range(max(1, round(SETTLE_S / self.tick_s))):
                step = self._world.tick()
            self._tick, self._hit = 0, False
            self._delay.reset()
            self._now = self._snapshot()
            self._taken = History(self._camera.image(step))
        return self._now

    def advance(self, wheels: Wheels, ticks: int) -> Snapshot:
        """See ``Simulator.advance``."""
        command = check_command(wheels, ticks)
        with _failures(self._address):
            for acting in self._delay.hold(command, ticks):
                self._car.apply_control(control_of(self._carla, acting))
                step = self._world.tick()
                self._tick += 1
                if self._tick % self.ticks_per_frame == 0:
                    self._taken.add(self._tick // self.ticks_per_frame, self._camera.image(step))
            if ticks:
                self._now = self._snapshot()
        return self._now

    def frame(self, number: int) -> Frame:
        """See ``Simulator.frame``."""
        return self._taken.at(number).copy()

    def close(self) -> None:
        """Leave the server as it was found."""
        with _failures(self._address):
            self._clear()
            self._world.apply_settings(self._before)

    def _connect(self, address: tuple[str, int]) -> Any:
        client = self._carla.Client(*address)
        client.set_timeout(TIMEOUT_S)
        return client

    def _town(self) -> Any:
        world = self._client.get_world()
        if world.get_map().name.rpartition("/")[2] == self.tile_map.name:
            return world
        return self._client.load_world(self.tile_map.name)

    def _set_up(self) -> None:
        settings = self._world.get_settings()
        settings.synchronous_mode = True
        settings.fixed_delta_seconds = self.tick_s
        settings.deterministic_ragdolls = True
        self._world.apply_settings(settings)
        self._world.set_weather(self._weather())
        library = self._world.get_blueprint_library()
        self._car = self._world.spawn_actor(library.find(VEHICLE), self._spawn_place())
        self._spawned.append(self._car)
        sensor = self._world.spawn_actor(
            library.find("sensor.other.collision"), self._carla.Transform(), attach_to=self._car
        )
        self._spawned.append(sensor)
        sensor.listen(self._collided)
        self._camera = CarlaCamera(self._carla, self._world, self._car)
        self._spawned.append(self._camera.sensor)

    def _clear(self) -> None:
        while self._spawned:
            actor = self._spawned.pop()
            if hasattr(actor, "stop"):
                actor.stop()
            actor.destroy()

    def _collided(self, _: Any) -> None:
        self._hit = True

    def _spawn_place(self) -> Any:
        x_m, y_m = self._start[0] + self._origin_m[0], self._start[1] + self._origin_m[1]
        place = self._carla.Location(x_m, -y_m, 0.0)
        place.z = self._world.get_map().get_waypoint(place).transform.location.z + DROP_M
        return self._carla.Transform(place, self._carla.Rotation(yaw=-math.degrees(self._start[2])))

    def _weather(self) -> Any:
        if self.scenario.appearance == "fixed":
            return self._carla.WeatherParameters.ClearNoon
        sun, azimuth, clouds = np.random.default_rng([self.scenario.seed, _WEATHER]).random(3).tolist()
        return self._carla.WeatherParameters(
            sun_altitude_angle=15.0 + 75.0 * sun, sun_azimuth_angle=360.0 * azimuth, cloudiness=80.0 * clouds
        )

    def _snapshot(self) -> Snapshot:
        pose = pose_from_carla(self._car.get_transform(), self._origin_m)
        velocity, turning = self._car.get_velocity(), self._car.get_angular_velocity()
        speed = math.cos(pose[2]) * velocity.x - math.sin(pose[2]) * velocity.y
        ended = "collision" if self._hit and "collision" in self.scenario.end else ""
        return Snapshot(self._tick, pose, speed, -math.radians(turning.z), ended=ended)


def control_of(carla: ModuleType, wheels: Wheels) -> Any:
    """Duty cycles as a ``carla.VehicleControl``; the module's docstring says how."""
    left, right = (max(-1.0, min(1.0, duty)) for duty in wheels)
    mean, half = 0.5 * (left + right), 0.5 * (left - right)
    return carla.VehicleControl(
        throttle=abs(mean),
        steer=max(-1.0, min(1.0, STEER_GAIN * half)),
        brake=0.0 if mean else 1.0,
        reverse=mean < 0.0,
    )


@contextmanager
def open_carla(scenario: Scenario, address: tuple[str, int], connect: Connect | None = None) -> Iterator[Simulator]:
    """A scenario on a CARLA server; see ``Carla``."""
    simulator = Carla(scenario, address, connect)
    try:
        yield simulator
    finally:
        simulator.close()


def import_carla() -> ModuleType:
    """The client package.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import carla
    except ImportError as error:
        raise MissingDependency(
            f"CARLA's client is not here: {error}.",
            "Install it: pip install 'rilaas[carla]'; there are wheels for Linux on x86-64, Python 3.10 to 3.12.",
        ) from None
    module: ModuleType = carla
    return module


@contextmanager
def _failures(address: tuple[str, int]) -> Iterator[None]:
    """CARLA's client raises RuntimeError for whatever the server does not do."""
    try:
        yield
    except RuntimeError as error:
        host, port = address
        raise Unavailable(f"CARLA at {host}:{port} failed: {error}", "Is CarlaUE4 0.9.16 running there?") from error
