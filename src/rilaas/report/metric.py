"""A named number with its unit, interval and count: a mean never stands alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

DIRECTIONS = ("higher", "lower", "")
RESAMPLES = 2000  # Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 14.2: at least 1000 for 95 %
LEVEL = 0.95
_BLOCKS = 500  # above this many values, blocks of neighbours are resampled


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Where the bulk and the tail of a distribution lie, in the metric's unit.

    Attributes:
        p50: Median.
        p95: 95th percentile.
        p99: 99th percentile.
        n: Number of values.
    """

    p50: float
    p95: float
    p99: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Percentiles:
        """Of values; NaN where there are none."""
        data = np.asarray(values, np.float64).ravel()
        p50, p95, p99 = np.percentile(data, (50, 95, 99)) if data.size else (math.nan,) * 3
        return cls(float(p50), float(p95), float(p99), int(data.size))


@dataclass(frozen=True, slots=True)
class Metric:
    """A mean with its 95 % interval.

    Attributes:
        unit: SI, such as ``m`` or ``m s``; ``1`` for a share, which is shown in percent.
        mean: NaN where n is 0.
        low: Lower end of the interval; equal to the mean where n is 1, for one value has no interval.
        high: Upper end.
        n: Number of values.
        direction: Which way is better: ``higher``, ``lower`` or '' where neither is.
        servers: Percentiles by server where the metric is a latency, else empty.
        median: Of the values; NaN where n is 0 or nobody knows.
        minimum: The smallest value.
        maximum: The largest value.
        group: Under which heading it is shown; '' for the headline.
    """

    unit: str
    mean: float
    low: float
    high: float
    n: int
    direction: str = ""
    servers: Mapping[str, Percentiles] = field(default_factory=dict)
    median: float = math.nan
    minimum: float = math.nan
    maximum: float = math.nan
    group: str = ""

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(f"a direction is one of {DIRECTIONS}, got {self.direction!r}")


def summarize(
    values: Sequence[float] | np.ndarray,
    unit: str,
    direction: str = "",
    *,
    servers: Mapping[str, Sequence[float] | np.ndarray] | None = None,
    group: str = "",
    seed: int = 0,
) -> Metric:
    """Mean with 95 % percentile bootstrap interval, median and range; the same values give the same interval.

    Args:
        values: (N,) one value per episode, or in the order of time where they are calls. NaN is refused: a value that
            does not exist has to be left out by whoever knows why.
        unit: Of the values.
        direction: See ``Metric``.
        servers: The values by server, to be kept as percentiles.
        group: See ``Metric``.
        seed: Of the resampling.

    Raises:
        ValueError: A value is not finite.

    Source: Efron, Bootstrap methods: another look at the jackknife, 1979. Above 500 values, 500 blocks of neighbours
    are resampled in place of single values (Kuensch, 1989): calls that follow each other are alike, and treating them
    as independent would make the interval too narrow.
    """
    data = np.asarray(values, np.float64).ravel()
    if not np.isfinite(data).all():
        raise ValueError("a metric is summarized from finite values")
    parts = {name: Percentiles.of(part) for name, part in (servers or {}).items()}
    if data.size == 0:
        return Metric(unit, math.nan, math.nan, math.nan, 0, direction, parts, group=group)
    mean = float(data.mean())
    low, high = _bootstrap(data, seed) if data.size > 1 else (mean, mean)
    return Metric(
        unit,
        mean,
        min(low, mean),  # rounding in the resampled means must not put the mean outside its own interval
        max(high, mean),
        int(data.size),
        direction,
        parts,
        median=float(np.median(data)),
        minimum=float(data.min()),
        maximum=float(data.max()),
        group=group,
    )


def _bootstrap(data: np.ndarray, seed: int) -> tuple[float, float]:
    blocks = np.array_split(data, min(_BLOCKS, data.size))
    sums = np.array([block.sum() for block in blocks])
    sizes = np.array([block.size for block in blocks])
    picks = np.random.default_rng(seed).integers(0, len(blocks), (RESAMPLES, len(blocks)))
    means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, (tail, 100 - tail))
    return float(low), float(high)
