"""What the world looks like to the camera: colours, light, wear, noise, and a camera that is not quite as specified.

``Appearance()`` is the fixed one; ``vary`` draws another from a generator, for domain randomisation and for scenarios
with ``appearance = "varied"``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.view.camera import Camera

Colour = tuple[float, float, float]
"""Red, green, blue from 0 to 255, before light and tone."""

GROUND: Mapping[str, Colour] = {
    "road": (74.0, 74.0, 78.0),
    "asphalt": (84.0, 84.0, 88.0),
    "grass": (86.0, 122.0, 62.0),
    "floor": (150.0, 138.0, 122.0),
    "empty": (34.0, 34.0, 36.0),
    "outside": (87.0, 121.0, 66.0),
}


@dataclass(frozen=True, slots=True)
class Appearance:
    """One look of the world.

    Attributes:
        ground: Colour by tile kind; ``road`` stands for every kind with lanes, ``outside`` for all that is far away.
        white: Colour of the edge lines.
        yellow: Colour of the centre line.
        red: Colour of the stop lines.
        grain: Relative standard deviation of the ground's texture.
        wear: Share of the paint that is worn off, from 0 to 1.
        unevenness: Relative strength of slow changes of light over the ground.
        shadows: Number of soft shadows on each tile, on average.
        gain: Factor on red, green and blue: brightness and colour temperature.
        contrast: Factor on the distance from mid grey.
        gamma: Exponent of the tone curve.
        sky: Colour at the upper image border, before the tone curve.
        haze: Colour at the horizon.
        noise: Standard deviation of the noise on each pixel of each frame [grey levels of 255].
        blur_px: Standard deviation of the camera's blur [px]; 0 is sharp.
        pitch_error_rad: Added to the camera's pitch [rad].
        height_error_m: Added to the camera's height [m].
        seed: Draws the texture itself.
    """

    ground: Mapping[str, Colour] = field(default_factory=lambda: GROUND)
    white: Colour = (232.0, 232.0, 228.0)
    yellow: Colour = (226.0, 182.0, 44.0)
    red: Colour = (188.0, 38.0, 38.0)
    grain: float = 0.05
    wear: float = 0.05
    unevenness: float = 0.0
    shadows: float = 0.0
    gain: Colour = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    gamma: float = 1.0
    sky: Colour = (150.0, 186.0, 226.0)
    haze: Colour = (206.0, 216.0, 224.0)
    noise: float = 0.0
    blur_px: float = 0.0
    pitch_error_rad: float = 0.0
    height_error_m: float = 0.0
    seed: int = 0

    def mount(self, camera: Camera) -> Camera:
        """The camera as it is really mounted."""
        return replace(
            camera,
            pitch_rad=camera.pitch_rad + self.pitch_error_rad,
            height_m=camera.height_m + self.height_error_m,
        )

    def tone(self) -> NDArray[np.uint8]:
        """Tone curve, (256, 3) uint8: what the camera makes of a grey level, by channel."""
        level = np.linspace(0.0, 1.0, 256)[:, None] * np.asarray(self.gain)
        level = 0.5 + self.contrast * (np.clip(level, 0.0, None) ** self.gamma - 0.5)
        return np.asarray(np.round(255.0 * np.clip(level, 0.0, 1.0)), np.uint8)


def vary(rng: np.random.Generator) -> Appearance:
    """Draw an appearance: another hour, another room, another roll of tape, another camera."""
    brightness = math.exp(rng.normal(0.0, 0.2))
    warmth = rng.normal(0.0, 0.08)
    tint = rng.normal(0.0, 0.03)
    indoors = bool(rng.random() < 0.5)
    return Appearance(
        ground={
            "road": _near(rng, _grey(rng, 40.0, 110.0), 5.0),
            "asphalt": _near(rng, _grey(rng, 50.0, 120.0), 5.0),
            "grass": _near(rng, GROUND["floor"], 28.0) if rng.random() < 0.25 else _near(rng, GROUND["grass"], 24.0),
            "floor": _near(rng, GROUND["floor"], 30.0),
            "empty": _near(rng, _grey(rng, 20.0, 90.0), 8.0),
            "outside": _near(rng, _grey(rng, 30.0, 160.0), 16.0),
        },
        white=_near(rng, _grey(rng, 190.0, 245.0), 8.0),
        yellow=_near(rng, (222.0, 178.0, 52.0), 20.0),
        red=_near(rng, (184.0, 44.0, 44.0), 20.0),
        grain=rng.uniform(0.02, 0.12),
        wear=rng.uniform(0.0, 0.35),
        unevenness=rng.uniform(0.0, 0.25),
        shadows=rng.uniform(0.0, 0.5),
        gain=(brightness * math.exp(warmth), brightness * math.exp(tint), brightness * math.exp(-warmth)),
        contrast=rng.uniform(0.8, 1.2),
        gamma=math.exp(rng.normal(0.0, 0.12)),
        sky=_near(rng, _grey(rng, 60.0, 220.0), 16.0) if indoors else _near(rng, (150.0, 186.0, 226.0), 24.0),
        haze=_near(rng, _grey(rng, 60.0, 220.0), 16.0) if indoors else _near(rng, (206.0, 216.0, 224.0), 24.0),
        noise=rng.uniform(1.0, 8.0),
        blur_px=max(0.0, rng.uniform(-0.4, 0.8)),
        pitch_error_rad=math.radians(rng.normal(0.0, 0.8)),
        height_error_m=rng.normal(0.0, 0.003),
        seed=int(rng.integers(2**31)),
    )


def _grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    level = rng.uniform(low, high)
    return level, level, level


def _near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    red, green, blue = np.clip(np.asarray(colour) + rng.normal(0.0, spread, 3), 0.0, 255.0)
    return float(red), float(green), float(blue)
