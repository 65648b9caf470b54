"""What the simulator is told of the real servers: measured on them while nothing waits, not taken from any table."""

import contextlib
from dataclasses import dataclass

import numpy as np

from rilaas.balance.simulation import Cluster, Duration, SimServer
from rilaas.balance.simulation.document import MODELS

from .contender import contender
from .place import UPLOAD_SHARE

ROUTE, NGINX = contender("round_robin"), contender("nginx-round_robin")


@dataclass(frozen=True)
class Calibration:
    """Measured durations of every server.

    Attributes:
        service_s: (server, model) -> (N,) float [s], in the model, as the server says.
        network_s: (through, server, model) -> (N,) float [s], all else, by the way through route or nginx.
    """

    service_s: dict
    network_s: dict

    @classmethod
    def together(cls, parts):
        """All that was measured in several calibrations."""
        joined = [
            {key: np.concatenate([getattr(part, name)[key] for part in parts]) for key in getattr(parts[0], name)}
            for name in ("service_s", "network_s")
        ]
        return cls(*joined)

    def rows(self):
        """server, model, what, mean [s], standard deviation [s], how many, in the order of measuring."""
        for (server, model), values in self.service_s.items():
            yield server, model, "service", values.mean(), values.std(ddof=1), len(values)
        for (through, server, model), values in self.network_s.items():
            yield server, model, f"network by {through}", values.mean(), values.std(ddof=1), len(values)

    def cluster(self, places, through):
        """The servers as the simulator takes them: durations are drawn from those that were measured.

        A replica computes one request at a time and belongs to one model, so each model has slots of its own.

        Args:
            places: The real servers.
            through: ``route`` or ``nginx``.
        """
        servers = [
            SimServer(
                place.name,
                place.kind,
                dict.fromkeys(MODELS, place.slots),
                {model: Duration.of(self.service_s[place.name, model]) for model in MODELS},
                {model: Duration.of(self.network_s[through, place.name, model]) for model in MODELS},
                UPLOAD_SHARE,
            )
            for place in places
        ]
        return Cluster(f"measured-by-{through}", MODELS, tuple(servers))


def calibrate(fleet, has_nginx, count, per_s):
    """Ask each server alone, through each way, so slowly that no request waits for another.

    Args:
        fleet: A running ``Fleet``.
        has_nginx: Whether nginx is there.
        count: Requests of each model, server and way.
        per_s: Requests of both models a second and server.
    """
    service, network = {}, {}
    at_s = np.arange(2 * count) / per_s
    model = np.arange(2 * count) % 2
    for each in [ROUTE, *([NGINX] if has_nginx else [])]:
        found = _alone(fleet, each, at_s, model)
        for place, answers in zip(fleet.places, found, strict=True):
            for index, name in enumerate(MODELS):
                mine = answers.model == index
                service.setdefault((place.name, name), []).append(answers.service_s[mine])
                network[each.through, place.name, name] = answers.network_s[mine]
    return Calibration({key: np.concatenate(parts) for key, parts in service.items()}, network)


def _alone(fleet, each, at_s, model):
    """All servers at the same time, each behind a balancer of its own."""
    with contextlib.ExitStack() as stack:
        ways = [stack.enter_context(each.started(fleet, (place.name,))) for place in fleet.places]
        return fleet.client.replay(*((way, at_s, model) for way in ways))
