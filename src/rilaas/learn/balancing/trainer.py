"""What every training of a balancing policy takes and gives."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from rilaas.balance.simulation.suite import LoadSuite
from rilaas.core import InvalidInput
from rilaas.report import provenance

TEST_SEED = 1
VALIDATION_SEED = 500_001
_TRAINING_SEED, _SEEDS_EACH = 1_000_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """When a training ends; with ``steps`` alone the same seed gives the same result.

    Attributes:
        steps: After so many decisions; None where time alone counts.
        minutes: After so long [min]; None where steps alone count.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise InvalidInput(f"A training of {self.steps} steps learns nothing.", "Give 1 or more.")
        if self.minutes is not None and not 0.0 < self.minutes < math.inf:
            raise InvalidInput(f"A training takes more than 0 minutes and ends; got {self.minutes}.")


class Clock:
    """How far a training is.

    Args:
        limit: When it ends.
        steps: After so many where the limit names neither steps nor minutes.
    """

    def __init__(self, limit: Limit, steps: int) -> None:
        self._minutes = limit.minutes
        self._steps = steps if limit.steps is None and limit.minutes is None else limit.steps
        self._start = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Since it began [s]."""
        return time.monotonic() - self._start

    def share(self, steps: int) -> float:
        """Of the way, 0 to 1; the clock is not read where steps alone count."""
        by_steps = steps / self._steps if self._steps is not None else 0.0
        by_time = self.elapsed_s / (60.0 * self._minutes) if self._minutes is not None else 0.0
        return min(1.0, max(by_steps, by_time))


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How good the policy was after some steps.

    Attributes:
        steps: Decisions, or whatever the training counts, until then.
        mean_s: Mean latency on the training loads with held-out seeds, of the frozen policy [s].
    """

    steps: int
    mean_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Told while a training runs.

    Attributes:
        steps: Until now.
        share: Of the way, 0 to 1.
        elapsed_s: Since it began [s].
        point: The newest of the curve, right after it was measured; else None.
        reference_s: Least connections on what the curve is measured with [s]; NaN where nobody measured it.
        note: What else there is to say, such as the exploration's share.
    """

    steps: int
    share: float
    elapsed_s: float
    point: CurvePoint | None = None
    reference_s: float = math.nan
    note: str = ""


Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What came of a training.

    Attributes:
        kind: The policy's name in ``rilaas.balance.BALANCERS``.
        arrays: What ``write_learned`` takes.
        card: The same, without ``validation``, which is measured afterwards.
        curve: In rising order of steps.
        reference_s: Least connections on what the curve was measured with [s]; NaN where nobody measured it.
        seed: Of the training.
        is_whole: Whether it went on to its end; not where it was interrupted.
    """

    kind: str
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    card: Mapping[str, Any] = field(repr=False)
    curve: tuple[CurvePoint, ...]
    reference_s: float
    seed: int
    is_whole: bool = True


class Trainer(Protocol):
    """Trains one kind of policy."""

    def __call__(self, suite: LoadSuite, *, seed: int, limit: Limit, tell: Tell) -> Trained:
        """Train on a suite's training loads; its test loads are not looked at.

        Args:
            suite: Where to.
            seed: Of all that chance decides: the same seed and number of steps give the same arrays.
            limit: When to end; the trainer's own number of steps where it names none.
            tell: Called several times a second, and after each point of the curve.

        Returns:
            The best policy of the curve. Ctrl-C ends it early, with the best so far.

        Raises:
            InvalidInput: The suite is nothing to train on.
            KeyboardInterrupt: Ctrl-C before there was a first policy.
        """
        ...


def training_seed(seed: int, episode: int) -> int:
    """The simulation's seed of an episode: none of those that policies are validated or tested with."""
    return _TRAINING_SEED + _SEEDS_EACH * seed + episode % _SEEDS_EACH


def suite_digest(suite: LoadSuite) -> str:
    """SHA-256 of all that a suite says, as hexadecimal: two of the same name may differ."""
    return hashlib.sha256(repr(suite).encode()).hexdigest()


def origin(suite: LoadSuite, seed: int, steps: int) -> dict[str, Any]:
    """What a card says of where arrays come from."""
    source = provenance((seed,))
    return {
        "suite": suite.name,
        "suite_sha256": suite_digest(suite),
        "loads": [load.name for load in suite.train],
        "seed": seed,
        "steps": steps,
        "version": source.version,
        "commit": source.commit,
        "created_utc": source.created_utc,
    }


def check_trainable(suite: LoadSuite) -> None:
    """Raise ``InvalidInput`` where a suite has no load to train on."""
    if not suite.train:
        raise InvalidInput(f"Suite {suite.name!r} has no loads to train on.", "train has a load or more.")
