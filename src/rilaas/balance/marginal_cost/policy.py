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
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.marginal_cost import table as column
from rilaas.balance.marginal_cost.feature import View
from rilaas.balance.marginal_cost.guard import COUNTING, PRICED, SELFISH, Guard
from rilaas.balance.marginal_cost.memory import Memory
from rilaas.balance.marginal_cost.price import Price, read_price
from rilaas.balance.marginal_cost.queue import FOUND, WAITS, Queue
from rilaas.balance.marginal_cost.server import SHARED, Server
from rilaas.balance.marginal_cost.state import restore_state, write_state
from rilaas.balance.protocol import WARM_UP, Outcome, Request, ServerView, Weighing, candidates

if TYPE_CHECKING:
    from rilaas.balance.registry import Setting

Floats = NDArray[np.float64]
_OUT = 1e6  # seconds: what a server that should be left alone costs, so that it is the last choice and still one
_FADES_FROM, _FADING, _LEAST_TRUST = 0.8, 4.5, 0.1  # loads; from 0.8 to 1 the price fades to a tenth
_MIRRORED = 0.5  # how far others' requests are taken to be where one's own are; found by simulation
_MOST_VIEWS = 256
_MOST_SENT, _LOST_S = 4096, 300.0  # requests, seconds
_RULES = {
    PRICED: "The smallest own_s + price_s: own expected delay plus what the placement costs the requests to come.",
    SELFISH: "The smallest own_s: expectations were off, so the price is left out.",
    COUNTING: "The fewest requests in flight: expectations were far off.",
}


@functools.cache
def _shipped() -> Price:
    return read_price()


