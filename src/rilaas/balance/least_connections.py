"""Least connections: the server with the fewest requests in flight.

Source: nginx, ``ngx_http_upstream_least_conn_module`` with equal weights
(https://nginx.org/en/docs/http/ngx_http_upstream_module.html#least_conn): requests of all models count, and servers
that are tied take turns, which a server that has fewer than all others does not use up. Both matter: other readings
of "least connections" differ by several percent in mean latency.
"""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates, weigh_in_flight
from rilaas.balance.turns import Turns


class LeastConnections:
    """Counts requests in flight over all models; a tie goes to whoever last won one longest ago.

    A new server is idle and so gets requests until it has as many in flight as the others: at most the difference,
    never a flood. A silent or slow one fills up and is then avoided, as long as the interceptor goes on counting its
    unanswered requests; each one that times out there makes room for another, so taking it out stays the
    interceptor's work. A server that fails at once looks idle: exclusion on retry and the circuit breaker cover that.
    """

    def __init__(self) -> None:
        self._turns = Turns()
        self._left: Sequence[ServerView] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        self._left = left = candidates(request, servers)
        fewest = min(server.in_flight for server in left)
        tied = [server for server in left if server.in_flight == fewest]
        return self._turns.take(tied) if len(tied) > 1 else tied[0].name

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned: the counts come with the servers."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        return weigh_in_flight(self._left, "The fewest requests in flight; tied servers take turns.")
