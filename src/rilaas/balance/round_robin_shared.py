"""Round robin over one rotation that all models share: a baseline that shows what can go wrong.

Source: the reading of "round robin" under which the very large gains of Tanwani et al., RILaaS, section VI-C, can
arise; a proxy such as nginx that does not look at models works like this. Do not deploy it for several models:
``round_robin`` has a rotation per model.
"""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates, weigh_in_flight
from rilaas.balance.turns import Turns


class RoundRobinShared:
    """Every server in its turn, whatever is asked for.

    Where models alternate in step with an even number of servers it locks in: each model keeps meeting the same
    servers, and those that get the long jobs overload while the others idle.

    A new server gets the next turn, then its share. A silent or slow one keeps its full share until the interceptor
    takes it out: this policy does not look at outcomes. One that is gone is passed over.
    """

    def __init__(self) -> None:
        self._turns = Turns()
        self._left: Sequence[ServerView] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        self._left = left = candidates(request, servers)
        return self._turns.take(left)

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        return weigh_in_flight(self._left, "Whoever of them had a request, of any model, longest ago.")
