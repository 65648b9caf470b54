"""The Duckiebot's camera: a pinhole over the ground plane, pitched down.

Robot frame: X forward, Y to the left, Z up, metres, origin on the ground under the middle of the axle. Image frame:
u to the right, v down, pixels, (0, 0) is the CENTRE of the upper left pixel. A ground point (X, Y, 0) appears at::

    d = X - forward
    z = d cos(pitch) + height sin(pitch)          depth along the optical axis
    u = (width - 1) / 2  - focal Y / z
    v = (height_px - 1) / 2 + focal (height cos(pitch) - d sin(pitch)) / z

Constants: gym-duckietown 6.1.34, simulator.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Camera:
    """Intrinsics and mounting. Pixels are square and there is no lens distortion.

    Attributes:
        width_px: Image width.
        height_px: Image height.
        vertical_fov_rad: Angle between the upper and the lower image border [rad].
        pitch_rad: Downward tilt of the optical axis [rad].
        height_m: Height of the optical centre above the ground [m].
        forward_m: Distance of the optical centre ahead of the axle [m].
    """

    width_px: int = 160
    height_px: int = 120
    vertical_fov_rad: float = math.radians(75.0)
    pitch_rad: float = math.radians(19.15)
    height_m: float = 0.108
    forward_m: float = 0.066

    def __post_init__(self) -> None:
        if not (8 <= self.width_px <= 4096 and 8 <= self.height_px <= 4096):
            raise InvalidInput(f"A camera has 8 to 4096 pixels a side; got {self.width_px} x {self.height_px}.")
        if not (0.0 < self.vertical_fov_rad < math.pi and self.height_m > 0.0):
            raise InvalidInput("A camera's field of view is within (0, pi) rad and its height is above 0 m.")
        if not abs(self.pitch_rad) < math.pi / 2 - 0.01:
            raise InvalidInput(f"A camera's pitch is within (-pi/2, pi/2) rad; got {self.pitch_rad}.")

    @property
    def focal_px(self) -> float:
        """Focal length, in both directions [px]."""
        return 0.5 * self.height_px / math.tan(0.5 * self.vertical_fov_rad)

    @property
    def centre_px(self) -> tuple[float, float]:
        """Principal point (u, v) [px]."""
        return 0.5 * (self.width_px - 1), 0.5 * (self.height_px - 1)

    @property
    def horizon_px(self) -> float:
        """Row v at which the ground's horizon lies [px]; may be outside the image."""
        return self.centre_px[1] - self.focal_px * math.tan(self.pitch_rad)

    @property
    def intrinsics(self) -> Matrix:
        """K, (3, 3): image from camera (x right, y down, z along the optical axis)."""
        (cu, cv), focal = self.centre_px, self.focal_px
        return np.array([[focal, 0.0, cu], [0.0, focal, cv], [0.0, 0.0, 1.0]])

    @property
    def image_from_ground(self) -> Matrix:
        """Homography, (3, 3): (X, Y, 1) [m] on the ground in the robot frame to (u, v, 1) [px], up to scale.

        The scale is the depth: positive in front of the camera.
        """
        sin, cos = math.sin(self.pitch_rad), math.cos(self.pitch_rad)
        camera_from_ground = np.array(
            [
                [0.0, -1.0, 0.0],
                [-sin, 0.0, self.height_m * cos + self.forward_m * sin],
                [cos, 0.0, self.height_m * sin - self.forward_m * cos],
            ]
        )
        return np.asarray(self.intrinsics @ camera_from_ground)

    @property
    def ground_from_image(self) -> Matrix:
        """Homography, (3, 3): (u, v, 1) [px] below the horizon to (X, Y, 1) [m] on the ground, up to scale."""
        return np.asarray(np.linalg.inv(self.image_from_ground))

    def project(self, points: Matrix) -> Matrix:
        """Where ground points appear.

        Args:
            points: (N, 2) float64 [m], in the robot frame.

        Returns:
            (N, 2) float64 [px]: u, v; NaN for points behind the camera.
        """
        scaled = np.column_stack([points, np.ones(len(points))]) @ self.image_from_ground.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(scaled[:, 2:] > 0.0, scaled[:, :2] / scaled[:, 2:], np.nan)

    def footprint(self, row: float) -> tuple[float, float]:
        """Size of a pixel on the ground in a row below the horizon.

        Returns:
            Across and along the line of sight [m].
        """
        angle = self.pitch_rad + math.atan2(row - self.centre_px[1], self.focal_px)
        if angle <= 0.0:
            return math.inf, math.inf
        slant_m = self.height_m / math.sin(angle)
        depth_m = slant_m * math.cos(angle - self.pitch_rad)
        across_m = depth_m / self.focal_px
        return across_m, across_m * math.cos(angle - self.pitch_rad) / math.sin(angle)
