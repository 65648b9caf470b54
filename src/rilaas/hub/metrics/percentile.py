"""Percentiles from the buckets of a histogram, as ``rilaas.observe.Histogram`` and Prometheus estimate them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def percentile(buckets: Sequence[tuple[float, float]], q: float) -> float | None:
    """Linear inside its bucket.

    Args:
        buckets: Upper bound and how many values lie at or below it, with +Inf; in the order of the bounds.
        q: Between 0 and 100.

    Returns:
        None where there are no values; the highest finite bound where it lies above that.

    Source: Prometheus, ``histogram_quantile``.
    """
    if not buckets or not buckets[-1][1] > 0:
        return None
    rank, low, below = q / 100.0 * buckets[-1][1], 0.0, 0.0
    low = min(0.0, buckets[0][0])
    for bound, upto in buckets:
        if math.isinf(bound):
            break
        if upto > below and upto >= rank:
            return low + (bound - low) * max(0.0, rank - below) / (upto - below)
        low, below = bound, max(below, upto)
    return low


def share_above(buckets: Sequence[tuple[float, float]], bound: float) -> float | None:
    """The share of values above a bound, such as a deadline; None where there are no values."""
    if not buckets or not buckets[-1][1] > 0:
        return None
    low, below = min(0.0, buckets[0][0]), 0.0
    for upper, upto in buckets:
        if bound <= upper:
            inside = (bound - low) / (upper - low) if math.isfinite(upper) and upper > low else 0.0
            return max(0.0, 1.0 - (below + (max(upto, below) - below) * inside) / buckets[-1][1])
        low, below = upper, max(below, upto)
    return 0.0


def by_bound(found: Mapping[str, NDArray[np.float64]]) -> list[tuple[float, NDArray[np.float64]]]:
    """Bucket counts by the text of ``le``, as numbers in order."""
    return sorted(((_bound(text), counts) for text, counts in found.items()), key=lambda row: row[0])


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
