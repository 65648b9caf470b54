"""Intervals of means and of ratios of means over paired samples, by resampling.

What is alike is drawn together: frames of one recording show the same road in the same light, and taken one by one
they would promise a certainty that they do not have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.report.metric import RESAMPLES, summarize


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


def ratio_interval(
    over: NDArray[np.float64],
    under: NDArray[np.float64],
    recordings: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
) -> Interval:
    """Of the ratio of two means over the same samples.

    Args:
        over: (N,) squared errors of one.
        under: (N,) of the other.
        recordings: (N,) which recording each sample comes from: whole recordings are drawn. Where nobody knows, or
            there is one alone, blocks of about the cube root of N neighbours are.
        seed: Of the resampling.

    Source: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 10.3: samples are drawn together with
    both their values, so what makes a sample hard for both cancels. Recordings: Davison, Hinkley, Bootstrap Methods
    and their Application, 1997, section 3.8. Blocks and their length: Kuensch, The jackknife and the bootstrap for
    general stationary observations, 1989.
    """
    count = len(over)
    total, base = float(np.mean(over)), float(np.mean(under))
    if not (math.isfinite(total) and math.isfinite(base)):
        return Interval(math.nan, math.nan, math.nan, count)
    if base == 0.0:
        ratio = 1.0 if total == 0.0 else math.inf
        return Interval(ratio, ratio, ratio, count)
    block = _blocks(count, recordings)
    sums = np.stack([np.bincount(block, each) for each in (over, under)])
    blocks = sums.shape[1]
    draw = np.random.default_rng(seed)
    ratios = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        some = sums[:, draw.integers(0, blocks, blocks)].sum(axis=1)
        ratios[index] = some[0] / some[1] if some[1] > 0.0 else math.inf
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(total / base, float(min(low, total / base)), float(max(high, total / base)), count)


def _blocks(count: int, recordings: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """(N,) number of the block that each sample belongs to."""
    if recordings is not None:
        names, block = np.unique(recordings, return_inverse=True)
        if len(names) > 1:
            return np.asarray(block, np.int64)
    neighbours: NDArray[np.int64] = np.arange(count, dtype=np.int64) // math.ceil(count ** (1 / 3))
    return neighbours
