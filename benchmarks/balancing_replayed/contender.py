"""Who balances: our interceptor with one of its policies, or nginx with one of its methods."""

import contextlib
from dataclasses import dataclass, replace

from rilaas.balance import BALANCERS, make_balancer

NGINX = {  # method -> the policy that does the same in the simulator
    "nginx-round_robin": ("round_robin", "round_robin_shared"),
    "nginx-least_conn": ("least_conn", "least_connections"),
}
OURS = (
    "round_robin",
    "least_connections",
    "least_model_time",
    "prequal",
    "c3",
    "peak_ewma",
    "shortest_expected_delay",
    "q_learning",
    "marginal_cost",
)


@dataclass(frozen=True)
class Contender:
    """One way to balance.

    Attributes:
        name: For tables.
        spec: Policy of the interceptor, or method of nginx.
        simulated: The policy that stands for it in the simulator.
        is_nginx: Whether nginx does it.
    """

    name: str
    spec: str
    simulated: str
    is_nginx: bool = False

    @property
    def through(self):
        """By which of the two ways requests go, as calibration tells them apart."""
        return "nginx" if self.is_nginx else "route"

    @contextlib.contextmanager
    def started(self, fleet, names=None):
        """A fresh one before servers of a fleet, all of them where None; yields the ``Way`` to it."""
        with (fleet.nginx if self.is_nginx else fleet.interceptor)(self.spec, names) as way:
            yield way

    def trained(self, path):
        """The same with what was learned before."""
        spec = f"{self.spec.partition('=')[0]}={path}"
        return replace(self, spec=spec, simulated=spec)

    def balancer(self, seed):
        """A fresh policy for the simulator."""
        return make_balancer(self.simulated, seed=seed)


def contender(spec):
    """By its name: a key of ``NGINX``, or a policy as ``make_balancer`` reads it."""
    if spec in NGINX:
        method, simulated = NGINX[spec]
        return Contender(spec, method, simulated, is_nginx=True)
    make_balancer(spec, seed=0)
    return Contender(spec.partition("=")[0], spec, spec)


def contenders(has_nginx):
    """Those that there are now: the policies of ``OURS`` that are registered, and nginx."""
    known = [name for name in OURS if name in BALANCERS]
    return [contender(name) for name in [*known, *(NGINX if has_nginx else ())]]
