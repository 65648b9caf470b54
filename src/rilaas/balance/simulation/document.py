"""What the RILaaS document gives: Table I as a cluster, its 13 load profiles, its decluttering robots.

Where it is silent, this is what we take. Source: Tanwani et al., RILaaS, Table I and section VI-C.

- How many inferences a server runs at once is not said, and decides most: it is in the cluster's name.
- The network takes the round trip less the inference, and varies by the root of the difference of both variances;
  70 % of it lie before the server, since images are larger than answers.
- A profile lasts 120 s; the two models alternate, object recognition first.
- Only the Poisson profiles are random in time: in the others requests come as evenly as the rate allows.
- The steps of 1, 2, 3, 4 requests a second take 30 s each.
- "up to 2 seconds" of spike are 2 s, four times in the profile: at 15, 45, 75 and 105 s.
- "varying amplitudes" are not given. The rate swings by 3.5 around 4.5 requests a second, so from 1 to 8: the range
  of the uniform loads. It is the same for 0.05, 0.01 and 0.08 Hz, so that only the frequency differs.
- A robot that declutters works 8.3 s (normal, 10 %) between a grasp plan and its next picture: about 10 s a cycle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rilaas.balance.simulation.cluster import Cluster, SimServer
from rilaas.balance.simulation.duration import Duration
from rilaas.balance.simulation.load import Profile, Robots
from rilaas.balance.simulation.rate import Sinusoid, Steps, constant, with_spikes

OBJECT_RECOGNITION = "object-recognition"
GRASP_PLANNING = "grasp-planning"
MODELS = (OBJECT_RECOGNITION, GRASP_PLANNING)
SECONDS = 120.0
SPIKES_S = (15.0, 45.0, 75.0, 105.0)
THINK = Duration(8.3, 0.1)

TABLE_I_MS: Mapping[str, Mapping[str, tuple[float, float, float, float]]] = {
    "edge": {OBJECT_RECOGNITION: (36.03, 3.18, 172.77, 43.55), GRASP_PLANNING: (1386.95, 22.92, 1515.59, 26.16)},
    "cloud": {OBJECT_RECOGNITION: (42.79, 0.41, 483.82, 70.87), GRASP_PLANNING: (1501.61, 12.76, 2051.48, 22.684)},
}
"""Place, model: mean and standard deviation of the inference, then of the round trip [ms]."""


def server(name: str, kind: str, slots: int | Mapping[str, int]) -> SimServer:
    """A server as Table I has it.

    Args:
        name: Of the server.
        kind: ``edge`` or ``cloud``.
        slots: See ``SimServer``.
    """
    service, network = {}, {}
    for model, (inference, inference_std, round_trip, round_trip_std) in TABLE_I_MS[kind].items():
        service[model] = Duration(inference / 1e3, inference_std / inference)
        way = round_trip - inference
        network[model] = Duration(way / 1e3, math.sqrt(round_trip_std**2 - inference_std**2) / way)
    return SimServer(name, kind, slots, service, network)


def cluster(name: str, edge: Sequence[int], cloud: Sequence[int]) -> Cluster:
    """Servers of Table I with so many slots each; they are called ``edge`` and ``cloud``, or ``edge-1`` and so on."""
    servers = []
    for kind, slots in (("edge", edge), ("cloud", cloud)):
        for number, count in enumerate(slots, 1):
            servers.append(server(kind if len(slots) == 1 else f"{kind}-{number}", kind, count))
    return Cluster(name, MODELS, tuple(servers))


def uniform(per_s: float) -> Profile:
    """So many requests a second, evenly."""
    return Profile(f"uniform-{per_s:g}", MODELS, constant(per_s), "even", SECONDS)


def poisson(per_s: float) -> Profile:
    """So many requests a second in the mean, each independent of the others."""
    return Profile(f"poisson-{per_s:g}", MODELS, constant(per_s), "poisson", SECONDS)


def sinusoidal(frequency_hz: float) -> Profile:
    """From 1 to 8 requests a second and back, so often a second."""
    return Profile(f"sinusoidal-{frequency_hz:g}", MODELS, Sinusoid(4.5, 3.5, frequency_hz), "even", SECONDS)


def robots(count: int) -> Robots:
    """So many robots that declutter: object recognition, grasp planning, then about 8 s of picking and placing."""
    return Robots(f"robots-{count}", MODELS, count, MODELS, THINK, SECONDS)


_ALL = (
    *(uniform(rate) for rate in (1, 2, 4, 8)),
    Profile("step", MODELS, Steps((0.0, 30.0, 60.0, 90.0), (1.0, 2.0, 3.0, 4.0)), "even", SECONDS),
    Profile("spike", MODELS, with_spikes(2.0, 13.0, 2.0, SPIKES_S), "even", SECONDS),
    *(poisson(rate) for rate in (1, 2, 4, 8)),
    *(sinusoidal(frequency) for frequency in (0.05, 0.01, 0.08)),
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in _ALL}
"""The document's 13, by name, in its order; the sinusoidal ones are for tests only."""
