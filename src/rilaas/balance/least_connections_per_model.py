"""Least connections per model: the server with the fewest requests of this model in flight, the first where tied.

Source: the reading of "least connections" that reproduces Tanwani et al., RILaaS, section VI-C. The document names
nginx, whose rule counts all models and lets tied servers take turns (``least_connections``); but it also says that
the result is close to Q-learning's under light load, which turns cannot give: an idle system would alternate between
edge and cloud. Counted per model, with ties to the first server in the order given (the edge), it can.
"""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.least_cost import in_flight_of
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates


class LeastConnectionsPerModel:
    """Counts requests in flight of the model asked for; the order of the servers decides ties.

    The order has to mean something, such as near before far: without load every request goes to the first server.
    A new server gets requests until it has as many of the model as the others, never a flood. A silent or slow one
    fills up and is then avoided, once per model. One that fails at once looks idle: exclusion on retry and the
    circuit breaker cover that. One that is gone is not looked at.
    """

    def __init__(self) -> None:
        self._model = ""
        self._left: Sequence[ServerView] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        self._left, self._model = left, model = candidates(request, servers), request.model
        return min(left, key=lambda server: in_flight_of(server, model)).name

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned: the counts come with the servers."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        if not self._left:
            return None
        figures = {
            "in_flight": [float(server.in_flight) for server in self._left],
            "in_flight_of_model": [float(in_flight_of(server, self._model)) for server in self._left],
        }
        rule = "The fewest requests of this model in flight; the first given of tied servers."
        return Weighing([server.name for server in self._left], figures, rule)
