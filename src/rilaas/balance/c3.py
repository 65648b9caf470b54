"""C3: rank servers by expected response with a cubic price on queues, own requests counted for all clients.

Source: Suresh et al., "C3: Cutting Tail Latency in Cloud Data Stores via Adaptive Replica Selection", NSDI 2015, and
the authors' Cassandra (``ScoreTracker``), which weighs the newest value with 0.9. With averages of response time R,
service time 1/mu and queue q, own requests outstanding os and w clients:

    score = R - 1/mu + (1 + os w + q)^3 / mu

The paper knows no slots. A server that computes c requests at once serves a queue of c in one service time, so here
os w + q is divided by the c that it reports. Undivided, a server with many slots is left as early as one with few: 4
to 15 % slower on the document's servers.

Only the ranking is here. The paper's other half, a rate limit per server that holds requests back in the client and
is adapted every 20 ms, needs hundreds of requests a second and a client that may wait; an inference server answers
a few a second, and ``choose`` must answer at once. Elasticsearch's adaptive replica selection leaves it out as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.balance.least_cost import least_cost, weigh_costs
from rilaas.balance.protocol import LoadReport, Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.recent import Recent
from rilaas.balance.suspects import Suspects

GAIN = 0.9


@dataclass(slots=True)
class _Times:
    """Averages of response and service time of a model on a server [s]."""

    response_s: float
    service_s: float


@dataclass(slots=True)
class _Queue:
    """Average of the requests that a server reports, and the newest report that is in it."""

    length: float
    heard_s: float


class C3:
    """Prefers fast servers, but pays the third power of the queue: of those that follow latency, it herds least.

    Times are kept per model and server, queues per server. The number of clients w is what the server reports, or
    else the number of interceptors set. A server that reports no queue counts with q = 0, one that reports no
    compute time with its round trip as service time.

    A new server gets one request of each model at a time until the first answer. A slow one is left after one
    answer, a silent one when the cube of what it holds outweighs the others; a timeout counts as an answer of that
    length. A failing one is held back (``Suspects``). One that is gone is not looked at.

    Args:
        interceptors: How many interceptors ask the same servers, this one included.
    """

    def __init__(self, interceptors: int = 1) -> None:
        self._interceptors = interceptors
        self._times: Recent[tuple[str, str], _Times] = Recent()
        self._queues: Recent[str, _Queue] = Recent()
        self._suspects = Suspects()
        self._left: Sequence[ServerView] = ()
        self._costs: Sequence[float | None] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        model = request.model
        self._left = left = self._suspects.trusted(candidates(request, servers), request.at_s)
        self._costs = costs = [self._score(server, model) for server in left]
        return left[least_cost(left, costs, model)].name

    def observe(self, outcome: Outcome) -> None:
        """Average response, service and queue of an answer; hold a failing server back."""
        self._suspects.observe(outcome)
        if outcome.status not in ("ok", "timeout"):
            return
        key, latency_s, compute_s = (outcome.server, outcome.request.model), outcome.latency_s, outcome.compute_s
        times = self._times.get(key)
        if times is None:
            times = _Times(latency_s, latency_s if compute_s is None else compute_s)
        else:
            times.response_s += GAIN * (latency_s - times.response_s)
            if outcome.status == "ok":
                times.service_s += GAIN * ((latency_s if compute_s is None else compute_s) - times.service_s)
        self._times.keep(key, times)
        if outcome.report is not None:
            self._hear(outcome.server, outcome.report)

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        rule = "The smallest R - 1/mu + (1 + (own requests x clients + reported queue) / slots)^3 / mu."
        return weigh_costs(self._left, self._costs, "score_s", rule)

    def _score(self, server: ServerView, model: str) -> float | None:
        report, clients, queue, slots = server.report, self._interceptors, 0.0, 1
        if report is not None:
            queue, slots = self._hear(server.name, report), _slots(report)
            clients = report.clients or clients
        times = self._times.get((server.name, model))
        if times is None:
            return None
        expected = 1.0 + (server.in_flight * clients + queue) / slots
        return times.response_s - times.service_s + expected * expected * expected * times.service_s

    def _hear(self, name: str, report: LoadReport) -> float:
        """The average queue of a server, the report counted in if it is news."""
        queue = self._queues.get(name)
        if queue is None:
            queue = _Queue(report.in_flight, report.heard_s)
            self._queues.keep(name, queue)
        elif report.heard_s > queue.heard_s:
            queue.length += GAIN * (report.in_flight - queue.length)
            queue.heard_s = report.heard_s
            self._queues.keep(name, queue)
        return queue.length


def _slots(report: LoadReport) -> int:
    """Inferences that run at once on a server, 1 where it does not tell."""
    slots = report.slots
    return max(slots.get("") or sum(slots.values()), 1)
