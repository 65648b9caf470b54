"""What a policy chose in which state, written down while loads are simulated: its map of decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rilaas.balance.protocol import Balancer, Outcome, Request, ServerView, Weighing
from rilaas.balance.simulation import Cluster, Load, simulate
from rilaas.report import DecisionMap

MOST = 16  # requests in flight on an axis; more are counted as these


def map_decisions(
    cluster: Cluster, loads: Iterable[Load], make: Callable[[], Balancer], seeds: Sequence[int]
) -> tuple[tuple[str, str], list[DecisionMap]]:
    """Let a policy run and count its decisions over what was in flight.

    Two servers are the two axes. Where there are more, those at the edge are one axis and those in the cloud the
    other; where all are of one kind, the first and all others.

    Args:
        cluster: The servers.
        loads: What is run.
        make: A fresh policy for each load and seed.
        seeds: Of the simulation.

    Returns:
        What the axes are, and a map for each model of the loads.
    """
    names, first = _axes(cluster)
    counts = {model: np.zeros((MOST + 1, MOST + 1, 2), np.int64) for model in cluster.models}
    for load in loads:
        for seed in seeds:
            simulate(cluster, load, lambda _: _Logged(make(), first, counts), seed)
    x, y, _ = (1 + int(each.max()) for each in np.nonzero(np.sum(list(counts.values()), axis=0)))
    return names, [DecisionMap(model, count[:x, :y], MOST) for model, count in counts.items() if count.any()]


class _Logged:
    """A policy whose choices are counted."""

    def __init__(self, balancer: Balancer, first: frozenset[str], counts: dict[str, np.ndarray]) -> None:
        self._balancer, self._first, self._counts = balancer, first, counts

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        chosen = self._balancer.choose(request, servers)
        x = y = 0
        for server in servers:
            if server.name in self._first:
                x += server.in_flight
            else:
                y += server.in_flight
        self._counts[request.model][min(x, MOST), min(y, MOST), int(chosen not in self._first)] += 1
        return chosen

    def observe(self, outcome: Outcome) -> None:
        self._balancer.observe(outcome)

    def weighing(self) -> Weighing | None:
        return self._balancer.weighing()


def _axes(cluster: Cluster) -> tuple[tuple[str, str], frozenset[str]]:
    names = [server.name for server in cluster.servers]
    edge = frozenset(server.name for server in cluster.servers if server.kind == "edge")
    if len(names) > 2 and edge and len(edge) < len(names):
        return ("the edge", "the cloud"), edge
    other = names[1] if len(names) == 2 else "the others"
    return (names[0], other), frozenset(names[:1])
