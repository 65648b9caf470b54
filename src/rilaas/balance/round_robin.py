"""Round robin: every server in its turn.

Source: nginx, ``ngx_http_upstream_round_robin`` with equal weights (https://nginx.org/en/docs/http/load_balancing.html);
the baseline of Tanwani et al., RILaaS, section V.
"""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates, weigh_in_flight
from rilaas.balance.turns import Turns

_FORGET_ABOVE = 1024  # models


class RoundRobin:
    """Each model's requests go round the servers, in a rotation of its own.

    One rotation shared by all models locks in when two models alternate in step with two servers: each model then
    always gets the same server, and the long jobs pile up on one of them. Per model it cannot.

    A new server gets the next turn, then its share. A silent or slow one keeps its full share of 1/N until the
    interceptor takes it out: this policy does not look at outcomes. One that is gone is passed over.
    """

    def __init__(self) -> None:
        self._turns: dict[str, Turns] = {}
        self._left: Sequence[ServerView] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        self._left = left = candidates(request, servers)
        turns = self._turns.get(request.model)
        if turns is None:
            if len(self._turns) >= _FORGET_ABOVE:
                self._turns.clear()
            turns = self._turns[request.model] = Turns()
        return turns.take(left)

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        return weigh_in_flight(self._left, "Whoever of them had a request of this model longest ago.")
