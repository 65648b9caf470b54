"""The best random split, and the index policy that one step of policy improvement makes of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rilaas.balance.oracle.case import SmallCase, Station
from rilaas.balance.oracle.chain import Array
from rilaas.balance.oracle.queueing import mmc_latency_s
from rilaas.balance.oracle.rule import Rule, cheapest

_HALVINGS = 60


def best_split(case: SmallCase) -> Array:
    """(N,) shares of the random split with the smallest mean latency; servers are then M/M/c queues of their own.

    The shares at which one more request costs the same everywhere, ``network + d(lambda T(lambda))/d lambda``, or
    more where a server gets none. Convex, so bisection finds them.

    Source: J. P. Buzen and P. P.-S. Chen, Optimal Load Balancing in Memory Hierarchies, IFIP 1974 (for M/M/1).
    """
    nearly_all = 1.0 - 1e-9

    def rates(cost_s: float) -> Array:
        def rate_of(station: Station) -> float:
            return _bracket(lambda at: _marginal_s(station, at) - cost_s, 0.0, nearly_all * station.capacity_per_s)[0]

        return np.array([rate_of(station) for station in case.stations])

    highest = max(_marginal_s(station, (1.0 - 1e-5) * station.capacity_per_s) for station in case.stations)
    below, above = _bracket(lambda cost: float(rates(cost).sum()) - case.arrival_per_s, 0.0, highest)
    low, high = rates(below), rates(above)  # far apart where the cost is flat: idle slots are all alike
    part = (case.arrival_per_s - low.sum()) / max(high.sum() - low.sum(), 1e-300)
    found = low + min(max(part, 0.0), 1.0) * (high - low)
    return np.asarray(found / found.sum())


def first_improvement() -> Rule:
    """The smallest price, where later arrivals are thought to be split at random, as well as that can be done.

    Each server's price of one more request has a closed form, ``network + h(n + 1) - h(n)`` of an M/M/c queue: the
    classical way to price a placement, which is near the optimum with one number per server.

    Source: K. R. Krishnan, Joining the Right Queue: a State-Dependent Decision Rule, IEEE TAC 35(1), 1990.
    """

    def rule(case: SmallCase, shape: tuple[int, ...]) -> Array:
        prices = np.empty((len(shape), *shape))
        for axis, (station, share) in enumerate(zip(case.stations, best_split(case), strict=True)):
            line = placement_prices(station, share * case.arrival_per_s, shape[axis])
            prices[axis] = line.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return cheapest(prices, "first", max(station.service_s for station in case.stations))

    return rule


def placement_prices(station: Station, arrival_per_s: float, count: int) -> Array:
    """(count,) [s]: what one more request costs all requests of an M/M/c queue that holds 0, 1, ... of them.

    Poisson's equation ``lambda D(n) = r(n) D(n-1) + L - n`` with the mean number L and ``r(n) = min(n, c) / s``:
    forwards below c, where that is stable; from c on ``D`` is a straight line.

    Args:
        station: The server.
        arrival_per_s: Its own Poisson arrivals [1/s].
        count: How many prices.
    """
    rate = max(arrival_per_s, 1e-9 * station.capacity_per_s)
    mean = rate * mmc_latency_s(rate, station.service_s, station.slots)
    slope = 1.0 / (station.capacity_per_s - rate)
    prices = slope * (np.arange(count) + station.capacity_per_s * slope - mean)
    before = 0.0
    for held in range(min(station.slots, count)):
        before = (held / station.service_s * before + mean - held) / rate
        prices[held] = before
    return np.asarray(prices + station.network_s, np.float64)


def _marginal_s(station: Station, rate: float) -> float:
    """What one more request per second costs, ``network + d(rate T(rate))/d rate`` [s]."""
    step = 1e-6 * station.capacity_per_s
    low, high = max(rate - step, 0.0), min(rate + step, station.capacity_per_s * (1.0 - 1e-12))

    def cost(at: float) -> float:
        return at * (mmc_latency_s(at, station.service_s, station.slots) + station.network_s)

    return (cost(high) - cost(low)) / (high - low)


def _bracket(rising: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """The two numbers between which a rising function passes 0, by halving; else twice the nearer end."""
    if rising(low) >= 0.0:
        return low, low
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if rising(middle) >= 0.0 else (middle, high)
    return low, high
