"""Power of two choices: of two servers drawn at random, the one with fewer requests in flight.

Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001: the second
choice makes the longest queue exponentially shorter than one random choice; drawn without replacement as in Finagle's
``P2CPick``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates, weigh_in_flight

T = TypeVar("T")


def two_of(items: Sequence[T], draws: random.Random) -> tuple[T, T]:
    """Two different ones, every pair with the same probability.

    Args:
        items: At least two.
        draws: Where chance comes from.
    """
    count = len(items)
    first = int(draws.random() * count)
    second = int(draws.random() * (count - 1))
    return items[first], items[second + (second >= first)]


class PowerOfTwoChoices:
    """Compares two servers and leaves the rest alone, so that several interceptors do not all run to the same one.

    With two servers it is least connections with ties by chance. A new server is drawn as often as any other and
    fills up to the level of the rest, never a flood. A silent or slow one fills up and then loses each comparison;
    with two silent ones a pair of them is drawn now and then, and only the interceptor's circuit breaker helps. One
    that fails at once looks idle: exclusion on retry and the circuit breaker cover that. One that is gone is not
    drawn.

    Args:
        seed: Of the draws; None takes one from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._drawn: Sequence[ServerView] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = candidates(request, servers)
        if len(left) == 1:
            self._drawn = left
            return left[0].name
        self._drawn = first, second = two_of(left, self._random)
        return (second if second.in_flight < first.in_flight else first).name

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned: the counts come with the servers."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``; the servers are the two that were drawn."""
        return weigh_in_flight(self._drawn, "Of two drawn at random, the one with fewer requests in flight.")
