"""The event loop: requests go to servers, wait, are computed and come back; time jumps from event to event.

What is assumed, where the real thing has a choice:

- A server takes requests first come, first served; a slot computes one at a time at full speed.
- A request keeps the way through the network that chance gave it, on any server and attempt, as a quantile.
- An interceptor that gave up a request (too late) frees its own count at once; the server computes it all the same.
- A server that is silent is noticed ``timeout_s`` after a request was sent to it, as keep-alive pings notice a dead
  connection: a server that is only slow is not given up.
- A failed attempt is made again at once on another server; a request that has failed on all is not answered.
- No circuit breaker takes servers out of the list: what a policy does with a failing server shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from time import perf_counter
from typing import Any

from rilaas.balance.protocol import WARM_UP, Balancer, LoadReport, Outcome, Request, ServerView
from rilaas.balance.simulation.chance import Chance
from rilaas.balance.simulation.cluster import Cluster
from rilaas.balance.simulation.interceptor import Ledger, SimInterceptor
from rilaas.balance.simulation.state import Ask, Live
from rilaas.core import InvalidInput, Unavailable

Event = tuple[Any, ...]
"""When [s], kind, row of the request (or another number), attempt, and what the kind needs."""

CHANGE, REACH, LEAVE, ANSWER, FAIL, LATE, PUSH, HEARD, ASK = range(9)
"""Kinds of events, in the order in which those of one moment happen."""

_WARM_UPS = 11  # names the stream of random numbers for warm-up inferences


class Engine:
    """One simulation; a load puts its requests in with ``ask``, and ``run_until`` lets time pass.

    Args:
        cluster: What is simulated.
        balancers: One policy per interceptor.
        seed: Of what chance decides.
        timeout_s: After which a silent server is noticed [s].
        deadline_s: A request without an answer by then is given up, and not tried again [s].
        report_interval_s: How often servers tell interceptors of themselves unasked [s]; None where never.
        ledger_delay_s: How late interceptors know of each other's requests [s]; None where never.
        warm_up: Whether each interceptor makes an inference of each model on a server when it first meets it.
    """

    def __init__(
        self,
        cluster: Cluster,
        balancers: Sequence[Balancer],
        seed: int,
        *,
        timeout_s: float,
        deadline_s: float,
        report_interval_s: float | None,
        ledger_delay_s: float | None,
        warm_up: bool,
    ) -> None:
        self.models = cluster.models
        self.heap: list[Event] = []
        self.open = 0
        self.ended: Callable[[Ask, float], None] | None = None
        self.asked: Callable[[float, int], None] | None = None
        self.choosing: Callable[[Ask, Request, Sequence[ServerView]], None] | None = None
        self.decisions_s: list[float] = []
        self._timeout_s, self._deadline_s = timeout_s, deadline_s
        self._clients = len(balancers)
        joining = {each.server for each in cluster.disturbances if each.kind == "join"}
        warm = len(balancers) if warm_up else 0
        self.servers = [
            Live(server, number, self.models, warm, joins=server.name in joining)
            for number, server in enumerate(cluster.servers)
        ]
        self._numbers = {server.name: server.number for server in self.servers}
        self.interceptors = [SimInterceptor(balancer, self.servers, self.models) for balancer in balancers]
        self._ledger: Ledger | None = None
        if ledger_delay_s is not None:
            self._ledger = Ledger(self.interceptors, len(self.servers), self.models, ledger_delay_s)
        self._met: set[int] = set()
        self._warm_ups = Chance(seed, _WARM_UPS) if warm_up else None
        self._handlers = (
            self._change,
            self._reach,
            self._leave,
            self._answer,
            self._fail,
            self._late,
            self._push,
            self._heard,
            self._ask,
        )
        self._offer(0.0)
        self._plan(cluster, report_interval_s)

    def run_until(self, time_s: float) -> None:
        """Let everything happen that happens until then, that moment included."""
        heap, handlers = self.heap, self._handlers
        while heap and heap[0][0] <= time_s:
            event = heappop(heap)
            handlers[event[1]](event)

    def finish(self) -> None:
        """Let everything happen until no request is open."""
        heap, handlers = self.heap, self._handlers
        while self.open:
            event = heappop(heap)
            handlers[event[1]](event)

    def step(self) -> float:
        """Let the next event happen and return its time [s]; there is one as long as a request is open."""
        event = heappop(self.heap)
        self._handlers[event[1]](event)
        return float(event[0])

    def ask(self, ask: Ask) -> None:
        """A robot asks."""
        self.open += 1
        if self._deadline_s != float("inf"):
            heappush(self.heap, (ask.at_s + self._deadline_s, LATE, ask.row, 0, ask))
        self._try(ask, ask.at_s)

    def push_ask(self, at_s: float, robot: int) -> None:
        """A robot will ask then."""
        self.open += 1
        heappush(self.heap, (at_s, ASK, robot, 0))

    def _try(self, ask: Ask, now: float) -> None:
        """Choose a server and send."""
        if self._ledger is not None:
            self._ledger.read(now)
        interceptor = self.interceptors[ask.interceptor]
        views = interceptor.views()
        if not views:
            self._close(ask, now, ok=False)
            return
        model = ask.model
        request = Request(self.models[model], str(ask.row), ask.at_s + self._deadline_s - now, ask.excluded, now)
        if self.choosing is not None:
            if all(view.name in ask.excluded for view in views):
                self._close(ask, now, ok=False)
            else:
                self.choosing(ask, request, views)
            return
        try:
            start = perf_counter()
            name = interceptor.balancer.choose(request, views)
            self.decisions_s.append(perf_counter() - start)
        except Unavailable:
            self._close(ask, now, ok=False)
            return
        self.send(ask, request, name)

    def send(self, ask: Ask, request: Request, name: str) -> None:
        """A server was chosen; where ``choosing`` is set it is who calls this, before anything else happens."""
        now, model = request.at_s, ask.model
        interceptor, number = self.interceptors[ask.interceptor], self._numbers.get(name, -1)
        if name in ask.excluded or not interceptor.offers(number):
            raise InvalidInput(f"The policy chose {name!r}; it had {[view.name for view in interceptor.views()]}.")
        self._count(ask.interceptor, number, model, 1, now)
        ask.request, ask.sent_s, ask.server = request, now, number
        ask.attempts += 1
        server = self.servers[number]
        network_s = server.network[model](ask.luck[2], ask.luck[3])
        if server.jitter_s:
            network_s = max(0.05 * network_s, network_s + server.jitter_s * ask.luck[4])
        ask.network_s = network_s
        reach_s = now + network_s * server.upload_share * server.network_factor
        heappush(self.heap, (reach_s, REACH, ask.row, ask.attempt, ask, server))

    def _reach(self, event: Event) -> None:
        """A request comes to its server."""
        now, _, row, attempt, ask, server = event
        if server.is_silent:
            self._swallow(ask, attempt, now)
            return
        if server.is_refusing:
            heappush(self.heap, (self._down(ask, server, now), FAIL, row, attempt, ask, "error"))
            return
        server.in_flight += 1
        server.arrivals[self.models[ask.model]] += 1
        station = server.stations[ask.model]
        if station.free:
            station.free -= 1
            service_s = server.service[ask.model](ask.luck[0], ask.luck[1]) * server.slow
            heappush(self.heap, (now + service_s, LEAVE, row, attempt, ask, server, 0.0, service_s))
        else:
            station.queue.append((now, ask, attempt))

    def _leave(self, event: Event) -> None:
        """A server has computed; the next in its queue begins."""
        now, _, row, attempt, ask, server, wait_s, service_s = event
        server.in_flight -= 1
        station = server.stations[ask.model]
        if station.queue:
            since, following, its_attempt = station.queue.popleft()
            its_s = server.service[following.model](following.luck[0], following.luck[1]) * server.slow
            heappush(
                self.heap,
                (now + its_s, LEAVE, following.row, its_attempt, following, server, now - since, its_s),
            )
        else:
            station.free += 1
        if server.is_silent:
            self._swallow(ask, attempt, now)
            return
        told = (server.in_flight, dict(server.arrivals))
        heappush(
            self.heap,
            (self._down(ask, server, now), ANSWER, row, attempt, ask, server, wait_s, service_s, told),
        )

    def _answer(self, event: Event) -> None:
        """An answer comes back to the interceptor."""
        now, _, _, attempt, ask, server, wait_s, service_s, (in_flight, arrivals) = event
        if attempt != ask.attempt:
            return
        report = LoadReport(now, in_flight, server.slots, arrivals, self._clients)
        interceptor = self.interceptors[ask.interceptor]
        interceptor.reports[server.number] = report
        self._count(ask.interceptor, server.number, ask.model, -1, now)
        latency_s = now - ask.sent_s
        interceptor.balancer.observe(
            Outcome(ask.request, server.name, "ok", latency_s, wait_s, service_s, now, report)
        )
        ask.wait_s, ask.service_s = wait_s, service_s
        self._close(ask, now, ok=True)

    def _fail(self, event: Event) -> None:
        """An attempt has failed, by an error or because nobody answered; another server is tried."""
        now, _, _, attempt, ask, status = event
        if attempt != ask.attempt:
            return
        self._give_up(ask, now, status)
        ask.attempt += 1
        ask.excluded |= {self.servers[ask.server].name}
        self._try(ask, now)

    def _late(self, event: Event) -> None:
        """A request's deadline has passed."""
        now, ask = event[0], event[4]
        if ask.attempt >= 0:
            self._give_up(ask, now, "timeout")
            self._close(ask, now, ok=False)

    def _give_up(self, ask: Ask, now: float, status: str) -> None:
        self._count(ask.interceptor, ask.server, ask.model, -1, now)
        name = self.servers[ask.server].name
        outcome = Outcome(ask.request, name, status, now - ask.sent_s, at_s=now)
        self.interceptors[ask.interceptor].balancer.observe(outcome)

    def _close(self, ask: Ask, now: float, *, ok: bool) -> None:
        ask.attempt, ask.ok, ask.latency_s = -1, ok, now - ask.at_s
        self.open -= 1
        if self.ended is not None:
            self.ended(ask, now)

    def _count(self, interceptor: int, server: int, model: int, change: int, now: float) -> None:
        name = self.models[model]
        self.interceptors[interceptor].count(server, name, change)
        if self._ledger is not None:
            self._ledger.write(now, interceptor, server, name, change)

    def _swallow(self, ask: Ask, attempt: int, now: float) -> None:
        noticed_s = max(now, ask.sent_s + self._timeout_s)
        heappush(self.heap, (noticed_s, FAIL, ask.row, attempt, ask, "timeout"))

    def _down(self, ask: Ask, server: Live, now: float) -> float:
        return now + ask.network_s * (1.0 - server.upload_share) * server.network_factor

    def _ask(self, event: Event) -> None:
        """A robot's next query is due."""
        self.open -= 1
        if self.asked is not None:
            self.asked(event[0], event[2])

    def _plan(self, cluster: Cluster, report_interval_s: float | None) -> None:
        for number, each in enumerate(cluster.disturbances):
            server = self.servers[self._numbers[each.server]]
            heappush(self.heap, (each.at_s, CHANGE, 2 * number + 1, 0, each, server, True))
            if each.until_s != float("inf"):
                heappush(self.heap, (each.until_s, CHANGE, 2 * number, 0, each, server, False))
        if report_interval_s is not None:
            for server in self.servers:
                first_s = report_interval_s * (server.number + 1) / len(self.servers)
                heappush(self.heap, (first_s, PUSH, server.number, 0, server, report_interval_s))

    def _change(self, event: Event) -> None:
        """A disturbance begins or ends."""
        now, _, _, _, disturbance, server, begins = event
        was_listed = server.is_listed
        server.change(disturbance, begins=begins)
        if server.is_listed != was_listed:
            self._offer(now)

    def _offer(self, now: float) -> None:
        numbers = [server.number for server in self.servers if server.is_listed]
        for number in numbers:
            if number not in self._met:
                self._met.add(number)
                self._warm(self.servers[number], now)
        for each in self.interceptors:
            each.offer(numbers)

    def _warm(self, server: Live, now: float) -> None:
        """Each interceptor makes one inference of each model, before anybody waits for it."""
        if self._warm_ups is None:
            return
        for k, interceptor in enumerate(self.interceptors):
            for m, model in enumerate(self.models):
                luck = self._warm_ups[(k * len(self.servers) + server.number) * len(self.models) + m]
                service_s = server.service[m](luck[0], luck[1]) * server.slow
                latency_s = service_s + server.network[m](luck[2], luck[3]) * server.network_factor
                report = LoadReport(now, 0, server.slots, dict(server.arrivals), self._clients)
                interceptor.hear(server.number, report)
                request = Request(model, WARM_UP, at_s=now)
                interceptor.balancer.observe(
                    Outcome(request, server.name, "ok", latency_s, 0.0, service_s, now, report)
                )

    def _push(self, event: Event) -> None:
        """A server tells of itself unasked."""
        now, _, number, _, server, interval_s = event
        heappush(self.heap, (now + interval_s, PUSH, number, 0, server, interval_s))
        if not server.is_silent:
            told = (server.in_flight, dict(server.arrivals))
            heard_s = now + server.propagation_s * server.network_factor
            heappush(self.heap, (heard_s, HEARD, number, 0, server, told))

    def _heard(self, event: Event) -> None:
        now, _, number, _, server, (in_flight, arrivals) = event
        report = LoadReport(now, in_flight, server.slots, arrivals, self._clients)
        for each in self.interceptors:
            each.hear(number, report)
