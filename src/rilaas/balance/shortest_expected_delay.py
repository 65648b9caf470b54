"""Join the shortest expected delay: network, wait and service, from rates that are estimated on line.

Source: Banawan and Zahorjan, "Load Sharing in Heterogeneous Queueing Systems", INFOCOM 1989, for the rule; Linux's
IPVS ``sed`` for its one-slot form (in flight + 1) / rate. With c slots and n requests before this one of mean service
time s the wait is that of a memoryless queue, max(n - c + 1, 0) s / c.

It is selfish: what a placement costs the requests to come is not in it. And it is the policy that herds worst where
several interceptors choose from the same stale knowledge: use it with one interceptor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.balance.least_cost import in_flight_of, least_cost
from rilaas.balance.protocol import LoadReport, Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.recent import Recent, Sent
from rilaas.balance.suspects import Suspects

GAIN = 0.1  # weight of the newest answer once there are ten
FRESH_S = 1.0  # a report older than this says nothing of other interceptors' requests
WAITED = 0.05  # service times; a shorter wait is the server's own overhead


@dataclass(slots=True)
class _Pace:
    """Means of service and network time of a model on a server [s]."""

    service_s: float = 0.0
    network_s: float = 0.0
    answers: int = 0

    def learn(self, service_s: float, network_s: float) -> None:
        self.answers += 1
        gain = max(GAIN, 1.0 / self.answers)
        self.service_s += gain * (service_s - self.service_s)
        self.network_s += gain * (network_s - self.network_s)


_Delay = tuple[float, float, float]  # what a request expects at a server: network, wait, service [s]


class ShortestExpectedDelay:
    """Adds up what a request will meet on each server and takes the least.

    Service time comes from ``compute_s``; network time is the rest of the round trip without ``queue_s``. Slots come
    from the server's report; without one they are learned from who waited: no wait behind r others means more than r
    slots, a wait means at most r. A server that reports no times counts with its round trip when idle as service.

    A new server gets one request of each model at a time until the first answer. A slow one is left as its means
    grow, a silent one as its queue does; a timeout counts as service of that length. A failing one is held back
    (``Suspects``). One that is gone is not looked at.
    """

    def __init__(self) -> None:
        self._paces: Recent[tuple[str, str], _Pace] = Recent()
        self._slots: Recent[tuple[str, str], float] = Recent()
        self._sent: Sent[int] = Sent()
        self._suspects = Suspects()
        self._left: Sequence[ServerView] = ()
        self._delays: Sequence[_Delay | None] = ()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        model, at_s = request.model, request.at_s
        self._left = left = self._suspects.trusted(candidates(request, servers), at_s)
        self._delays = delays = [self._delay(server, model, at_s) for server in left]
        costs = [None if one is None else one[0] + one[1] + one[2] for one in delays]
        chosen = left[least_cost(left, costs, model)]
        self._sent.note(request, chosen.in_flight)
        return chosen.name

    def observe(self, outcome: Outcome) -> None:
        """Learn service, network and slots from an answer; hold a failing server back."""
        self._suspects.observe(outcome)
        before = self._sent.take(outcome.request)
        if outcome.status not in ("ok", "timeout"):
            return
        key = (outcome.server, outcome.request.model)
        pace = self._paces.get(key) or _Pace()
        self._paces.keep(key, pace)
        latency_s, compute_s, queue_s = outcome.latency_s, outcome.compute_s, outcome.queue_s
        if outcome.status == "timeout":
            pace.learn(latency_s, pace.network_s)
        elif compute_s is None:
            if not before or not pace.answers:
                pace.learn(latency_s, 0.0)
        else:
            pace.learn(compute_s, max(latency_s - compute_s - (queue_s or 0.0), 0.0))
            if queue_s is not None and before is not None and not (outcome.report and outcome.report.slots):
                self._learn_slots(key, before, queue_s > WAITED * compute_s)

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        if not self._left:
            return None
        known = [one or (0.0, 0.0, 0.0) for one in self._delays]
        figures = {
            "in_flight": [float(server.in_flight) for server in self._left],
            "network_s": [one[0] for one in known],
            "wait_s": [one[1] for one in known],
            "service_s": [one[2] for one in known],
            "known": [float(one is not None) for one in self._delays],
        }
        rule = "The smallest sum of network, expected wait and service."
        return Weighing([server.name for server in self._left], figures, rule)

    def _delay(self, server: ServerView, model: str, at_s: float) -> _Delay | None:
        name, report = server.name, server.report
        pace = self._paces.get((name, model))
        if pace is None or not pace.answers:
            return None
        apart = report is not None and model in report.slots  # a station of its own, which other models do not use
        ahead = in_flight_of(server, model) if apart else server.in_flight
        mean_s = pace.service_s if apart else self._mean_service_s(server, pace.service_s)
        if report is not None and not apart and at_s - report.heard_s <= FRESH_S:
            ahead = max(ahead, report.in_flight)
        slots = self._slots_of(name, model, report)
        waiting = ahead - slots + 1.0
        return pace.network_s, waiting * mean_s / slots if waiting > 0.0 else 0.0, pace.service_s

    def _mean_service_s(self, server: ServerView, service_s: float) -> float:
        """Mean service time of what is in flight at a server; the model's own where that is not known."""
        count, sum_s = 0, 0.0
        for model, in_flight in server.in_flight_by_model.items():
            pace = self._paces.get((server.name, model))
            if pace is not None and in_flight:
                count += in_flight
                sum_s += in_flight * pace.service_s
        return sum_s / count if count else service_s

    def _slots_of(self, name: str, model: str, report: LoadReport | None) -> float:
        if report is not None and report.slots:
            told = report.slots.get(model) or report.slots.get("")
            if told:
                return float(told)
        return self._slots.get((name, model), 1.0)

    def _learn_slots(self, key: tuple[str, str], before: int, waited: bool) -> None:
        """Move towards more slots than were taken without a wait, or at most those behind which one waited."""
        slots = self._slots.get(key, 1.0)
        if waited and before < slots:
            slots += 0.2 * (max(before, 1) - slots)
        elif not waited and before + 1 > slots:
            slots += 0.2 * (before + 1 - slots)
        self._slots.keep(key, slots)
