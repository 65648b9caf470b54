"""Intervals of means and of ratios of means over paired samples, by resampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.report.metric import RESAMPLES, summarize

_BLOCKS = 500  # above this many samples, blocks of neighbours are resampled: they are alike


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % percentile bootstrap interval.

    Attributes:
        mean: The figure itself; NaN where it is not defined.
        low: Lower end.
        high: Upper end.
        n: Samples.
    """

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """Of a mean.

    Args:
        values: (N,) finite.
    """
    found = summarize(values, "")
    return Interval(found.mean, found.low, found.high, found.n)


def ratio_interval(over: NDArray[np.float64], under: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """Of the ratio of two means over the same samples.

    Args:
        over: (N,) squared errors of one.
        under: (N,) of the other.
        seed: Of the resampling.

    Source: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 10.3: samples are drawn together with
    both their values, so what makes a sample hard for both cancels.
    """
    count = len(over)
    total, base = float(np.mean(over)), float(np.mean(under))
    if not (math.isfinite(total) and math.isfinite(base)):
        return Interval(math.nan, math.nan, math.nan, count)
    if base == 0.0:
        ratio = 1.0 if total == 0.0 else math.inf
        return Interval(ratio, ratio, ratio, count)
    edges = np.linspace(0, count, min(count, _BLOCKS) + 1).astype(int)
    sums = np.stack([np.add.reduceat(each, edges[:-1]) for each in (over, under)])
    blocks = sums.shape[1]
    draw = np.random.default_rng(seed)
    ratios = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        some = sums[:, draw.integers(0, blocks, blocks)].sum(axis=1)
        ratios[index] = some[0] / some[1] if some[1] > 0.0 else math.inf
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(total / base, float(min(low, total / base)), float(max(high, total / base)), count)
