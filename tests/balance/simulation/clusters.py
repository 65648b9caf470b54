"""Clusters, loads and a policy that writes everything down, for the tests of the simulator."""

from collections import Counter

from rilaas.balance import WARM_UP, candidates
from rilaas.balance.simulation import Cluster, Duration, Profile, SimServer
from rilaas.balance.simulation.rate import constant

NONE = Duration(0.0)
EXPONENTIAL = Duration(1.0, 1.0, "exponential")


def one_model(*slots, service=EXPONENTIAL, network=NONE, disturbances=()):
    """Servers a, b, c, ... with one model and so many slots each."""
    servers = [
        SimServer("abcdefgh"[k], "edge", count, {"m": service}, {"m": network}) for k, count in enumerate(slots)
    ]
    return Cluster("test", ("m",), tuple(servers), tuple(disturbances))


def poisson(rate_per_s, duration_s, models=("m",)):
    return Profile("poisson", models, constant(rate_per_s), "poisson", duration_s)


def even(rate_per_s, duration_s, models=("m",)):
    return Profile("even", models, constant(rate_per_s), "even", duration_s)


class Witness:
    """Chooses by ``rule`` (the fewest in flight, unless told otherwise) and remembers all that it saw."""

    def __init__(self, rule=None):
        self.rule = rule or (lambda request, servers: min(servers, key=lambda server: server.in_flight).name)
        self.chosen, self.outcomes, self.warm_ups, self.views = [], [], [], []
        self.in_flight = Counter()
        self.steps = []  # when its number of requests in flight changed, and by how much

    def choose(self, request, servers):
        left = candidates(request, servers)
        for server in servers:
            assert server.in_flight == sum(server.in_flight_by_model.values())
        self.views.append((request.at_s, servers))
        name = self.rule(request, left)
        self.chosen.append((request, name))
        self.in_flight[name] += 1
        self.steps.append((request.at_s, 1))
        return name

    def observe(self, outcome):
        if outcome.request.request_id == WARM_UP:
            self.warm_ups.append(outcome)
            return
        self.outcomes.append(outcome)
        self.in_flight[outcome.server] -= 1
        assert self.in_flight[outcome.server] >= 0
        self.steps.append((outcome.at_s, -1))

    def weighing(self):
        return None


def always(name):
    return lambda: Witness(lambda request, servers: name)
