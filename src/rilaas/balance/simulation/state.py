"""What changes while a cluster is simulated: requests, servers with their queues."""

from __future__ import annotations

from collections import deque

from rilaas.balance.protocol import Request
from rilaas.balance.simulation.chance import Luck
from rilaas.balance.simulation.cluster import Disturbance, SimServer

NO_REQUEST = Request("")


class Ask:
    """A request of a robot, over all its attempts."""

    __slots__ = (
        "at_s",
        "attempt",
        "attempts",
        "excluded",
        "interceptor",
        "latency_s",
        "luck",
        "model",
        "network_s",
        "ok",
        "request",
        "robot",
        "row",
        "sent_s",
        "server",
        "service_s",
        "step",
        "wait_s",
    )

    def __init__(
        self, row: int, robot: int, step: int, interceptor: int, model: int, at_s: float, luck: Luck
    ) -> None:
        self.row, self.robot, self.step = row, robot, step
        self.interceptor, self.model, self.at_s, self.luck = interceptor, model, at_s, luck
        self.attempt = 0  # the one whose end is waited for; -1 where the request has ended
        self.attempts = 0
        self.excluded: frozenset[str] = frozenset()
        self.request = NO_REQUEST
        self.sent_s = self.network_s = 0.0
        self.server = -1
        self.latency_s = self.wait_s = self.service_s = float("nan")
        self.ok = False


class Station:
    """Slots with one queue, first come, first served."""

    __slots__ = ("free", "queue")

    def __init__(self, slots: int) -> None:
        self.free = slots
        self.queue: deque[tuple[float, Ask, int]] = deque()


class Live:
    """A server while it is simulated.

    Args:
        server: What it is.
        number: Its place in the cluster.
        models: Names of the models, in the cluster's order.
        interceptors: How many have made a warm-up inference of each model.
        joins: Whether it is there only while a disturbance ``join`` lasts.
    """

    __slots__ = (
        "arrivals",
        "disturbances",
        "in_flight",
        "is_listed",
        "is_refusing",
        "is_silent",
        "jitter_s",
        "joins",
        "kind",
        "name",
        "network",
        "network_factor",
        "number",
        "propagation_s",
        "service",
        "slots",
        "slow",
        "stations",
        "upload_share",
        "weight",
    )

    def __init__(
        self, server: SimServer, number: int, models: tuple[str, ...], interceptors: int, *, joins: bool
    ) -> None:
        self.name, self.kind, self.weight, self.number = server.name, server.kind, server.weight, number
        self.service = [server.service[model].drawer() for model in models]
        self.network = [server.network[model].drawer() for model in models]
        self.propagation_s = 0.05 * sum(server.network[model].mean_s for model in models) / len(models)
        self.upload_share = server.upload_share
        self.slots = dict(server.slots_by_model)
        made = {model: Station(count) for model, count in self.slots.items()}
        self.stations = [made[""] if "" in made else made[model] for model in models]
        self.in_flight = 0
        self.arrivals = dict.fromkeys(models, interceptors)
        self.joins = joins
        self.disturbances: list[Disturbance] = []
        self._settle()

    def change(self, disturbance: Disturbance, *, begins: bool) -> None:
        """A disturbance begins or ends."""
        if begins:
            self.disturbances.append(disturbance)
        else:
            self.disturbances.remove(disturbance)
        self._settle()

    def _settle(self) -> None:
        self.slow = self.network_factor = 1.0
        variance = 0.0
        kinds = {each.kind for each in self.disturbances}
        self.is_refusing, self.is_silent = "refuse" in kinds, "silent" in kinds
        self.is_listed = "leave" not in kinds and (not self.joins or "join" in kinds)
        for each in self.disturbances:
            if each.kind == "slow":
                self.slow *= each.value
            elif each.kind == "network":
                self.network_factor *= each.value
            elif each.kind == "jitter":
                variance += each.value**2
        self.jitter_s = variance**0.5
