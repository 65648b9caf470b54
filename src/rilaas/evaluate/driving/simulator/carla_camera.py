"""The camera of a car in CARLA: images of its own thread, waited for by the number of their step."""

from __future__ import annotations

import math
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

import numpy as np

from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.view import Frame

WAIT_S = 10.0
HEIGHT_M = 1.5
"""Above the road [m]; a Duckiebot's 0.108 m, times the ratio of lanes (3.5 m to 0.22 m), is 1.7 m."""


class CarlaCamera:
    """A colour camera at the front of a car, with our camera's size and field of view, and its downward tilt.

    Args:
        carla: The client package.
        world: The ``carla.World``.
        car: What it is mounted on.
    """

    def __init__(self, carla: ModuleType, world: Any, car: Any) -> None:
        camera = Camera()
        blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
        half = math.tan(0.5 * camera.vertical_fov_rad) * camera.width_px / camera.height_px
        for name, value in (
            ("image_size_x", camera.width_px),
            ("image_size_y", camera.height_px),
            ("fov", math.degrees(2.0 * math.atan(half))),
        ):
            blueprint.set_attribute(name, str(value))
        ahead_m = car.bounding_box.location.x + car.bounding_box.extent.x
        mount = carla.Transform(
            carla.Location(x=ahead_m, z=HEIGHT_M), carla.Rotation(pitch=-math.degrees(camera.pitch_rad))
        )
        self.sensor = world.spawn_actor(blueprint, mount, attach_to=car)
        self._images: SimpleQueue[Any] = SimpleQueue()
        self.sensor.listen(self._images.put)

    def image(self, step: int) -> Frame:
        """The image of a step of the server, (120, 160, 3) uint8 RGB.

        Raises:
            RuntimeError: It does not come.
        """
        while True:
            try:
                image = self._images.get(timeout=WAIT_S)
            except Empty:
                raise RuntimeError(f"no image of step {step} within {WAIT_S:g} s") from None
            if image.frame == step:
                bgra = np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)
                return np.ascontiguousarray(bgra[:, :, 2::-1])
