"""What is asked of a cluster: requests that come whatever happens, or robots that wait for their answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rilaas.balance.simulation.duration import LARGEST, Duration
from rilaas.balance.simulation.rate import Rate
from rilaas.core import InvalidInput, did_you_mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PROCESSES = ("even", "poisson")
MAX_REQUESTS = 10_000_000
MAX_ROBOTS = 1_000_000
_ARRIVALS = 7  # names the stream of random numbers, which has nothing to do with that of the servers


@runtime_checkable
class Load(Protocol):
    """What all loads have."""

    @property
    def name(self) -> str:
        """For tables."""
        ...

    @property
    def duration_s(self) -> float:
        """How long requests are begun [s]; those in flight at the end are waited for."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are asked for."""
        ...


@runtime_checkable
class OpenLoad(Load, Protocol):
    """Requests that come whatever became of those before."""

    def arrivals(self, seed: int) -> tuple[Floats, Ints]:
        """When requests come and for which model.

        Returns:
            times: (N,) float64 [s], ascending, in [0, duration_s).
            model: (N,) int64, indices into ``models``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """An open loop at a rate that changes with time.

    Attributes:
        name: For tables.
        models: They alternate in this order, request by request, unless ``shares`` are given.
        rate: Requests a second over time, all models together.
        process: ``even`` (as evenly as the rate allows, from a random phase) or ``poisson``.
        duration_s: How long requests come [s].
        shares: Each request's model is drawn with these shares, which sum to 1; () to alternate.
    """

    name: str
    models: tuple[str, ...]
    rate: Rate
    process: str = "even"
    duration_s: float = 120.0
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_load(self.name, self.models, self.duration_s)
        if self.process not in PROCESSES:
            raise InvalidInput(f"Requests do not come by {self.process!r}.", did_you_mean(self.process, PROCESSES))
        _check_shares(self.name, self.models, self.shares)
        if not self.rate.expected(self.duration_s) <= MAX_REQUESTS:
            raise InvalidInput(
                f"Load {self.name!r} makes {self.rate.expected(self.duration_s):g} requests.",
                f"At most {MAX_REQUESTS:,} are simulated: lower the rate, or the duration.",
            )

    def arrivals(self, seed: int) -> tuple[Floats, Ints]:
        """See ``OpenLoad``: a process of rate 1, stretched by the inverse of the rate's integral."""
        rng = np.random.default_rng([_ARRIVALS, seed])
        expected = self.rate.expected(self.duration_s)
        if self.process == "even":
            counts = rng.random() + np.arange(math.ceil(expected) + 1, dtype=np.float64)
        else:
            counts = _unit_poisson(rng, expected)
        at_s = self.rate.when(counts[counts < expected], self.duration_s)
        at_s = np.minimum(at_s, np.nextafter(self.duration_s, 0.0))
        if self.shares:
            return at_s, rng.choice(len(self.models), size=len(at_s), p=self.shares)
        return at_s, np.arange(len(at_s)) % len(self.models)


@dataclass(frozen=True, slots=True)
class Trace:
    """An open loop as it was recorded.

    Attributes:
        name: For tables.
        models: Names of the models.
        at_s: When requests came [s], ascending from 0.
        model: Their models, as indices into ``models``; one for each request.
        duration_s: How long the trace is [s], at least to its last request.
    """

    name: str
    models: tuple[str, ...]
    at_s: tuple[float, ...]
    model: tuple[int, ...]
    duration_s: float

    def __post_init__(self) -> None:
        _check_load(self.name, self.models, self.duration_s)
        if len(self.at_s) != len(self.model):
            raise InvalidInput(f"Trace {self.name!r} has {len(self.at_s)} times and {len(self.model)} models.")
        times = np.asarray(self.at_s, np.float64)
        if len(times) and not (np.isfinite(times).all() and times[0] >= 0 and (np.diff(times) >= 0).all()):
            raise InvalidInput(f"Trace {self.name!r} has times that do not ascend from 0.")
        if len(times) and times[-1] > self.duration_s:
            raise InvalidInput(f"Trace {self.name!r} goes on after its {self.duration_s:g} s, until {times[-1]:g} s.")
        if not all(0 <= each < len(self.models) for each in self.model):
            raise InvalidInput(f"Trace {self.name!r} asks for models that it does not name.")

    def arrivals(self, seed: int) -> tuple[Floats, Ints]:
        """See ``OpenLoad``; the same for every seed."""
        return np.asarray(self.at_s, np.float64), np.asarray(self.model, np.int64)


@dataclass(frozen=True, slots=True)
class Robots:
    """A closed loop: each robot asks for the models of a chain one after another, works, and begins again.

    A robot waits for its answer before it asks again, so it never has two requests in flight. One whose request
    failed works as if it had been answered at the end of the chain, and begins again.

    Attributes:
        name: For tables.
        models: Names of the models.
        count: How many robots.
        chain: Models in the order of one cycle, as the decluttering: object recognition, then grasp planning.
        think: What a robot does between its last answer and its next first query.
        duration_s: After that nothing is asked [s].
    """

    name: str
    models: tuple[str, ...]
    count: int
    chain: tuple[str, ...]
    think: Duration
    duration_s: float = 120.0

    def __post_init__(self) -> None:
        _check_load(self.name, self.models, self.duration_s)
        if type(self.count) is not int or not 1 <= self.count <= MAX_ROBOTS:
            raise InvalidInput(f"Load {self.name!r} has {self.count!r} robots; it has 1 or more, to {MAX_ROBOTS:,}.")
        if not self.chain:
            raise InvalidInput(f"Load {self.name!r} has robots that ask for nothing.", "chain has a model or more.")
        for model in self.chain:
            if model not in self.models:
                raise InvalidInput(f"Load {self.name!r} asks for {model!r}.", did_you_mean(model, self.models))

    @property
    def steps(self) -> tuple[int, ...]:
        """The chain as indices into ``models``."""
        return tuple(self.models.index(model) for model in self.chain)


def _unit_poisson(rng: np.random.Generator, expected: float) -> Floats:
    """Times of a Poisson process of rate 1, up to ``expected`` or a little further."""
    times = np.cumsum(rng.exponential(size=int(expected + 6 * math.sqrt(expected) + 20)))
    while times[-1] < expected:
        times = np.concatenate([times, times[-1] + np.cumsum(rng.exponential(size=100))])
    return times


def _check_load(name: str, models: Sequence[str], duration_s: float) -> None:
    if not models or len(set(models)) != len(models):
        raise InvalidInput(f"Load {name!r} has models {list(models)}: one or more, each once.")
    if not 0.0 < duration_s <= LARGEST:
        raise InvalidInput(f"Load {name!r} takes {duration_s} s; it takes a time above 0, to {LARGEST:g} s.")


def _check_shares(name: str, models: Sequence[str], shares: Sequence[float]) -> None:
    if not shares:
        return
    if len(shares) != len(models):
        raise InvalidInput(f"Load {name!r} has {len(shares)} shares for {len(models)} models.")
    if not all(math.isfinite(share) and share >= 0.0 for share in shares):
        raise InvalidInput(f"Load {name!r} has shares {list(shares)}; a share is 0 to 1.")
    if abs(sum(shares) - 1.0) > 1e-9:
        raise InvalidInput(f"Load {name!r} has shares that sum to {sum(shares):g}; they sum to 1.")
