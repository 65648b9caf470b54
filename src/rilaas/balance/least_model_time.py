"""Least model time: the server whose round trips with this model are shortest on average.

Source: Tanwani et al., RILaaS, section V: "Requests are assigned based on running estimate of average round-trip
latency for each model", with a small probability of a random server. The document gives neither the weight of the
newest answer nor the probability; ``GAIN`` and ``EXPLORATION`` are choices of this implementation.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.balance.least_cost import in_flight_of, least_cost, weigh_costs
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.recent import Recent
from rilaas.balance.suspects import Suspects

EXPLORATION = 0.1  # with two servers every twentieth request goes to the slower one
GAIN = 0.1  # weight of the newest answer once there are ten
OVERDUE = 3.0  # means; an answer that takes longer than this counts as slow before it comes


@dataclass(slots=True)
class _Mean:
    """A running mean of latency [s], and since when the server owes an answer [s on the interceptor's clock]."""

    latency_s: float = 0.0
    answers: int = 0
    since_s: float = 0.0


class LeastModelTime:
    """Follows the running mean per model and server; now and then any server, to learn how the others are.

    It does not look at requests in flight, so it sends everything to one server until that one's mean has grown.
    A new server gets one request of each model at a time until the first answer. A slow one is left as its mean
    grows. A silent one counts with the time that it has been silent, once that is three times its mean; a timeout
    counts as an answer of that length. A failing one is held back (``Suspects``). One that is gone is not looked at.

    Args:
        seed: Of the random choices; None takes one from the operating system.
        exploration: Probability of choosing any server, all alike.
    """

    def __init__(self, seed: int | None = None, *, exploration: float = EXPLORATION) -> None:
        self._random = random.Random(seed)
        self._exploration = exploration
        self._means: Recent[tuple[str, str], _Mean] = Recent()
        self._suspects = Suspects()
        self._left: Sequence[ServerView] = ()
        self._costs: Sequence[float | None] = ()
        self._explored = False

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        model, at_s = request.model, request.at_s
        self._left = left = self._suspects.trusted(candidates(request, servers), at_s)
        self._costs = costs = [self._cost(server, model, at_s) for server in left]
        self._explored = self._random.random() < self._exploration
        chosen = left[int(self._random.random() * len(left)) if self._explored else least_cost(left, costs, model)]
        mean = self._means.get((chosen.name, model))
        if mean is not None and not in_flight_of(chosen, model):
            mean.since_s = at_s
        return chosen.name

    def observe(self, outcome: Outcome) -> None:
        """Count the round trip of an answer, and of a timeout; hold a failing server back."""
        self._suspects.observe(outcome)
        if outcome.status not in ("ok", "timeout"):
            return
        key = (outcome.server, outcome.request.model)
        mean = self._means.get(key) or _Mean()
        mean.answers += 1
        mean.latency_s += (outcome.latency_s - mean.latency_s) * max(GAIN, 1.0 / mean.answers)
        mean.since_s = outcome.at_s
        self._means.keep(key, mean)

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        rule = "Any of them, by chance." if self._explored else "The shortest mean round trip with this model."
        return weigh_costs(self._left, self._costs, "mean_latency_s", rule)

    def _cost(self, server: ServerView, model: str, at_s: float) -> float | None:
        mean = self._means.get((server.name, model))
        if mean is None:
            return None
        silent_s = at_s - mean.since_s if in_flight_of(server, model) else 0.0
        return silent_s if silent_s > OVERDUE * mean.latency_s else mean.latency_s
