"""A stand-in for a CARLA server: real types of the client library, and answers that are written down in a file."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HERE = Path(__file__).parent
EXCHANGE = json.loads((HERE / "carla_exchange.json").read_text())
TOWN = (HERE / "carla_exchange.xodr").read_text()


def town(carla):
    return carla.Map(EXCHANGE["map"], TOWN)


class Blueprint:
    def __init__(self, id):
        self.id, self.attributes = id, {}

    def set_attribute(self, name, value):
        assert isinstance(value, str), "CARLA takes attributes as text"
        self.attributes[name] = value


class Actor:
    """What is spawned: a car that moves as the nearest written answer says, or a sensor on it."""

    def __init__(self, server, blueprint, transform, parent):
        self.server, self.id, self.attributes, self.parent = server, blueprint.id, blueprint.attributes, parent
        self.place, self.alive, self.callback = transform, True, None
        self.answer = EXCHANGE["answers"][0]
        box = EXCHANGE["bounding_box"]
        self.bounding_box = server.carla.BoundingBox(
            server.carla.Location(x=box["x_m"]), server.carla.Vector3D(box["extent_x_m"], 1.0, 0.8)
        )

    def apply_control(self, control):
        assert isinstance(control, self.server.carla.VehicleControl)
        self.server.note("apply_control", throttle=control.throttle, steer=control.steer, brake=control.brake)

        def distance(answer):
            return (
                abs(answer["throttle"] - control.throttle)
                + abs(answer["steer"] - control.steer)
                + abs(answer["brake"] - control.brake)
                + 4.0 * (answer["reverse"] != control.reverse)
            )

        self.answer = min(EXCHANGE["answers"], key=distance)

    def step(self, dt_s):
        yaw = math.radians(self.place.rotation.yaw)
        way = self.answer["speed_m_per_s"] * dt_s
        self.place.location.x += way * math.cos(yaw)
        self.place.location.y += way * math.sin(yaw)
        self.place.rotation.yaw += self.answer["yaw_deg_per_s"] * dt_s

    def get_transform(self):
        return self.place

    def get_velocity(self):
        yaw, speed = math.radians(self.place.rotation.yaw), self.answer["speed_m_per_s"]
        return self.server.carla.Vector3D(speed * math.cos(yaw), speed * math.sin(yaw), 0.0)

    def get_angular_velocity(self):
        return self.server.carla.Vector3D(0.0, 0.0, self.answer["yaw_deg_per_s"])

    def listen(self, callback):
        self.callback = callback

    def stop(self):
        self.callback = None

    def destroy(self):
        assert self.alive, "an actor is destroyed once"
        self.alive = False
        self.server.actors.remove(self)
        self.server.note("destroy", id=self.id)


class Server:
    """Client, world and blueprint library in one; notes every call that changes something."""

    def __init__(self, carla, name=None):
        self.carla, self.calls, self.actors, self.frame = carla, [], [], 0
        self.settings, self.map, self.gone, self.silent = carla.WorldSettings(), town(carla), False, False
        self.loaded = name or EXCHANGE["map"]

    def note(self, call, /, **arguments):
        rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in arguments.items()}
        self.calls.append([call, rounded])

    def connect(self, address):
        self.note("connect", host=address[0], port=address[1])
        return self

    def get_world(self):
        return self

    def load_world(self, name):
        self.note("load_world", name=name)
        self.loaded = name
        return self

    def reload_world(self, reset_settings):
        self.note("reload_world", reset_settings=reset_settings)
        assert not self.actors, "everything was destroyed before"

    def get_map(self):
        return SimpleNamespace(name=f"Carla/Maps/{self.loaded}", get_waypoint=self.map.get_waypoint)

    def get_settings(self):
        """A copy, as from a server."""
        copy = self.carla.WorldSettings()
        copy.synchronous_mode = self.settings.synchronous_mode
        copy.fixed_delta_seconds = self.settings.fixed_delta_seconds
        return copy

    def apply_settings(self, settings):
        assert isinstance(settings, self.carla.WorldSettings)
        self.settings = settings
        self.note("apply_settings", synchronous=settings.synchronous_mode, dt_s=settings.fixed_delta_seconds)

    def set_weather(self, weather):
        assert isinstance(weather, self.carla.WeatherParameters)
        self.note("set_weather", sun_altitude_angle=weather.sun_altitude_angle, cloudiness=weather.cloudiness)

    def get_blueprint_library(self):
        return SimpleNamespace(find=Blueprint)

    def spawn_actor(self, blueprint, transform, attach_to=None):
        assert isinstance(transform, self.carla.Transform)
        place = transform.location
        self.note("spawn_actor", id=blueprint.id, x=place.x, y=place.y, z=place.z, yaw=transform.rotation.yaw)
        self.actors.append(Actor(self, blueprint, transform, attach_to))
        return self.actors[-1]

    def tick(self):
        if self.gone:
            raise RuntimeError("time-out of 20000ms while waiting for the simulator")
        self.frame += 1
        for actor in self.actors:
            if actor.parent is None:
                actor.step(self.settings.fixed_delta_seconds)
        for actor in self.actors:
            if actor.id == "sensor.camera.rgb" and not self.silent:
                actor.callback(self.image(actor))
        return self.frame

    def image(self, camera):
        """Columns shaded by the car's heading, rows by its place: BGRA, as CARLA sends it."""
        width, height = (int(camera.attributes[f"image_size_{axis}"]) for axis in "xy")
        place = camera.parent.place
        shade = np.arange(width)[None, :] + 3.0 * place.rotation.yaw
        rows = np.arange(height)[:, None] + 10.0 * (place.location.x + place.location.y)
        blue, green = np.broadcast_arrays(shade, rows)
        bgra = np.stack([blue, green, np.full_like(blue, 200.0), np.full_like(blue, 255.0)], axis=2)
        return SimpleNamespace(
            frame=self.frame, width=width, height=height, raw_data=np.uint8(bgra.astype(int) % 256).tobytes()
        )

    def collide(self):
        for actor in self.actors:
            if actor.id == "sensor.other.collision":
                actor.callback(SimpleNamespace(frame=self.frame))
