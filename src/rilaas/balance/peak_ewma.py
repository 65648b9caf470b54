"""Peak EWMA: round trip, remembered with a bias to the bad, times requests in flight.

Source: Twitter Finagle, ``loadbalancer/PeakEwma.scala``, as Linkerd uses it. A round trip above the average replaces
it at once; one below pulls it down by 1 - exp(-dt / tau), and without answers it decays towards 0 in the same way, so
that a server that was left is tried again. cost = average x (in flight + 1).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from rilaas.balance.least_cost import least_cost, weigh_costs
from rilaas.balance.power_of_two_choices import two_of
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.recent import Recent
from rilaas.balance.suspects import Suspects

DECAY_S = 10.0  # Finagle's default decay time


class PeakEwma:
    """Leaves a server at the first slow answer and comes back carefully.

    Finagle keeps one average per server; here it is one per model and server, as models differ a hundredfold in
    time. Requests of all models count as in flight.

    A new server gets one request of each model at a time until the first answer. A slow one is left at once. A
    silent one becomes dearer with each request that it holds, and by a timeout jumps to that. A failing one is held
    back (``Suspects``), which Finagle leaves to its failure accrual. One that is gone is not looked at.

    Args:
        seed: Of the draws; None takes one from the operating system.
        compared: Servers that are drawn and compared: Finagle's two, or ``math.inf`` for all. All is 3 to 5 % faster
            with one to ten interceptors on 6 to 16 servers; a hundred of them herd, and take twice as long as with 2.
        decay_s: Time constant of forgetting, tau [s].
    """

    def __init__(self, seed: int | None = None, *, compared: float = 2, decay_s: float = DECAY_S) -> None:
        self._random = random.Random(seed)
        self._compared = compared
        self._decay_s = decay_s
        self._peaks: Recent[tuple[str, str], tuple[float, float]] = Recent()  # average [s], when it held [s]
        self._suspects = Suspects()
        self._left: Sequence[ServerView] = ()
        self._costs: Sequence[float | None] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = self._suspects.trusted(candidates(request, servers), request.at_s)
        if len(left) > self._compared:
            left = two_of(left, self._random)
        model, at_s = request.model, request.at_s
        self._left, self._costs = left, [self._cost(server, model, at_s) for server in left]
        return left[least_cost(left, self._costs, model)].name

    def observe(self, outcome: Outcome) -> None:
        """Take a slow round trip at once and a fast one in part; hold a failing server back."""
        self._suspects.observe(outcome)
        if outcome.status not in ("ok", "timeout"):
            return
        key, at_s, latency_s = (outcome.server, outcome.request.model), outcome.at_s, outcome.latency_s
        peak = self._peaks.get(key)
        if peak is not None and latency_s <= peak[0]:
            kept = math.exp(-max(at_s - peak[1], 0.0) / self._decay_s)
            latency_s = peak[0] * kept + latency_s * (1.0 - kept)
        self._peaks.keep(key, (latency_s, at_s))

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        rule = "The smallest product of remembered round trip and requests in flight, this one included."
        return weigh_costs(self._left, self._costs, "cost_s", rule)

    def _cost(self, server: ServerView, model: str, at_s: float) -> float | None:
        peak = self._peaks.get((server.name, model))
        if peak is None:
            return None
        return peak[0] * math.exp(-max(at_s - peak[1], 0.0) / self._decay_s) * (server.in_flight + 1)
