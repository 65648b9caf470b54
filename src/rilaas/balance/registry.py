"""The policies by name, as configuration files write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.protocol import Balancer
from rilaas.balance.random_choice import RandomChoice
from rilaas.balance.round_robin import RoundRobin
from rilaas.core import InvalidInput, did_you_mean

BALANCERS: Mapping[str, Callable[[int | None], Balancer]] = {
    "round_robin": lambda seed: RoundRobin(),
    "random": RandomChoice,
    "least_connections": lambda seed: LeastConnections(),
}


def make_balancer(name: str, *, seed: int | None = None) -> Balancer:
    """A fresh policy.

    Args:
        name: A key of ``BALANCERS``.
        seed: Of the policies that draw; the others ignore it.

    Raises:
        InvalidInput: There is no such policy.
    """
    make = BALANCERS.get(name)
    if make is None:
        raise InvalidInput(f"There is no balancing policy {name!r}.", did_you_mean(name, BALANCERS))
    return make(seed)
