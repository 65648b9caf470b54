"""A camera with faults, above any simulator: which frame comes instead of the newest, and what is wrong with it."""

from __future__ import annotations

import math

import numpy as np

from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.simulator import HISTORY

_DROPS, _BLACKOUTS, _NOISE, _FIELD = 0xFA00, 0xFA01, 0xFA02, 0xFA03


class FaultyCamera:
    """What a scenario's ``camera_faults`` make of its frames.

    Everything is drawn from the seed by the number of the frame that was taken, never by how often or when somebody
    looks: two policies of different speed have the same faults.

    Args:
        scenario: Its ``camera_faults``, seed, duration and time step.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._faults, self._seed = scenario.camera_faults, scenario.seed
        count = round(scenario.duration_s / scenario.dt_s) + 1
        self._is_lost = self._draw(_DROPS, count) < self._faults.dropped_share
        self._is_noisy = self._draw(_NOISE, count) < self._faults.noise_share
        self._is_black = self._blackouts(count, scenario.dt_s)
        self._is_lost[:1] = False  # something has to be seen first

    def shown(self, newest: int) -> int:
        """Number of the frame that is seen when this is the newest that was taken.

        It is late, and the last one that was not lost; never older than a simulator can show.
        """
        oldest = max(0, newest - HISTORY)
        number = max(oldest, newest - self._faults.delay_frames)
        while number > oldest and self._is_lost[number]:
            number -= 1
        return number

    def spoil(self, image: Frame, number: int) -> Frame:
        """What is seen of a frame.

        Args:
            image: (H, W, 3) uint8 RGB, the caller's own.
            number: The frame's.

        Returns:
            (H, W, 3) uint8 RGB: black, noisy, or the image itself.
        """
        if self._is_black[number]:
            return np.zeros_like(image)
        if not self._is_noisy[number]:
            return image
        rng = np.random.default_rng([self._seed, _FIELD, number])
        noise = self._faults.noise * rng.standard_normal(image.shape, np.float32)
        return np.asarray(np.clip(np.round(image + noise), 0.0, 255.0), np.uint8)

    def _blackouts(self, count: int, dt_s: float) -> np.ndarray:
        """Which frames are black, (count,) bool: blackouts begin at random, as the events of a Poisson process."""
        is_black = np.zeros(count, bool)
        if not self._faults.blackouts_per_min:
            return is_black
        begins = self._draw(_BLACKOUTS, count) < -math.expm1(-self._faults.blackouts_per_min / 60.0 * dt_s)
        length = max(1, round(self._faults.blackout_s / dt_s))
        for first in np.flatnonzero(begins):
            is_black[first : first + length] = True
        return is_black

    def _draw(self, stream: int, count: int) -> np.ndarray:
        return np.random.default_rng([self._seed, stream]).random(count)
