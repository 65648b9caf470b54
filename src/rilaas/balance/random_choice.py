"""Random: any server, all with the same probability.

The baseline without memory: what a policy gains over it is what looking at the servers is worth.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates, weigh_in_flight


class RandomChoice:
    """Draws a server uniformly; the same seed draws the same servers.

    A new server has its share at once. A silent or slow one keeps it until the interceptor takes it out: this policy
    does not look at outcomes. One that is gone is not drawn. Several interceptors never herd.

    Args:
        seed: Of the draws; None takes one from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._left: Sequence[ServerView] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        self._left = left = candidates(request, servers)
        return left[int(self._random.random() * len(left))].name

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        return weigh_in_flight(self._left, "Any of them, with the same probability.")
