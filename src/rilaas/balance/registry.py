"""The policies by name, as configuration files write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rilaas.balance.c3 import C3
from rilaas.balance.deep_q import DeepQ
from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.least_connections_per_model import LeastConnectionsPerModel
from rilaas.balance.least_model_time import LeastModelTime
from rilaas.balance.marginal_cost import MarginalCost
from rilaas.balance.peak_ewma import PeakEwma
from rilaas.balance.power_of_two_choices import PowerOfTwoChoices
from rilaas.balance.prequal import Prequal
from rilaas.balance.protocol import Balancer
from rilaas.balance.q_learning import QLearning
from rilaas.balance.random_choice import RandomChoice
from rilaas.balance.round_robin import RoundRobin
from rilaas.balance.round_robin_shared import RoundRobinShared
from rilaas.balance.shortest_expected_delay import ShortestExpectedDelay
from rilaas.balance.weighted_least_connections import WeightedLeastConnections
from rilaas.core import InvalidInput, did_you_mean


@dataclass(frozen=True, slots=True)
class Setting:
    """What a policy is made with; each takes what it needs.

    Attributes:
        seed: Of the policies that draw; None takes one from the operating system.
        path: File with what was learned before; None where the policy brings its own or starts with nothing.
        interceptors: How many interceptors ask the same servers, this one included.
        online: Whether a policy that was trained goes on learning from its own outcomes; those that never stop
            learning ignore it.
    """

    seed: int | None = None
    path: Path | None = None
    interceptors: int = 1
    online: bool = False


def _peak_ewma_full(setting: Setting) -> Balancer:
    """Peak EWMA over all servers, where peak_ewma compares two that it draws; the same with two servers."""
    return PeakEwma(setting.seed, compared=math.inf)


BALANCERS: Mapping[str, Callable[[Setting], Balancer]] = {
    "round_robin": lambda setting: RoundRobin(),
    "round_robin_shared": lambda setting: RoundRobinShared(),
    "random": lambda setting: RandomChoice(setting.seed),
    "least_connections": lambda setting: LeastConnections(),
    "least_connections_per_model": lambda setting: LeastConnectionsPerModel(),
    "weighted_least_connections": lambda setting: WeightedLeastConnections(),
    "least_model_time": lambda setting: LeastModelTime(setting.seed),
    "power_of_two_choices": lambda setting: PowerOfTwoChoices(setting.seed),
    "peak_ewma": lambda setting: PeakEwma(setting.seed),
    "peak_ewma_full": _peak_ewma_full,
    "c3": lambda setting: C3(setting.interceptors),
    "prequal": lambda setting: Prequal(setting.seed),
    "shortest_expected_delay": lambda setting: ShortestExpectedDelay(),
    "q_learning": QLearning.of,
    "deep_q": DeepQ.of,
    "marginal_cost": MarginalCost.of,
}

LEARNED: frozenset[str] = frozenset({"q_learning", "deep_q", "marginal_cost"})
"""Those of ``BALANCERS`` that take a file: ``NAME=FILE``."""

NEEDS_FILE: frozenset[str] = frozenset({"deep_q"})
"""Those of ``LEARNED`` that are nothing without one."""


def make_balancer(spec: str, *, seed: int | None = None, interceptors: int = 1, online: bool = False) -> Balancer:
    """A fresh policy.

    Args:
        spec: A key of ``BALANCERS``, or ``NAME=FILE`` for those of ``LEARNED``.
        seed: Of the policies that draw; the others ignore it.
        interceptors: How many interceptors ask the same servers, this one included.
        online: Whether a policy that was trained goes on learning from its own outcomes.

    Raises:
        InvalidInput: There is no such policy, or it takes no file or needs one, or the file is not one of it.
        NotFound: There is no such file.
    """
    name, has_file, file = spec.partition("=")
    make = BALANCERS.get(name)
    if make is None:
        raise InvalidInput(f"There is no balancing policy {name!r}.", did_you_mean(name, BALANCERS))
    if has_file and name not in LEARNED:
        raise InvalidInput(f"The balancing policy {name!r} takes no file.", f"Write {name!r} alone.")
    return make(Setting(seed, Path(file) if has_file else None, interceptors, online))
