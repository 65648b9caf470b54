"""Fixed policies as arrays: with which probability each server gets an arrival, for every state at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.oracle.case import SmallCase
from rilaas.balance.oracle.chain import Array, counts_of
from rilaas.core import InvalidInput

Rule = Callable[[SmallCase, tuple[int, ...]], Array]
"""``rule(case, shape)``: (N, *shape) probabilities that sum to 1 over servers. The last state of each axis is the
edge of the box, where a full server's share is given to the others."""

_TIED = 1e-9  # scores closer than this, relative to the largest service time, are a tie that rounding must not break


def random_split(shares: Sequence[float] | None = None) -> Rule:
    """Every server with a fixed probability.

    Args:
        shares: One per server, normalised to 1; equal ones where None.
    """

    def rule(case: SmallCase, shape: tuple[int, ...]) -> Array:
        weights = np.ones(len(shape)) if shares is None else np.asarray(shares, dtype=np.float64)
        if weights.shape != (len(shape),) or (weights < 0.0).any() or weights.sum() <= 0.0:
            raise InvalidInput(f"A random split takes {len(shape)} shares of at least 0; got {weights.tolist()}.")
        weights = weights / weights.sum()
        return np.broadcast_to(weights.reshape(-1, *[1] * len(shape)), (len(shape), *shape)).copy()

    return rule


def least_connections(*, ties: str = "random", weighted: bool = False) -> Rule:
    """The fewest requests on the server, waiting or computed: join the shortest queue (JSQ).

    Args:
        ties: ``random``: tied servers are drawn with equal probability; ``first``: the first of them.
        weighted: Requests per slot instead of requests.
    """

    def rule(case: SmallCase, shape: tuple[int, ...]) -> Array:
        counts = counts_of(shape)
        if weighted:
            counts /= _column([float(station.slots) for station in case.stations])
        return cheapest(counts, ties, 1.0)

    return rule


def shortest_expected_delay(*, ties: str = "first") -> Rule:
    """The smallest expected latency of this request itself, rates known (JSED, SED).

    Expected wait ``max(n - c + 1, 0) s / c``, then service ``s``, then the network.

    Args:
        ties: As ``least_connections``.

    Source: S. A. Banawan and J. Zahorjan, Load Sharing in Heterogeneous Queueing Systems, INFOCOM 1989.
    """

    def rule(case: SmallCase, shape: tuple[int, ...]) -> Array:
        slots = _column([float(station.slots) for station in case.stations])
        service_s = _column([station.service_s for station in case.stations])
        network_s = _column([station.network_s for station in case.stations])
        wait_s = np.maximum(counts_of(shape) - slots + 1.0, 0.0) * service_s / slots
        return cheapest(wait_s + service_s + network_s, ties, float(service_s.max()))

    return rule


def power_of_two_choices() -> Rule:
    """The fewest requests among two different servers drawn at random; ties are drawn.

    Source: M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12(10), 2001.
    """

    def rule(case: SmallCase, shape: tuple[int, ...]) -> Array:
        counts = counts_of(shape)
        servers = range(len(shape))
        pairs = [(i, j) for i in servers for j in servers if i < j]
        routing = np.zeros_like(counts)
        for pair in pairs:
            routing[list(pair)] += cheapest(counts[list(pair)], "random", 1.0) / len(pairs)
        return routing

    return rule


def thresholds(table: Sequence[int]) -> Rule:
    """For two servers: the first one while it holds fewer than ``table[requests on the second]``, else the second.

    Args:
        table: Its last entry holds for all larger counts.
    """

    def rule(case: SmallCase, shape: tuple[int, ...]) -> Array:
        if len(shape) != 2 or not len(table):
            raise InvalidInput("Thresholds are for two servers, with at least one entry.")
        limits = np.asarray(table)[np.minimum(np.arange(shape[1]), len(table) - 1)]
        first = (np.arange(shape[0])[:, None] < limits[None, :]).astype(np.float64)
        return np.stack([first, 1.0 - first])

    return rule


def decisions(table: NDArray[np.integer]) -> Rule:
    """The server's index, read from a table by the counts; counts beyond the table are read at its edge.

    Args:
        table: (L_0, ..., L_N-1) integers: which of the N servers gets an arrival.
    """

    def rule(case: SmallCase, shape: tuple[int, ...]) -> Array:
        servers = len(shape)
        if table.ndim != servers or table.min() < 0 or table.max() >= servers:
            raise InvalidInput(
                f"A table of decisions for {servers} servers has {servers} axes and entries from 0 to {servers - 1}; "
                f"got {table.ndim} axes and entries from {table.min()} to {table.max()}."
            )
        inside = np.ix_(
            *(np.minimum(np.arange(size), have - 1) for size, have in zip(shape, table.shape, strict=True))
        )
        return np.stack([(table[inside] == server).astype(np.float64) for server in range(servers)])

    return rule


def route_past_full(routing: Array) -> Array:
    """The same probabilities with nothing sent to a server at the edge of the box; all 0 where all are full."""
    shape = routing.shape[1:]
    room = counts_of(shape) < _column([size - 1.0 for size in shape])
    kept = np.where(room, routing, 0.0)
    sums = kept.sum(axis=0)
    rest = room / np.maximum(room.sum(axis=0), 1)
    return np.where(sums > 0.0, kept / np.where(sums > 0.0, sums, 1.0), rest)


def _column(figures: Sequence[float]) -> Array:
    """One figure per server, shaped to be broadcast over all states."""
    return np.asarray(figures, dtype=np.float64).reshape(-1, *[1] * len(figures))


def cheapest(scores: Array, ties: str, scale: float) -> Array:
    """(N, *shape) probabilities that take the smallest score, ties broken as ``least_connections`` says."""
    best = scores <= scores.min(axis=0) + _TIED * scale
    if ties == "random":
        return np.asarray(best / best.sum(axis=0))
    if ties == "first":
        return np.asarray(best & (np.cumsum(best, axis=0) == 1), dtype=np.float64)
    raise InvalidInput(f"Ties are broken 'random' or 'first'; got {ties!r}.")
