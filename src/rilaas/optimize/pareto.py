"""What is not beaten in everything by something else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pareto_ranks(costs: Sequence[Sequence[float]] | NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank 0 is the front; rank 1 is the front of what is left without it, and so on.

    Args:
        costs: (N, K), each the lower the better; NaN counts as infinite.

    Returns:
        (N,) ranks.

    Source: Goldberg, Genetic Algorithms in Search, Optimization and Machine Learning, 1989, chapter 5.
    """
    if not len(costs):
        return np.zeros(0, np.int64)
    table = np.nan_to_num(np.asarray(costs, np.float64).reshape(len(costs), -1), nan=np.inf)
    ranks = np.full(len(table), -1, np.int64)
    no_worse, better = table[:, None] <= table[None], table[:, None] < table[None]
    beats: NDArray[np.bool_] = np.asarray(no_worse.all(axis=2) & better.any(axis=2))
    rank = 0
    left = np.arange(len(table))
    while len(left):
        beaten = np.asarray(beats[np.ix_(left, left)]).any(axis=0)
        ranks[left[~beaten]] = rank
        left = left[beaten]
        rank += 1
    return ranks
