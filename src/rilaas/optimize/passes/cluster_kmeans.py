"""k-means of numbers on a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_ROUNDS = 300


def cluster_values(
    values: NDArray[np.float32], number: int, rng: np.random.Generator, *, init: str = "kmeans++"
) -> NDArray[np.float32]:
    """Replace each value by the mean of its cluster.

    Lloyd's algorithm over sorted values, where a cluster is an interval and its sum a difference of cumulated sums:
    a round costs as much as finding ``number`` borders. Source of the first centroids: D. Arthur, S. Vassilvitskii,
    "k-means++: The Advantages of Careful Seeding", SODA 2007; or evenly between the extremes (``linear``).

    Args:
        values: (N,), at least one.
        number: Of clusters; where there are no more distinct values than this, they stay as they are.
        rng: Draws the first centroids.
        init: ``kmeans++`` or ``linear``.

    Returns:
        (N,) float32 with at most ``number`` distinct values.
    """
    points, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(points) <= number:
        return values.astype(np.float32)
    places: NDArray[np.float64] = points.astype(np.float64)
    centroids = _plus_plus(places, counts, number, rng) if init == "kmeans++" else _linear(places, number)
    mass = np.concatenate([[0], np.cumsum(counts)])
    total = np.concatenate([[0.0], np.cumsum(places * counts)])
    borders = np.zeros(0, np.int64)
    for _ in range(_MOST_ROUNDS):
        new = np.searchsorted(places, (centroids[1:] + centroids[:-1]) / 2)
        if np.array_equal(new, borders):
            break
        borders = new
        edges = np.concatenate([[0], borders, [len(points)]])
        size = np.diff(mass[edges])
        centroids = np.where(size > 0, np.diff(total[edges]) / np.maximum(size, 1), centroids)
        centroids.sort()
    own = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, places, side="right")
    return np.asarray(centroids.astype(np.float32)[own][where.reshape(values.shape)])


def _plus_plus(
    points: NDArray[np.float64], counts: NDArray[np.int64], number: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Each next centroid is drawn with a chance that grows with its squared distance from those so far."""
    chosen = [rng.choice(points, p=counts / counts.sum())]
    distance = (points - chosen[0]) ** 2
    for _ in range(number - 1):
        chance = np.cumsum(distance * counts)
        pick = points[min(int(np.searchsorted(chance, rng.random() * chance[-1], side="right")), len(points) - 1)]
        chosen.append(pick)
        distance = np.minimum(distance, (points - pick) ** 2)
    return np.sort(np.array(chosen))


def _linear(points: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    return np.linspace(points[0], points[-1], number)
