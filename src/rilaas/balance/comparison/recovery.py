"""How long a policy needs until it has coped with a disturbance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rilaas.balance.comparison.digest import Digest

WINDOW_S = 2.0
WITHIN = 0.10
LASTING_S = 4.0
_STEP_S = 0.25
_GROWING = 0.8  # of the steady state: where the time before was below, latencies are growing and there is none


def recovery_s(digests: Sequence[Digest], at_s: float, until_s: float, *, settled_s: float | None = None) -> float:
    """Time from a disturbance until latencies are what they are going to be.

    Each request's latency is divided by the mean of its model in the steady state afterwards; the quotients of all
    seeds are averaged over windows of ``WINDOW_S`` by the time at which requests came. A policy has recovered at the
    first moment after which all windows that begin within ``LASTING_S`` stay below 1 + ``WITHIN``. A policy that
    never adapts has its steady state at once, and a bad one: read this beside the mean.

    Args:
        digests: Runs of one policy with the same disturbance, one per seed.
        at_s: When it began [s].
        until_s: When it ended, or the run did [s].
        settled_s: From when on latencies count as the steady state [s]; the last third where None.

    Returns:
        Seconds; inf where latencies did not come to rest or are still growing at the end, NaN where nothing was
        answered.

    Raises:
        ValueError: There is no time between.
    """
    settled_s = until_s - (until_s - at_s) / 3.0 if settled_s is None else settled_s
    if not at_s < settled_s < until_s or not digests:
        raise ValueError("a recovery needs runs, and time between the disturbance and its end")
    times, quotients = [], []
    for k in range(len(digests[0].at_s)):
        at = np.concatenate([digest.at_s[k] for digest in digests])
        latency = np.concatenate([digest.latency_s[k] for digest in digests]).astype(np.float64)
        known = np.isfinite(latency)
        steady = latency[known & (at >= settled_s) & (at < until_s)]
        if steady.size:
            times.append(at[known])
            quotients.append(latency[known] / steady.mean())
    if not times:
        return math.nan
    at, quotient = np.concatenate(times), np.concatenate(quotients)
    before = quotient[(at >= settled_s - (until_s - settled_s)) & (at >= at_s) & (at < settled_s)]
    if before.size and before.mean() < _GROWING:
        return math.inf
    starts = np.arange(at_s, until_s - WINDOW_S + 1e-9, _STEP_S)
    order = np.argsort(at)
    at, total = at[order], np.concatenate([[0.0], np.cumsum(quotient[order])])
    first, last = np.searchsorted(at, starts), np.searchsorted(at, starts + WINDOW_S)
    count = last - first
    mean = (total[last] - total[first]) / np.maximum(1, count)
    outside = (count > 0) & (mean > 1.0 + WITHIN)
    lasting = max(1, round(LASTING_S / _STEP_S))
    for i in range(len(starts) - lasting + 1):
        if not outside[i : i + lasting].any():
            return float(starts[i] - at_s)
    return math.inf
