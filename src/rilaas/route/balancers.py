"""A balancing policy for each model, as the fleet's table names them."""

from __future__ import annotations

import logging

from rilaas.balance import BALANCERS, Balancer, make_balancer
from rilaas.route.fleet import ModelRoute

_log = logging.getLogger("rilaas.route")


class Balancers:
    """Keeps each model's policy, with what it has learned, while the table names the same one.

    Args:
        default: For models that the table does not name, all together.
    """

    def __init__(self, default: Balancer) -> None:
        self._default = default
        self._made: dict[str, tuple[str, Balancer]] = {}

    def of(self, model: str, route: ModelRoute | None) -> Balancer:
        """The policy of a model."""
        if route is None or not route.balancer:
            return self._default
        name, balancer = self._made.get(model, ("", self._default))
        if name != route.balancer:
            if route.balancer in BALANCERS:
                balancer = make_balancer(route.balancer)
            else:
                _log.error("there is no balancing policy %r; %s goes by the default", route.balancer, model)
                balancer = self._default
            self._made[model] = (route.balancer, balancer)
        return balancer
