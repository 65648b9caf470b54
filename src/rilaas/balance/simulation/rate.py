"""Rates of requests over time, with their integrals: the number of requests expected until then."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rilaas.balance.simulation.duration import LARGEST
from rilaas.core import InvalidInput

Floats = npt.NDArray[np.float64]
_STEP_S = 1e-3  # of the table that inverts a sinusoid's integral
_MAX_STEPS = 2_000_000


class Rate(Protocol):
    """Requests a second over time."""

    def at(self, time_s: npt.ArrayLike) -> Floats:
        """The rate at some times, of any shape [1/s]."""
        ...

    def expected(self, until_s: float) -> float:
        """Requests expected from 0 until then."""
        ...

    def when(self, count: Floats, until_s: float) -> Floats:
        """The inverse: when so many are expected [s], not after ``until_s``."""
        ...


@dataclass(frozen=True, slots=True)
class Steps:
    """A rate that changes at some times and stays in between.

    Attributes:
        from_s: When each rate begins [s], ascending from 0.
        per_s: The rates [1/s].
    """

    from_s: tuple[float, ...]
    per_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.from_s) != len(self.per_s) or not self.from_s or self.from_s[0] != 0.0:
            raise InvalidInput(f"A rate in steps has times {self.from_s} and rates {self.per_s}: as many, from 0 s.")
        if not all(a < b <= LARGEST for a, b in zip(self.from_s, self.from_s[1:], strict=False)):
            raise InvalidInput(f"A rate in steps has times {self.from_s} that do not ascend.")
        for rate in self.per_s:
            if not 0.0 <= rate <= LARGEST:
                raise InvalidInput(f"A rate of {rate} requests a second.", f"A rate is 0 or more, to {LARGEST:g}.")
        if not any(self.per_s):
            raise InvalidInput("A rate that is always 0: nothing would ever be asked.")

    def at(self, time_s: npt.ArrayLike) -> Floats:
        """See ``Rate``."""
        place = np.searchsorted(np.asarray(self.from_s), np.asarray(time_s, np.float64), side="right") - 1
        return np.asarray(self.per_s, np.float64)[np.maximum(place, 0)]

    def expected(self, until_s: float) -> float:
        """See ``Rate``."""
        return float(self._integral(until_s)[1][-1])

    def when(self, count: Floats, until_s: float) -> Floats:
        """See ``Rate``: exact, since the integral is linear in between."""
        times, counts = self._integral(until_s)
        rising = np.concatenate([[True], np.diff(counts) > 0])
        starts = np.concatenate([rising[1:], [True]])  # where a rate of 0 ends, requests come after it
        place = np.searchsorted(counts[starts], count, side="right") - 1
        begin, base = times[starts][place], counts[starts][place]
        return np.asarray(begin + (count - base) / np.maximum(self.at(begin), 1e-300))

    def _integral(self, until_s: float) -> tuple[Floats, Floats]:
        """Times at which the rate changes, and the requests expected until then."""
        inner = [each for each in self.from_s if each < until_s]
        times = np.asarray([*inner, until_s], np.float64)
        return times, np.concatenate([[0.0], np.cumsum(np.diff(times) * np.asarray(self.per_s[: len(inner)]))])


@dataclass(frozen=True, slots=True)
class Sinusoid:
    """A rate that swings around a mean; it begins at the mean and rises.

    Attributes:
        mean_per_s: What it swings around [1/s].
        amplitude_per_s: How far, at most the mean [1/s].
        frequency_hz: How often a second.
    """

    mean_per_s: float
    amplitude_per_s: float
    frequency_hz: float

    def __post_init__(self) -> None:
        told = {"mean": self.mean_per_s, "amplitude": self.amplitude_per_s, "frequency": self.frequency_hz}
        for what, value in told.items():
            if not 0.0 < value <= LARGEST:
                raise InvalidInput(f"A sinusoidal rate has {what} {value}; it is above 0, to {LARGEST:g}.")
        if self.amplitude_per_s > self.mean_per_s:
            raise InvalidInput(
                f"A rate that swings by {self.amplitude_per_s:g} around {self.mean_per_s:g} would be negative.",
                "The amplitude is at most the mean.",
            )

    def at(self, time_s: npt.ArrayLike) -> Floats:
        """See ``Rate``."""
        turn = 2 * math.pi * self.frequency_hz * np.asarray(time_s, np.float64)
        return np.asarray(self.mean_per_s + self.amplitude_per_s * np.sin(turn))

    def expected(self, until_s: float) -> float:
        """See ``Rate``."""
        return float(self._count(np.asarray(until_s)))

    def when(self, count: Floats, until_s: float) -> Floats:
        """See ``Rate``: from a table of the integral every millisecond."""
        times = np.linspace(0.0, until_s, math.ceil(min(until_s / _STEP_S, _MAX_STEPS)) + 1)
        return np.interp(count, self._count(times), times)

    def _count(self, time_s: Floats) -> Floats:
        turn = 2 * math.pi * self.frequency_hz
        return np.asarray(self.mean_per_s * time_s + self.amplitude_per_s / turn * (1 - np.cos(turn * time_s)))


def constant(per_s: float) -> Steps:
    """The same rate always."""
    return Steps((0.0,), (per_s,))


def with_spikes(per_s: float, extra_per_s: float, length_s: float, at_s: tuple[float, ...]) -> Steps:
    """A rate that some spikes add to.

    Args:
        per_s: Between the spikes [1/s].
        extra_per_s: What a spike adds [1/s].
        length_s: How long each is [s].
        at_s: When they begin [s]; none begins before the one before has ended.
    """
    if not 0.0 < length_s <= LARGEST:
        raise InvalidInput(f"A spike of {length_s} s; it takes a time above 0, to {LARGEST:g} s.")
    if not at_s:
        raise InvalidInput("A load of spikes has none.", "Say in at_s when they begin.")
    changes: dict[float, float] = {0.0: per_s}
    for at, following in zip(at_s, (*at_s[1:], math.inf), strict=True):
        if not (at >= 0.0 and at + length_s <= following):
            raise InvalidInput(f"Spikes of {length_s:g} s at {list(at_s)} s: they ascend from 0 and do not overlap.")
        changes[at] = per_s + extra_per_s
        if at + length_s < following:
            changes[at + length_s] = per_s
    return Steps(tuple(changes), tuple(changes.values()))
