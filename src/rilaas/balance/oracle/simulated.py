"""A small case as the simulator takes it: the same servers, the same arrivals."""

from __future__ import annotations

from rilaas.balance.oracle.case import SmallCase
from rilaas.balance.simulation.cluster import Cluster, SimServer
from rilaas.balance.simulation.duration import Duration
from rilaas.balance.simulation.load import Profile
from rilaas.balance.simulation.rate import constant

MODEL = "model"


def cluster_of(case: SmallCase) -> Cluster:
    """The servers of the case, all of kind ``edge``; the whole network lies after the server, as the case has it."""
    servers = [
        SimServer(
            name,
            "edge",
            station.slots,
            {MODEL: Duration(station.service_s, 1.0, "exponential")},
            {MODEL: Duration(station.network_s)},
            upload_share=0.0,
        )
        for name, station in zip(case.names, case.stations, strict=True)
    ]
    return Cluster(f"load {case.load:g}", (MODEL,), tuple(servers))


def load_of(case: SmallCase, requests: int) -> Profile:
    """Poisson arrivals at the case's rate, so long that about this many requests come."""
    rate = case.arrival_per_s
    return Profile(f"poisson-{rate:g}", (MODEL,), constant(rate), "poisson", requests / rate)
