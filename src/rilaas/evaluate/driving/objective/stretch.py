"""Stretches of a drive in which something holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stretches(holds: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a condition holds without a break.

    Args:
        holds: (N,) bool.

    Returns:
        First index and the one after the last, for each stretch.

    Example:
        >>> stretches(np.array([True, True, False, True]))
        [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
