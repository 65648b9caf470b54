"""What came of a run over data sets: errors by output, times, failures, the worst samples."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rilaas.core import Tensors, Timing
from rilaas.report.overlay import error_of
from rilaas.report.overlay.error import comparable
from rilaas.store.dataset import Sample

WORST = 3
"""So many samples are kept to be looked at."""

_MOST_ELEMENTS = 32  # of one output that are told one by one


@dataclass(slots=True, eq=False)
class OutputErrors:
    """Errors of one output, sample by sample, in its own unit.

    Attributes:
        absolute: Mean absolute error of each sample.
        squared: Mean squared error of each sample.
        largest: Largest error of all.
        numbers: How many numbers were compared.
        not_finite: Samples with an output that is not a finite number where one was expected.
        elements: Sums of the error, its absolute value and its square for each number of a small output, (3, E); None
            where it is large, or its size varies.
    """

    absolute: list[float] = field(default_factory=list)
    squared: list[float] = field(default_factory=list)
    largest: float = 0.0
    numbers: int = 0
    not_finite: int = 0
    elements: NDArray[np.float64] | None = None

    def add(self, figures: Mapping[str, float], got: NDArray[np.float64], wanted: NDArray[np.float64]) -> bool:
        """Add a sample's errors; False where one is not finite, and the sample is only counted."""
        if not math.isfinite(figures["rmse"]):
            self.not_finite += 1
            return False
        sums = np.stack([got - wanted, np.abs(got - wanted), np.square(got - wanted)])
        if not self.numbers and got.size <= _MOST_ELEMENTS:
            self.elements = np.zeros((3, got.size))
        if self.elements is not None:
            self.elements = self.elements + sums if self.elements.shape == sums.shape else None
        self.absolute.append(figures["mae"])
        self.squared.append(figures["rmse"] ** 2)
        self.largest = max(self.largest, figures["max"])
        self.numbers += got.size
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Worst:
    """A sample with a large error.

    Attributes:
        squared: Mean squared error over all its numbers.
        index: Which sample, counted over all data sets.
        sample: What was asked and expected.
        outputs: What was answered.
    """

    squared: float
    index: int
    sample: Sample
    outputs: Tensors

    def __lt__(self, other: Worst) -> bool:
        return (self.squared, -self.index) < (other.squared, -other.index)


@dataclass(slots=True, eq=False)
class Outcome:
    """What came of a run so far.

    Attributes:
        total: How many samples there are.
        done: How many were asked.
        errors: By output.
        call_s: How long each call took, as the caller saw it [s].
        step_s: Of each call: preprocessing, backend, postprocessing [s].
        batches: Samples of each call.
        servers: Who answered each call; '' in this process.
        failures: Samples without an answer, by the error's code.
        reasons: The first message of each code.
        notes: What was done to samples so that they fit the policy.
        worst: A heap of the ``WORST`` samples.
    """

    total: int
    done: int = 0
    errors: dict[str, OutputErrors] = field(default_factory=dict)
    call_s: list[float] = field(default_factory=list)
    step_s: list[tuple[float, float, float]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    worst: list[Worst] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Samples with an answer."""
        return self.done - sum(self.failures.values())

    @property
    def not_finite(self) -> int:
        """Samples with an output that is not finite: the largest number of any output."""
        return max((each.not_finite for each in self.errors.values()), default=0)

    def call(self, spent_s: float, timing: Timing, samples: int) -> None:
        """Note the time of a call that was answered."""
        self.call_s.append(spent_s)
        self.step_s.append((timing.preprocess_s, timing.compute_s, timing.postprocess_s))
        self.batches.append(samples)
        self.servers.append(timing.server)

    def fail(self, code: str, message: str, samples: int) -> None:
        """Note samples without an answer."""
        self.failures[code] += samples
        self.reasons.setdefault(code, message)

    def answer(self, index: int, sample: Sample, outputs: Tensors) -> None:
        """Compare what was answered with what was expected."""
        squares, numbers, is_finite = 0.0, 0, True
        for name, figures in error_of(outputs, sample.expected).items():
            pair = comparable(outputs[name], sample.expected[name])
            if pair is None or not pair[0].size:
                continue
            is_finite &= self.errors.setdefault(name, OutputErrors()).add(figures, *pair)
            squares, numbers = squares + figures["rmse"] ** 2 * pair[0].size, numbers + pair[0].size
        if not numbers:
            return
        found = Worst(squares / numbers if is_finite else math.inf, index, sample, outputs)
        if len(self.worst) < WORST:
            heapq.heappush(self.worst, found)
        else:
            heapq.heappushpop(self.worst, found)


def rows_of(tensors: Tensors, count: int) -> Sequence[Tensors]:
    """A batch's tensors, sample by sample; one that has no batch axis of this length is given to each."""
    return [
        {name: array[k : k + 1] if array.ndim and len(array) == count else array for name, array in tensors.items()}
        for k in range(count)
    ]
