"""The exact optimum as a policy: what a balancer would do that knew the rates."""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.oracle.optimum import Optimum
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates

_RULE = "The smallest price to all requests, this one and those to come, from the exact solution."
_STRANGE = "The fewest requests in flight: a server is not one of the solved case."


class OraclePolicy:
    """Plays the table of a solved case, by requests in flight on its servers.

    It is optimal where the case is true: one model, one interceptor, Poisson arrivals, exponential service and no
    network. With a network it takes requests on the wire for requests on the server, and is a little worse than the
    optimum. A server that is gone or excluded is passed over: the next best price is taken. With a server that the
    case has not, it falls back to the fewest requests in flight, the first where several are tied.

    Args:
        optimum: The solved case; its servers' names are those of the interceptor.
    """

    def __init__(self, optimum: Optimum) -> None:
        self._axes = {name: axis for axis, name in enumerate(optimum.case.names)}
        self._last = [size - 2 for size in optimum.policy.shape]
        self._prices = list(optimum.prices)
        self._weighing: Weighing | None = None

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = candidates(request, servers)
        names = [server.name for server in left]
        axes = self._axes
        if any(server.name not in axes for server in servers):
            counts = [float(server.in_flight) for server in left]
            self._weighing = Weighing(names, {"in_flight": counts}, _STRANGE)
            return names[counts.index(min(counts))]
        state = [0] * len(axes)
        for server in servers:
            axis = axes[server.name]
            state[axis] = min(server.in_flight, self._last[axis])
        by_axis = [float(prices[tuple(state)]) for prices in self._prices]
        prices_s = [by_axis[axes[name]] for name in names]
        self._weighing = Weighing(names, {"price_s": prices_s}, _RULE)
        return names[prices_s.index(min(prices_s))]

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned: all is known."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        return self._weighing