def _trust(load: float) -> float:
    """How much of the price counts: near overload rollouts that end too early make it too high, so it fades."""
    return min(1.0, max(_LEAST_TRUST, 1.0 - _FADING * (load - _FADES_FROM)))


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
        self._memory = Memory(interceptors)
        self._guard = Guard()
        self._sent: dict[int, tuple[Request, Server, Queue, float]] = {}
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
        memory, model = self._memory, request.model
        memory.now = now = request.at_s
        memory.try_again()
        view, shared = self._view(model, left)
        memory.rates[view.rows[view.row]].add(now)
        own = self._own(view, left, "" if shared else model, now)
        penalty = self._penalty(view, now)
        own += penalty
        view.waits += penalty  # nobody prefers a server that is left alone
        level = self._guard.level
        if level == PRICED and self._price is not None and len(left) > 1:
            rates = self._arrivals(view) if view.needs_rates(now) else None
            price = view.size * self._price(view.inputs(now, rates, memory.clients))
            price *= _trust(view.load)
        else:
            price = np.zeros(len(left))
        total = own + price if level < COUNTING else view.state[column.COUNT] + _OUT * (own >= _OUT)
        best = int(total.argmin())
        self._last = (left, own, price, view.state[column.COUNT], level)
        name = left[best].name
        server = memory.servers[name]
        queue = memory.queue(server, model)
        size, wait = float(view.size[best]), float(view.waits[view.row, best] - penalty[best])
        queue.send(id(request), now + float(view.up[view.row, best]), size, wait)
        self._give_up_lost(now)
        self._sent[id(request)] = (request, server, queue, float(own[best]))
        memory.table.count_work(queue.column, now, size, float(view.mean_service[best]))
        memory.refresh(server, queue)
        return name

    def _arrivals(self, view: View) -> Floats:
        """(K,) requests of each model, this interceptor's and as many of each other's [1/s]."""
        memory = self._memory
        return np.array([memory.clients * memory.rates[row].per_s(memory.now) for row in view.rows])

    def _penalty(self, view: View, now: float) -> Floats:
        """(N,) what silence, failures and ignorance cost [s]."""
        penalty: Floats = np.maximum(now - view.state[column.DUE], 0.0)
        penalty *= 2.0
        penalty += _OUT * (view.state[column.REST] > now)
        if view.has_unknown:
            penalty += _OUT * (view.is_unknown & (self._memory.table.state[column.COUNT, view.columns] > 0.0))
        return penalty

    def _give_up_lost(self, now: float) -> None:
        """Outcomes that did not come in so long, or behind so many, never will."""
        if not self._sent:
            return
        key, (request, server, queue, _) = next(iter(self._sent.items()))
        if now - request.at_s < _LOST_S and len(self._sent) < _MOST_SENT:
            return
        del self._sent[key]
        queue.end(key, self._memory.now)
        if server.queues.get(server.station(request.model)) is queue:
            self._memory.refresh(server, queue)

    def observe(self, outcome: Outcome) -> None:
        """See ``Balancer.observe``."""
        memory, request = self._memory, outcome.request
        memory.now = max(memory.now, outcome.at_s)
        sent = self._sent.pop(id(request), None)
        if sent is None:
            if request.request_id == WARM_UP and outcome.status == "ok":
                server = memory.server(outcome.server)
                if outcome.report is not None:
                    memory.hear(server, outcome.report)
                memory.learn(server, outcome, 0.0)
            return
        _, server, queue, expected_s = sent
        job = queue.end(id(request), memory.now)
        if not server.tells_slots:
            queue.has_left(memory.now - server.speed(request.model).down_s)
        if outcome.status == "ok":
            server.answered()
            if job is not None and outcome.queue_s is not None and not server.tells_slots and memory.clients <= 1:
                server.guess_slots(queue, int(job[FOUND]), outcome.queue_s)
            if expected_s < _OUT:
                self._guard.compare(expected_s, outcome.latency_s)
            memory.learn(server, outcome, 0.0 if job is None else job[WAITS])
        elif outcome.status != "cancelled":
            server.failed(memory.now, silent=outcome.status == "timeout")
        if outcome.report is not None:
            memory.hear(server, outcome.report)
        if outcome.status != "ok":
            for each in server.queues.values():
                memory.refresh(server, each)
        elif server.queues.get(server.station(request.model)) is queue:
            memory.refresh(server, queue)

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
        own = self._own(view, left, "" if shared else request.model, request.at_s)
        return {each.name: 0.0 if view.is_unknown[i] else float(own[i]) for i, each in enumerate(left)}

    def state(self) -> bytes:
        """What it knows of servers and models, for ``restore``."""
        return write_state(self._memory)

    def restore(self, state: bytes) -> None:
        """Go on from a state; see ``restore_state``."""
        restore_state(self._memory, state)

    def _view(self, model: str, left: Sequence[ServerView]) -> tuple[View, bool]:
        """The servers as this model sees them, and whether it shares all their queues with other models."""
        memory = self._memory
        names = tuple([each.name for each in left])
        found = self._views.get((model, names))
        if found is not None and found[0].version == memory.table.version:
            return found
        memory.forget_all_but(names)
        own = memory.row(model)
        shared, columns = True, []
        for each in left:
            server = memory.server(each.name)
            if each.report is not None:
                memory.hear(server, each.report)
            columns.append(memory.queue(server, model).column)
            shared &= server.station(model) == SHARED
        rows = [row for row in range(len(memory.rows)) if shared or row == own]
        if len(self._views) > _MOST_VIEWS:
            self._views.clear()
        made = View(memory.table, np.array(rows), np.array(columns), rows.index(own)), shared
        self._views[model, names] = made
        return made

    def _own(self, view: View, left: Sequence[ServerView], model: str, now: float) -> Floats:
        """(N,) own expected delay on each server [s]; ``model`` is '' where all models share their queues.

        Others' requests count too. Where the interceptor counts more than was placed here, it knows them. Else
        servers' reports tell: what one showed fades to the average while it ages and the request goes up. It cannot
        show what is still on its way, and whoever takes it for the present goes where everybody goes. So others'
        requests are sought half where they are on average, and half where one's own are (C3's concurrency
        compensation): other interceptors see the same and do the same.
        """
        memory = self._memory
        if model:
            there = [each.in_flight_by_model.get(model, 0) for each in left]
        else:
            there = [each.in_flight for each in left]
        own = memory.table.state[column.COUNT, view.columns]
        extra: Floats = np.array(there) - own
        if extra.max() > 0.0:
            return view.look(memory.table, now, np.maximum(extra, 0.0))
        if memory.clients <= 1:
            return view.look(memory.table, now, None)
        for each in left:
            if each.report is not None:
                memory.hear(memory.servers[each.name], each.report)
        mirrored = (memory.clients - 1) * own
        crowd = view.crowd(memory.table, now) * (1.0 - _MIRRORED) + mirrored * _MIRRORED
        return view.look(memory.table, now, crowd, guessed=True)
