"""A random duration: of a computation, of a way through a network, of a robot's work between two queries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rilaas.balance.simulation.normal import SMALLEST_U, normal_quantile
from rilaas.core import InvalidInput, did_you_mean

SHAPES = ("constant", "normal", "lognormal", "exponential", "gamma", "uniform", "samples")
FLOOR = 0.05  # of its mean: a normal duration is cut there, since nothing takes no time
LARGEST = 1e9  # seconds of a duration, requests a second: more is a mistake, and would overflow
_TABLE_Z = np.linspace(-8.5, 8.5, 3401)

Draw = Callable[[float, float], float]
"""Takes a probability and the standard normal quantile of the same; returns a duration [s]."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A distribution of durations, told by its quantiles: so the same luck can meet every policy.

    Attributes:
        mean_s: Its mean [s].
        cv: Its standard deviation by its mean (coefficient of variation).
        shape: One of ``SHAPES``; ``normal`` is cut at ``FLOOR`` of the mean (which moves the mean by under 0.5 %).
        samples_s: Measured durations [s] to draw from; mean and cv are then theirs.

    Raises:
        InvalidInput: No such duration is possible; the message says what would be.
    """

    mean_s: float
    cv: float = 0.0
    shape: str = ""
    samples_s: tuple[float, ...] = ()
    _table_s: npt.NDArray[np.float64] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.samples_s:
            self._describe_samples()
        if not self.shape:
            object.__setattr__(self, "shape", "normal" if self.cv else "constant")
        if self.shape not in SHAPES:
            raise InvalidInput(f"A duration has no shape {self.shape!r}.", did_you_mean(self.shape, SHAPES))
        if self.shape == "samples" and not self.samples_s:
            raise InvalidInput("A duration that is drawn from samples needs them.", "Give samples_s.")
        if self.shape == "exponential" and not self.cv:
            object.__setattr__(self, "cv", 1.0)
        self._check()
        if self.shape == "gamma":
            object.__setattr__(self, "_table_s", _gamma_table(self.mean_s, self.cv))

    @classmethod
    def of(cls, samples_s: Sequence[float]) -> Duration:
        """The distribution of some measured durations [s]."""
        if not len(samples_s):
            raise InvalidInput("A duration cannot be drawn from no samples.")
        return cls(0.0, samples_s=tuple(float(each) for each in samples_s))

    @property
    def std_s(self) -> float:
        """Standard deviation [s]."""
        return self.mean_s * self.cv

    def quantile(self, u: Any) -> Any:
        """The duration under which a share ``u`` of all durations lies.

        Args:
            u: A float in (0, 1), or an array of them.

        Returns:
            float [s], or float64 of the same shape [s].
        """
        probability = np.clip(np.asarray(u, np.float64), SMALLEST_U, 1.0 - 2 * SMALLEST_U)
        found = self._quantiles(probability)
        return float(found) if np.ndim(u) == 0 else found

    def drawer(self) -> Draw:
        """The quantile of single values, fast: for the inside of a simulation."""
        mean, std, lowest = self.mean_s, self.std_s, FLOOR * self.mean_s
        if self.shape == "normal":

            def normal(u: float, z: float) -> float:
                found = mean + std * z
                return found if found > lowest else lowest

            return normal
        if self.shape == "exponential":
            log1p = math.log1p
            return lambda u, z: -mean * log1p(-u)
        if self.shape == "lognormal":
            mu, sigma, exp = *self._log_parts(), math.exp
            return lambda u, z: float(exp(mu + sigma * z))
        if self.shape == "uniform":
            low, width = mean - math.sqrt(3) * std, 2 * math.sqrt(3) * std
            return lambda u, z: low + width * u
        if self.shape == "samples":
            samples = self.samples_s
            return lambda u, z: samples[min(int(u * len(samples)), len(samples) - 1)]
        if self._table_s is not None:
            table, first, by_step = self._table_s.tolist(), float(_TABLE_Z[0]), 1 / float(_TABLE_Z[1] - _TABLE_Z[0])

            def tabulated(u: float, z: float) -> float:
                place = (z - first) * by_step
                k = int(place)
                return float(table[k] + (place - k) * (table[k + 1] - table[k]))

            return tabulated
        return lambda u, z: mean

    def _quantiles(self, u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        mean, std = self.mean_s, self.std_s
        if self.shape == "normal":
            return np.asarray(np.maximum(mean + std * normal_quantile(u), FLOOR * mean))
        if self.shape == "exponential":
            return np.asarray(-mean * np.log1p(-u))
        if self.shape == "lognormal":
            mu, sigma = self._log_parts()
            return np.asarray(np.exp(mu + sigma * normal_quantile(u)))
        if self.shape == "uniform":
            return np.asarray(mean + math.sqrt(3) * std * (2 * u - 1))
        if self.shape == "samples":
            count = len(self.samples_s)
            found: npt.NDArray[np.float64] = np.asarray(self.samples_s)[
                np.minimum((u * count).astype(int), count - 1)
            ]
            return found
        if self._table_s is not None:
            return np.asarray(np.interp(normal_quantile(u), _TABLE_Z, self._table_s))
        return np.full(u.shape, mean)

    def _log_parts(self) -> tuple[float, float]:
        variance = math.log1p(self.cv**2)
        return math.log(self.mean_s) - variance / 2, math.sqrt(variance)

    def _describe_samples(self) -> None:
        samples = np.sort(np.asarray(self.samples_s, np.float64))
        if not (np.isfinite(samples).all() and samples[0] >= 0 and 0 < samples[-1] <= LARGEST):
            raise InvalidInput("Samples of a duration are finite, not negative, and not all 0.")
        object.__setattr__(self, "samples_s", tuple(samples.tolist()))
        object.__setattr__(self, "shape", "samples")
        object.__setattr__(self, "mean_s", float(samples.mean()))
        object.__setattr__(self, "cv", float(samples.std() / samples.mean()))

    def _check(self) -> None:
        if not 0.0 <= self.mean_s <= LARGEST:
            raise InvalidInput(f"A duration has a mean of 0 s or more, to {LARGEST:g} s; got {self.mean_s}.")
        if not 0.0 <= self.cv <= 100.0:
            raise InvalidInput(f"A duration has a coefficient of variation of 0 or more, to 100; got {self.cv}.")
        if self.mean_s == 0.0 and self.shape not in ("constant", "samples"):
            raise InvalidInput(f"A duration that is always 0 s has no shape {self.shape!r}.")
        if self.shape == "constant" and self.cv:
            raise InvalidInput(f"A constant duration does not vary; got cv {self.cv}.")
        if self.shape in ("lognormal", "gamma", "normal", "uniform") and not self.cv:
            object.__setattr__(self, "shape", "constant")
        if self.shape == "exponential" and self.cv != 1.0:
            raise InvalidInput(f"An exponential duration has cv 1; got {self.cv}.", "For another cv take 'gamma'.")
        if self.shape == "normal" and self.cv > 0.5:
            raise InvalidInput(
                f"A normal duration that varies by cv {self.cv:g} would often be negative.",
                "Take shape 'lognormal' or 'gamma'; a normal one varies by 0.5 at most.",
            )
        if self.shape == "uniform" and self.cv > 1 / math.sqrt(3):
            raise InvalidInput(f"A uniform duration that varies by cv {self.cv:g} would be negative; 0.577 at most.")
        if self.shape == "gamma" and not 0.02 <= self.cv <= 10:
            raise InvalidInput(f"A gamma duration has a cv of 0.02 to 10; got {self.cv:g}.")


def _gamma_table(mean_s: float, cv: float) -> npt.NDArray[np.float64]:
    """Quantiles of a gamma distribution at the normal quantiles ``_TABLE_Z`` [s].

    The density of log x is integrated from both ends by the trapezoidal rule, so that both tails are exact.
    """
    shape = cv**-2
    centre, below = math.log(shape), 12 * cv + 40 * min(1.0, cv) * cv * cv
    y = np.linspace(centre - below, math.log(shape + 12 * math.sqrt(shape) + 60), 400_001)
    density = np.exp(shape * y - np.exp(y) - (shape * centre - shape))
    parts = (density[1:] + density[:-1]) / 2
    up = np.concatenate([[0.0], np.cumsum(parts)]) / parts.sum()
    down = np.concatenate([np.cumsum(parts[::-1])[::-1], [0.0]]) / parts.sum()
    inside = (up > 1e-17) & (down > 1e-17)
    z = np.where(up < 0.5, normal_quantile(up), -normal_quantile(down))[inside]
    return np.asarray(np.exp(np.interp(_TABLE_Z, z, y[inside])) * mean_s / shape)
