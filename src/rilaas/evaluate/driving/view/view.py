"""Camera frames from the picture of the ground, by homography, and what stands on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.view.appearance import Appearance
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.ground import Ground
from rilaas.evaluate.driving.view.standing import Painter

Frame = NDArray[np.uint8]

MAX_SAMPLES = 8
"""Most samples over the height of a pixel."""
_NOISE_FIELDS = 8
_NOISE_SPARE_PX = 64
_NOISE_DRAWS = 4096


@dataclass(frozen=True, slots=True)
class Band:
    """Image rows that are drawn in the same way.

    A pixel of a far row covers much ground along the line of sight and little across. Such rows are drawn from a
    smaller picture of the ground, with several samples over the height of a pixel, which are then averaged.

    Attributes:
        first: First row.
        end: One past the last row.
        level: Which picture of the ground.
        samples: Samples over the height of a pixel.
    """

    first: int
    end: int
    level: int
    samples: int


def bands_of(camera: Camera, px_per_m: float, levels: int) -> list[Band]:
    """Rows below the horizon, grouped; the first row is at least one below it."""
    bands: list[Band] = []
    for row in range(max(0, math.floor(camera.horizon_px) + 2), camera.height_px):
        across_m, along_m = camera.footprint(row)
        level = int(np.clip(math.floor(math.log2(max(1.0, across_m * px_per_m)) + 0.5), 0, levels - 1))
        wanted = along_m * px_per_m / 2**level
        samples = min(MAX_SAMPLES, 2 ** max(0, round(math.log2(wanted))))
        if bands and (bands[-1].level, bands[-1].samples) == (level, samples):
            bands[-1] = Band(bands[-1].first, row + 1, level, samples)
        else:
            bands.append(Band(row, row + 1, level, samples))
    return bands


class View:
    """Draws what a camera sees of a ground. Deterministic: the same pose and frame number give the same bytes.

    OpenCV runs on one thread from then on: frames are small, and other processes need the cores.

    Args:
        ground: What is seen.
        appearance: Sky, blur, noise and the camera's mounting errors.
        camera: As specified.
        noise: Standard deviation of the noise on each pixel [grey levels]; that of the appearance where None.
        seed: Draws the noise.
    """

    def __init__(
        self,
        ground: Ground,
        appearance: Appearance | None = None,
        camera: Camera | None = None,
        *,
        noise: float | None = None,
        seed: int = 0,
    ) -> None:
        cv2.setNumThreads(1)
        appearance = appearance or Appearance()
        self.camera = appearance.mount(camera or Camera())
        self._ground = ground
        self._blur_px = appearance.blur_px
        self._bands = [
            (band, ground.picture_from_map(band.level), self._ground_from_samples(band))
            for band in bands_of(self.camera, ground.px_per_m, len(ground.levels))
        ]
        self._painter = Painter(self.camera, appearance)
        self._background = _background(self.camera, appearance, ground)
        self._noise = _Noise(self.camera, appearance.noise if noise is None else noise, seed)

    def frame(
        self,
        pose: Pose,
        number: int = 0,
        standing: Sequence[tuple[Actor, Pose]] = (),
        signals: Sequence[tuple[StopLine, int]] = (),
    ) -> Frame:
        """Draw one frame.

        Args:
            pose: Of the axle's middle: x [m], y [m], heading [rad], in the map's frame.
            number: Which frame of the episode it is; chooses the noise.
            standing: Who else is on the ground and where, in any order.
            signals: Stop lines that have a traffic light, and its state; see ``road.actor``.

        Returns:
            (H, W, 3) uint8 RGB, owned by the caller.
        """
        image = self._background.copy()
        width = self.camera.width_px
        x, y, heading = pose
        sin, cos = math.sin(heading), math.cos(heading)
        map_from_robot = np.array([[cos, -sin, x], [sin, cos, y], [0.0, 0.0, 1.0]])
        for band, picture_from_map, ground_from_samples in self._bands:
            matrix = picture_from_map @ map_from_robot @ ground_from_samples
            rows = (band.end - band.first) * band.samples
            samples = cv2.warpPerspective(
                self._ground.levels[band.level],
                matrix,
                (width, rows),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=self._ground.outside,
            )
            if band.samples > 1:
                samples = cv2.resize(samples, (width, band.end - band.first), interpolation=cv2.INTER_AREA)
            image[band.first : band.end] = samples
        if standing or signals:
            self._painter.draw(image, pose, standing, signals)
        if self._blur_px:
            image = cv2.GaussianBlur(image, (5, 5), self._blur_px)
        return self._noise.add(image, number)

    def _ground_from_samples(self, band: Band) -> NDArray[np.float64]:
        """Homography: samples of a band, whose first row has number 0, to the ground in the robot frame."""
        step = 1.0 / band.samples
        image_from_samples = np.array([[1.0, 0.0, 0.0], [0.0, step, band.first + 0.5 * step - 0.5], [0.0, 0.0, 1.0]])
        return np.asarray(self.camera.ground_from_image @ image_from_samples)


def _background(camera: Camera, appearance: Appearance, ground: Ground) -> Frame:
    """Sky down to the horizon, plain ground below."""
    share = np.clip(np.arange(camera.height_px) / max(1.0, camera.horizon_px), 0.0, 1.0)[:, None]
    rows = (1.0 - share) * np.asarray(appearance.sky) + share * np.asarray(appearance.haze)
    rows = appearance.tone()[np.round(rows).astype(int), range(3)]
    rows[np.arange(camera.height_px) > camera.horizon_px] = ground.outside
    return np.ascontiguousarray(np.broadcast_to(rows[:, None], (camera.height_px, camera.width_px, 3)))


class _Noise:
    """Gaussian noise from a few fields drawn beforehand, shifted anew for each frame."""

    def __init__(self, camera: Camera, deviation: float, seed: int) -> None:
        self._size = camera.height_px, camera.width_px
        self._deviation = deviation
        if not deviation:
            return
        rng = np.random.default_rng([seed, 0x401])
        shape = (_NOISE_FIELDS, self._size[0] + _NOISE_SPARE_PX, self._size[1] + _NOISE_SPARE_PX, 3)
        fields = np.round(deviation * rng.standard_normal(shape, np.float32))
        self._more = np.clip(fields, 0.0, 255.0).astype(np.uint8)
        self._less = np.clip(-fields, 0.0, 255.0).astype(np.uint8)
        limits = (_NOISE_FIELDS, _NOISE_SPARE_PX + 1, _NOISE_SPARE_PX + 1)
        self._draws = [tuple(draw) for draw in rng.integers(0, limits, (_NOISE_DRAWS, 3)).tolist()]

    def add(self, image: Frame, number: int) -> Frame:
        if not self._deviation:
            return image
        field, top, left = self._draws[number % _NOISE_DRAWS]
        cut = (field, slice(top, top + self._size[0]), slice(left, left + self._size[1]))
        cv2.add(image, self._more[cut], dst=image)
        cv2.subtract(image, self._less[cut], dst=image)
        return image
