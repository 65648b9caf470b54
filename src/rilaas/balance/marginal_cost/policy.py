"""The policy of rilaas: own expected delay plus a learned price of what the placement costs the requests to come.

Every policy that minimises a request's own latency, even with perfect knowledge, lets long jobs take scarce near
slots that many short ones need. The price is that cost: seconds that later requests lose per second of service
placed. A small network gives it from figures of a server after the placement, the same network for all servers and
models, so nothing is trained again when they come or go.

Source: one step of policy iteration with a value function that is additive over servers (Krishnan, "Joining the right
queue", 1990; Hyytiä, "Lookahead actions in dispatching to parallel queues", 2013), its differences learned from
simulated rollouts by ``rilaas.learn.balancing``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.marginal_cost import table as column
from rilaas.balance.marginal_cost.estimate import Rate
from rilaas.balance.marginal_cost.feature import View
from rilaas.balance.marginal_cost.guard import COUNTING, PRICED, Guard
from rilaas.balance.marginal_cost.price import Price, read_price
from rilaas.balance.marginal_cost.queue import WAITS, Queue
from rilaas.balance.marginal_cost.server import SHARED, UP_SHARE, Server
from rilaas.balance.marginal_cost.table import Table
from rilaas.balance.protocol import WARM_UP, LoadReport, Outcome, Request, ServerView, Weighing, candidates

if TYPE_CHECKING:
    from rilaas.balance.registry import Setting

Floats = NDArray[np.float64]
_JUMP = 1.3  # a change of at least this factor holds for all models of a server
_OUT = 1e6  # seconds: what a server that should be left alone costs, so that it is the last choice and still one
_GUESS_S = 0.1  # service time of a model that no server ever ran
_MOST_SERVERS = 256
_MOST_VIEWS = 256
_RULE = "The smallest own_s + price_s: own expected delay plus what the placement costs the requests to come."
_RULES = {
    PRICED: _RULE,
    1: "The smallest own_s: expectations were off, so the price is left out.",
    COUNTING: "The fewest requests in flight: expectations were far off.",
}


@functools.cache
def _shipped() -> Price:
    return read_price()


class MarginalCost:
    """Chooses the server with the smallest own expected delay plus price of the placement.

    A new server gets one request at a time until one is answered, and is taken for as fast as the best known one. A
    silent server is overdue from the time at which an answer should have come at the latest, and costs twice what it
    is late. A slow one is recognised by two answers far off what was expected, for all its models at once, and is
    tried again now and then. One that fails twice is left alone for 4 s (then 8, up to 32) and gets one trial. One
    that is gone is forgotten when there are many. Where expectations are off for all servers together, the guard
    leaves the price out, and then the expectations too: least connections, which expects nothing.

    Args:
        price: The learned price; None for shortest expected delay.
        interceptors: How many ask the same servers; servers' reports may tell of more.
    """

    def __init__(self, price: Price | None = None, *, interceptors: int = 1) -> None:
        self._price = price
        self._clients = interceptors
        self._table = Table()
        self._servers: dict[str, Server] = {}
        self._rows: dict[str, int] = {}
        self._rates: list[Rate] = []
        self._sent: dict[int, tuple[Request, Server, Queue, float]] = {}
        self._guard = Guard()
        self._now = 0.0
        self._views: dict[tuple[str, tuple[str, ...]], tuple[View, bool]] = {}
        self._last: tuple[Sequence[ServerView], Floats, Floats, Floats, int] | None = None

    @classmethod
    def of(cls, setting: Setting) -> MarginalCost:
        """As the registry makes it: with the price that comes with rilaas where there is no file."""
        price = _shipped() if setting.path is None else read_price(setting.path)
        return cls(price, interceptors=setting.interceptors)

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = candidates(request, servers)
        self._now = now = request.at_s
        model = request.model
        view, shared = self._view(model, left)
        self._rates[view.rows[view.row]].add(now)
        own = view.look(self._table, now, self._others(left, view, "" if shared else model, now))
        level = self._guard.level
        if level == PRICED and self._price is not None and len(left) > 1:
            rates = (
                np.array([self._clients * self._rates[each].per_s(now) for each in view.rows])
                if view.needs_rates(now)
                else None
            )
            price = view.size * self._price(view.inputs(now, rates, self._clients))
        else:
            price = np.zeros(len(left))
        own += self._penalty(view, now)
        total = own + price if level < COUNTING else view.state[column.COUNT] + _OUT * (own >= _OUT)
        best = int(total.argmin())
        self._last = (left, own, price, view.state[column.COUNT], level)
        name = left[best].name
        server = self._servers[name]
        queue = self._queue(server, model)
        wait = float(view.waits[view.row, best])
        queue.send(id(request), now + float(view.up[view.row, best]), float(view.size[best]), wait)
        self._sent[id(request)] = (request, server, queue, float(own[best]))
        self._table.count_work(queue.column, now, float(view.size[best]))
        self._refresh(server, queue, now)
        return name

    def _penalty(self, view: View, now: float) -> Floats:
        """(N,) what silence, failures and ignorance cost [s]."""
        penalty: Floats = np.maximum(now - view.state[column.DUE], 0.0)
        penalty *= 2.0
        penalty += _OUT * (view.state[column.REST] > now)
        if view.has_unknown:
            penalty += _OUT * (view.is_unknown & (view.state[column.COUNT] > 0.0))
        return penalty

    def observe(self, outcome: Outcome) -> None:
        """See ``Balancer.observe``."""
        request = outcome.request
        self._now = now = outcome.at_s
        sent = self._sent.pop(id(request), None)
        if sent is None and request.request_id != WARM_UP:
            return
        server = self._server(outcome.server) if sent is None else sent[1]
        report = outcome.report
        if report is not None and server.heard(report):
            self._forget_queues(server)
        if sent is None:
            if outcome.status == "ok":
                self._learn(server, outcome, 0.0)
            return
        _, _, queue, expected_s = sent
        others = len(queue.jobs) - 1
        job = queue.end(id(request), now)
        if outcome.status == "ok":
            server.answered()
            if outcome.queue_s is not None:
                server.guess_slots(queue, others, outcome.queue_s)
            if expected_s < _OUT:
                self._guard.compare(expected_s, outcome.latency_s)
            self._learn(server, outcome, 0.0 if job is None else job[WAITS])
        elif outcome.status != "cancelled":
            server.failed(now)
        self._refresh(server, queue, now)
        if report is not None:
            self._hear(server, report)

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        if self._last is None:
            return None
        left, own, price, count, level = self._last
        figures = {"own_s": own.tolist(), "price_s": price.tolist(), "in_flight": count.tolist()}
        return Weighing([server.name for server in left], figures, _RULES[level])

    def guard(self) -> Mapping[str, float]:
        """The guard-rail's figures: ``fallback`` is 0 (priced), 1 (own delay alone) or 2 (least connections)."""
        return {"fallback": float(self._guard.level), "prediction_error": self._guard.error}

    def expected_s(self, request: Request, servers: Sequence[ServerView]) -> Mapping[str, float]:
        """Expected delay of a request on each server that could be chosen [s]; 0 where nothing is known."""
        left = candidates(request, servers)
        view, shared = self._view(request.model, left)
        own = view.look(
            self._table, request.at_s, self._others(left, view, "" if shared else request.model, request.at_s)
        )
        return {each.name: 0.0 if view.is_unknown[i] else float(own[i]) for i, each in enumerate(left)}

    def _view(self, model: str, left: Sequence[ServerView]) -> tuple[View, bool]:
        """The servers as this model sees them, and whether it shares their queues with other models."""
        names = tuple([each.name for each in left])
        found = self._views.get((model, names))
        if found is not None and found[0].version == self._table.version:
            return found
        if len(self._servers) > _MOST_SERVERS:
            self._forget(names)
        own = self._row(model)
        shared = False
        columns = []
        for each in left:
            server = self._server(each.name)
            if each.report is not None and server.heard(each.report):
                self._forget_queues(server)
            columns.append(self._queue(server, model).column)
            shared |= server.station(model) == SHARED
        rows = [row for row in range(len(self._rows)) if shared or row == own]
        if len(self._views) > _MOST_VIEWS:
            self._views.clear()
        made = View(self._table, np.array(rows), np.array(columns), rows.index(own)), shared
        self._views[model, names] = made
        return made

    def _row(self, model: str) -> int:
        row = self._rows.get(model)
        if row is None:
            row = self._rows[model] = len(self._rows)
            self._rates.append(Rate())
            self._table.grow_rows(row + 1)
            for server in self._servers.values():
                self._guess(server)
        return row

    def _server(self, name: str) -> Server:
        server = self._servers.get(name)
        if server is None:
            server = self._servers[name] = Server()
        return server

    def _queue(self, server: Server, model: str) -> Queue:
        key = server.station(model)
        queue = server.queues.get(key)
        if queue is None:
            queue = server.queues[key] = Queue(server.slots_of(key), self._table.add_column())
            self._refresh(server, queue, self._now)
            self._guess(server)
        return queue

    def _refresh(self, server: Server, queue: Queue, now: float) -> None:
        """Write down what is believed of a queue now."""
        theta = server.theta
        queue.believe(now, theta)
        rest = math.inf if server.on_trial and queue.jobs else server.resting_until_s
        self._table.write_queue(queue, theta, queue.ends_s + server.slack_s, rest)

    def _learn(self, server: Server, outcome: Outcome, waited_s: float) -> None:
        """How long the model takes on the server, from one answer."""
        row, model = self._row(outcome.request.model), outcome.request.model
        speed = server.speed(model)
        if outcome.compute_s is not None:
            speed.service.add(outcome.compute_s)
            speed.network.add(max(0.0, outcome.latency_s - outcome.compute_s - (outcome.queue_s or 0.0)))
        else:
            speed.service.add(max(outcome.latency_s - waited_s, 0.1 * outcome.latency_s))
            speed.network.add(0.0)
        factor = speed.service.jumped
        if not 1.0 / _JUMP < factor < _JUMP:
            for other in server.speeds.values():
                if other is not speed:
                    other.service.scale(factor)
            self._write_times(server)
        else:
            self._write(server, row, model)
        if speed.service.count == 1:
            for each in self._servers.values():
                self._guess(each)

    def _write_times(self, server: Server) -> None:
        for model in server.speeds:
            self._write(server, self._row(model), model)

    def _write(self, server: Server, row: int, model: str) -> None:
        speed = server.speeds[model]
        if speed.service.count == 0:
            return
        network = speed.network.value
        queue = server.queues.get(server.station(model))
        if queue is not None:
            self._write_cell(row, queue.column, network, speed.service.value, guessed=False)

    def _write_cell(self, row: int, column: int, network_s: float, service_s: float, *, guessed: bool) -> None:
        up_s = UP_SHARE * network_s
        self._table.write_times(row, column, up_s, max(service_s, 1e-6), network_s - up_s, guessed=guessed)

    def _guess(self, server: Server) -> None:
        """Fill in what a server is not known for: it is taken for as good as the best that is known."""
        for model, row in self._rows.items():
            queue = server.queues.get(server.station(model))
            if queue is None:
                continue
            speed = server.speeds.get(model)
            if speed is not None and speed.service.count > 0:
                self._write(server, row, model)
                continue
            known = [
                (each.speeds[model].service.value, each.speeds[model].network.value)
                for each in self._servers.values()
                if model in each.speeds and each.speeds[model].service.count > 0
            ]
            service = min((pair[0] for pair in known), default=_GUESS_S)
            network = min((pair[1] for pair in known), default=0.0)
            self._write_cell(row, queue.column, network, service, guessed=True)

    def _others(self, left: Sequence[ServerView], view: View, model: str, now: float) -> Floats | None:
        """(N,) requests on each server, of a model or of all, that were not placed here; None for none.

        Where the interceptor counts more than was placed here, it knows the others. Else servers' reports tell of
        them: what a report showed fades to the average while it ages and the request goes up. A report cannot show
        what is still on its way, and whoever takes it for the present goes where everybody goes. So each own request
        stands for one of every other interceptor too (C3's concurrency compensation): they see and do the same.
        """
        if model:
            there = [each.in_flight_by_model.get(model, 0) for each in left]
        else:
            there = [each.in_flight for each in left]
        own = self._table.state[column.COUNT, view.columns]
        extra: Floats = np.array(there) - own
        if extra.max() > 0.0:
            return np.maximum(extra, 0.0)
        if self._clients <= 1:
            return None
        for each in left:
            if each.report is not None:
                self._hear(self._servers[each.name], each.report)
        crowd: Floats = view.crowd(self._table, now)
        crowd += (self._clients - 1) * own
        return crowd

    def _hear(self, server: Server, report: LoadReport) -> None:
        """A server's report, for what it says of others."""
        crowd = server.crowd
        if report.heard_s <= crowd.heard_s:
            return
        crowd.hear(report, sum(queue.arrived(report.heard_s) for queue in server.queues.values()))
        self._clients = max(self._clients, report.clients)
        came = max(sum(report.arrivals.values()), 1)
        for key, queue in server.queues.items():
            share = 1.0 if key == SHARED else report.arrivals.get(key, 0) / came
            self._table.write_crowd(queue.column, share * crowd.last, share * crowd.mean, crowd.heard_s)

    def _forget_queues(self, server: Server) -> None:
        for queue in server.queues.values():
            self._table.drop_column(queue.column)
        server.queues.clear()

    def _forget(self, names: Sequence[str]) -> None:
        """Servers that are not among these are gone."""
        for name in [name for name in self._servers if name not in names]:
            self._forget_queues(self._servers.pop(name))
