"""One variant in a report, and what can be said about it in words."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.optimize.bootstrap import Interval
from rilaas.optimize.engine import Step
from rilaas.optimize.gate import Gate, Violation
from rilaas.optimize.gate import mse_ratio as _mse_ratio
from rilaas.optimize.measured import Driven, Measured
from rilaas.optimize.pareto import pareto_ranks
from rilaas.optimize.recipe import Recipe
from rilaas.report.metric import RESAMPLES

EAGER = "cpu/torch/fp32"
_BLOCKS = 50  # of calls, where nobody knows the rounds
_SPARSE, _NO_FASTER, _SLOWER, _TAIL = 0.2, 1.1, 0.95, 5.0
_LIMITS = ("max_mse_ratio", "max_difference", "max_p99_s", "max_size_bytes", "min_speedup", "max_score_loss")


@dataclass(frozen=True, eq=False)
class Row:
    """A variant, with all that is known about it.

    Attributes:
        measured: Its bytes, times and errors.
        driven: In closed loop, or None.
        recipe: How it was made; None for the model as it came.
        violations: Which limits it does not keep.
        steps: The passes that were applied.
    """

    measured: Measured
    driven: Driven | None = None
    recipe: Recipe | None = None
    violations: tuple[Violation, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def name(self) -> str:
        """Of the variant."""
        return self.measured.name

    @property
    def runtime(self) -> str:
        """What computes it, such as ``openvino``."""
        return self.measured.target.split("/")[1]

    @property
    def is_untouched(self) -> bool:
        """Whether no pass changed the weights and they are computed in float32: a baseline of its runtime."""
        return (self.recipe is None or not self.recipe.passes) and self.measured.target.endswith("/fp32")

    @property
    def has_limits(self) -> bool:
        """Whether its recipe sets a limit that it could break."""
        gate = Gate() if self.recipe is None else self.recipe.gate
        return any(getattr(gate, name) is not None for name in _LIMITS)


def reference_of(rows: Sequence[Row], name: str) -> Row:
    """The row that the others are held against.

    Raises:
        ValueError: There is none of this name.
    """
    for row in rows:
        if row.name == name:
            return row
    raise ValueError(f"no row is called {name!r}: {', '.join(row.name for row in rows)}")


def eager_of(rows: Sequence[Row]) -> Row | None:
    """The float model on torch eager, on the CPU; None where nobody measured it."""
    return next((row for row in rows if row.is_untouched and row.measured.target == EAGER), None)


def baseline_of(rows: Sequence[Row], row: Row) -> Row | None:
    """The float model on the runtime of a variant; None where nobody measured it."""
    for each in rows:
        if each.is_untouched and each.runtime == row.runtime and each is not row:
            return each
    return None


@functools.lru_cache(maxsize=64)  # a report asks several times
def mse_ratio(row: Measured, base: Measured) -> Interval:
    """Mean squared error of one against another's; see ``gate.mse_ratio``."""
    return _mse_ratio(row, base)


def front_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Names of those that keep their gate and that no other one beats in both time and error.

    Errors count to four digits: the same network on two runtimes differs by float rounding, which is no gain.
    """
    kept = [row for row in rows if not row.violations]
    ranks = pareto_ranks([(row.measured.p50_s, float(f"{row.measured.mse:.4g}")) for row in kept])
    return tuple(row.name for row, rank in zip(kept, ranks, strict=True) if rank == 0)


@functools.lru_cache(maxsize=128)
def speedup(row: Measured, base: Measured) -> Interval:
    """Median time of one against that of another, with a 95 % interval.

    Both were measured in alternating rounds, so round k of one and of the other are neighbours in time: whole rounds
    are resampled in pairs, for what slows the machine down slows all calls of a round (Kuensch, The jackknife and the
    bootstrap for general stationary observations, 1989). ``n`` counts the calls of the variant.
    """
    known = row.rounds if row.rounds == base.rounds else 0
    blocks = min(known or _BLOCKS, len(row.compute_s), len(base.compute_s))
    own, other = (_block_medians(each.compute_s, blocks) for each in (row, base))
    ratio = base.p50_s / row.p50_s
    if blocks < 2:
        return Interval(ratio, ratio, ratio, len(row.compute_s))
    picks = np.random.default_rng(0).integers(0, blocks, (RESAMPLES, blocks))
    ratios = np.median(other[picks], axis=1) / np.median(own[picks], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(ratio, min(float(low), ratio), max(float(high), ratio), len(row.compute_s))


def _block_medians(values: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
    return np.array([np.median(each) for each in np.array_split(values, blocks)])


def notes_of(row: Row, rows: Sequence[Row], reference: Row) -> Iterator[str]:
    """What a reader has to know about a variant, as sentences."""
    for each in row.violations:
        words = each.words.removeprefix(f"{row.name}: ")
        yield words[:1].upper() + words[1:]
    measured = row.measured
    if measured.is_really_integer is False:
        yield f"Quantized file, float kernels: {row.runtime} computes it with floats on this machine."
    base = baseline_of(rows, row)
    if base is not None:
        times = speedup(measured, base.measured)
        sparsity = measured.weight.sparsity
        if sparsity > _SPARSE and sparsity > base.measured.weight.sparsity + _SPARSE / 2 and times.mean < _NO_FASTER:
            packed = base.measured.weight.gzip_bytes / measured.weight.gzip_bytes
            yield (
                f"No speed from unstructured sparsity on this hardware: {100 * sparsity:.0f} % of its weights are 0, "
                f"and it is {times.mean:.2f} times as fast as {base.name} on {row.runtime}; zipped it is "
                f"{packed:.1f} times as small."
            )
        if times.high < _SLOWER:
            yield f"Slower than the float model on its own runtime: {times.mean:.2f} times as fast as {base.name}."
    if not row.is_untouched and reference is not base and speedup(measured, reference.measured).high < _SLOWER:
        yield f"Slower than {reference.name} on {reference.runtime}, which the robot has already."
    if measured.p99_s > _TAIL * measured.p50_s:
        yield (
            f"A long tail: p99 is {measured.p99_s / measured.p50_s:.1f} times the median, with a load average of "
            f"{measured.load_average:.1f}."
        )
    yield from measured.notes
