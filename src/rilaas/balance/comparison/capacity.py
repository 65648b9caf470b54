"""How much of what servers can do a load asks for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rilaas.balance.simulation import Cluster

_ROUNDS, _STEP, _CLOSE = 4000, 0.02, 0.005


def offered_load(cluster: Cluster, rate_per_s: Mapping[str, float]) -> float:
    """The share of its slots that the busiest server needs where requests are spread as evenly as can be.

    Above 1 no policy is stable: queues grow as long as the load lasts. Below 1 one may still overload a server.

    Args:
        cluster: The servers; disturbances are left out.
        rate_per_s: Requests per second by model, all of which the cluster has.

    Returns:
        Within about 1 %.

    Source: it is the linear program min r subject to sum_m x[m,i] s[m,i] <= r c[i], sum_i x[m,i] = rate[m], x >= 0,
    solved by multiplicative weights (Plotkin, Shmoys & Tardos, Fast approximation algorithms for fractional packing
    and covering problems, 1995); what is returned is the best of the lower bounds that its prices prove.
    """
    names = [name for name, rate in rate_per_s.items() if rate > 0]
    if not names:
        return 0.0
    rates = np.array([rate_per_s[name] for name in names])
    place, service, capacity = _stations(cluster, names)
    price, best, total = 1.0 / capacity, 0.0, np.zeros(len(capacity))
    for round_ in range(1, _ROUNDS + 1):
        cost = price[place] * service
        cheapest = cost.argmin(axis=1)
        rows = np.arange(len(names))
        best = max(best, float((rates * cost[rows, cheapest]).sum() / (price * capacity).sum()))
        use = np.bincount(place[rows, cheapest], rates * service[rows, cheapest], len(capacity)) / capacity
        total += use
        if total.max() / round_ <= best * (1.0 + _CLOSE):
            break
        price = price * (1.0 + _STEP * use / use.max())
        price = price / price.max()
    return best


def _stations(cluster: Cluster, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K, N) station that serves a model on a server, (K, N) mean service there [s]; (S,) slots."""
    place = np.zeros((len(names), len(cluster.servers)), np.int64)
    service = np.zeros(place.shape)
    slots: list[int] = []
    for i, server in enumerate(cluster.servers):
        first = {pool: len(slots) + j for j, pool in enumerate(server.slots_by_model)}
        slots += server.slots_by_model.values()
        for k, name in enumerate(names):
            place[k, i], service[k, i] = first.get(name, first.get("", 0)), server.service[name].mean_s
    return place, service, np.array(slots, np.float64)
