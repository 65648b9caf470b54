"""Weighted least connections: the fewest requests in flight for its weight.

Source: nginx, ``ngx_http_upstream_least_conn_module`` with weights: the smallest in_flight / weight, and among tied
servers nginx's smooth weighted round robin
(https://nginx.org/en/docs/http/ngx_http_upstream_module.html#least_conn).
"""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.recent import Recent

NOTHING = 1e-6  # weights up to this are none


class WeightedLeastConnections:
    """Keeps requests in flight in proportion to ``ServerView.weight``, which the configuration sets.

    A weight of 0 drains: such a server is chosen only if no other is left. A new server gets requests until
    it has its share, never a flood. A silent or slow one fills up and is then avoided, whatever its weight. One that
    fails at once looks idle: exclusion on retry and the circuit breaker cover that.
    """

    def __init__(self) -> None:
        self._credit: Recent[str, float] = Recent()
        self._left: Sequence[ServerView] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = candidates(request, servers)
        self._left = left = [server for server in left if server.weight > NOTHING] or left
        loads = [_load(server) for server in left]
        least = min(loads)
        return self._turn([server for server, load in zip(left, loads, strict=True) if load == least])

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned: the counts come with the servers."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        left = self._left
        if not left:
            return None
        figures = {
            "in_flight": [float(server.in_flight) for server in left],
            "weight": [server.weight for server in left],
            "in_flight_per_weight": [_load(server) for server in left],
        }
        rule = "The fewest requests in flight for its weight; tied servers take turns by weight."
        return Weighing([server.name for server in left], figures, rule)

    def _turn(self, tied: Sequence[ServerView]) -> str:
        """Smooth weighted round robin: everybody gains its weight, the richest is chosen and pays what all gained."""
        credit, total, best, most = self._credit, 0.0, tied[0], float("-inf")
        for server in tied:
            gained = credit.get(server.name, 0.0) + server.weight
            credit.keep(server.name, gained)
            total += server.weight
            if gained > most:
                best, most = server, gained
        credit[best.name] = most - total
        return best.name


def _load(server: ServerView) -> float:
    return server.in_flight / server.weight if server.weight > NOTHING else float(server.in_flight)
