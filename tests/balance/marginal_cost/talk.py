"""Somebody who asks a policy and answers for its servers, with a clock of their own."""

import numpy as np

from rilaas.balance import WARM_UP, LoadReport, Outcome, Request, ServerView
from rilaas.balance.marginal_cost import MarginalCost, Price
from rilaas.balance.marginal_cost.feature import NAMES, VERSION
from rilaas.balance.marginal_cost.price import LAYERS


def layers(seed=0, width=8):
    """Weights of a random price."""
    random = np.random.default_rng(seed)
    shapes = [(len(NAMES), width), (width,), (width, width), (width,), (width, 1), (1,)]
    return {name: random.normal(0.0, 0.5, shape) for name, shape in zip(LAYERS, shapes, strict=True)}


def flat_price(value):
    """A price that is the same everywhere."""
    made = {name: np.zeros_like(each) for name, each in layers().items()}
    made["b3"][0] = value
    return Price(made, {"features": VERSION})


class Talk:
    """What passes between an interceptor and one policy.

    Args:
        names: The servers.
        balancer: The policy; shortest expected delay of ``marginal_cost`` where there is none.
    """

    def __init__(self, *names, balancer=None):
        self.names = names
        self.balancer = balancer or MarginalCost()
        self.now = 100.0
        self.open = []  # requests without an outcome, as (request, server)
        self.report = {}  # newest, by server
        self.others = {}  # requests that somebody else placed, by server

    def views(self):
        found = []
        for name in self.names:
            models = [request.model for request, server in self.open if server == name]
            by_model = {model: models.count(model) for model in models}
            count = len(models) + self.others.get(name, 0)
            found.append(ServerView(name, "edge", count, by_model, report=self.report.get(name)))
        return found

    def ask(self, model="m", excluded=()):
        """Ask for a server; returns its name."""
        request = Request(model, excluded=frozenset(excluded), at_s=self.now)
        server = self.balancer.choose(request, self.views())
        self.open.append((request, server))
        return server

    def answer(self, place=0, *, service_s=0.1, network_s=0.0, queue_s=0.0, status="ok", report=None, latency_s=None):
        """The outcome of the open request at a place in the order of asking; the clock goes on by ``latency_s``."""
        request, server = self.open.pop(place)
        took = service_s + network_s + (queue_s or 0.0) if latency_s is None else latency_s
        self.now = max(self.now, request.at_s + took)
        ok = status == "ok"
        self.balancer.observe(
            Outcome(request, server, status, took, queue_s, service_s if ok else None, self.now, report)
        )
        return server

    def serve(self, times, model="m", network_s=0.0, queue_s=0.0):
        """Ask and answer, one after the other; ``times`` is the service time of each server; returns the servers."""
        chosen = []
        for _ in range(1 if np.isscalar(times) else times.pop("count", 1)):
            server = self.ask(model)
            self.answer(-1, service_s=times[server], network_s=network_s, queue_s=queue_s)
            self.now += 0.001
            chosen.append(server)
        return chosen

    def warm_up(self, server, service_s=0.1, network_s=0.0, model="m", report=None):
        """The first inference of all, which nobody asked for."""
        request = Request(model, WARM_UP, at_s=self.now)
        self.balancer.observe(Outcome(request, server, "ok", service_s + network_s, 0.0, service_s, self.now, report))

    def tell(self, server, in_flight=0, slots=1, arrivals=None, clients=0):
        """A server says what it has."""
        slots = {"": slots} if isinstance(slots, int) else slots
        self.report[server] = LoadReport(self.now, in_flight, slots, arrivals or {}, clients)
        return self.report[server]

    def weighed(self):
        """The figures of the last choice: by name of the figure, by server."""
        weighing = self.balancer.weighing()
        return {name: dict(zip(weighing.servers, row, strict=True)) for name, row in weighing.figures.items()}
