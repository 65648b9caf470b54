"""The policies by name, as configuration files write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.protocol import Balancer
from rilaas.balance.random_choice import RandomChoice
from rilaas.balance.round_robin import RoundRobin
from rilaas.core import InvalidInput, did_you_mean


@dataclass(frozen=True, slots=True)
class Setting:
    """What a policy is made with; each takes what it needs.

    Attributes:
        seed: Of the policies that draw; None takes one from the operating system.
        path: File with what was learned before; None where the policy brings its own or starts with nothing.
        interceptors: How many interceptors ask the same servers, this one included.
    """

    seed: int | None = None
    path: Path | None = None
    interceptors: int = 1


BALANCERS: Mapping[str, Callable[[Setting], Balancer]] = {
    "round_robin": lambda setting: RoundRobin(),
    "random": lambda setting: RandomChoice(setting.seed),
    "least_connections": lambda setting: LeastConnections(),
}

LEARNED: frozenset[str] = frozenset()
"""Those of ``BALANCERS`` that take a file: ``NAME=FILE``."""


def make_balancer(spec: str, *, seed: int | None = None, interceptors: int = 1) -> Balancer:
    """A fresh policy.

    Args:
        spec: A key of ``BALANCERS``, or ``NAME=FILE`` for those of ``LEARNED``.
        seed: Of the policies that draw; the others ignore it.
        interceptors: How many interceptors ask the same servers, this one included.

    Raises:
        InvalidInput: There is no such policy, or it takes no file, or the file is not one of it.
        NotFound: There is no such file.
    """
    name, has_file, file = spec.partition("=")
    make = BALANCERS.get(name)
    if make is None:
        raise InvalidInput(f"There is no balancing policy {name!r}.", did_you_mean(name, BALANCERS))
    if has_file and name not in LEARNED:
        raise InvalidInput(f"The balancing policy {name!r} takes no file.", f"Write {name!r} alone.")
    return make(Setting(seed, Path(file) if has_file else None, interceptors))
