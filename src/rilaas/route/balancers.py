"""The balancing policies in use, as the configuration and the fleet's table name them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from rilaas.balance import Balancer, make_balancer
from rilaas.core import RilaasError
from rilaas.observe import Counter
from rilaas.route.fleet import ModelRoute
from rilaas.route.guarded import Guarded
from rilaas.route.kept_state import KeptStates

_log = logging.getLogger("rilaas.route")


class Balancers:
    """One policy for all models that name the same one: it sees all that they have on a server.

    What it has learned is kept as long as the interceptor runs. A model whose policy cannot be made goes by the
    default until the table changes.

    Args:
        default: For models that the table does not name; what it was made of, and itself.
        failures: Counts what goes wrong, by ``balancer`` and ``kind``.
        make: Makes a policy of what the table names; raises ``RilaasError`` where it cannot.
        states: Where a policy finds what it learned before; None has nothing.
    """

    def __init__(
        self,
        default: tuple[str, Balancer],
        failures: Counter,
        make: Callable[[str], Balancer] = make_balancer,
        states: KeptStates | None = None,
    ) -> None:
        spec, balancer = default
        self._failures, self._make, self._states = failures, make, states
        self._default = self._guarded(spec, balancer)
        self._made = {spec: self._default}
        self._failed: set[str] = set()

    def of(self, route: ModelRoute | None) -> Guarded:
        """The policy of a model by its route."""
        if route is None or not route.balancer or route.balancer in self._failed:
            return self._default
        return self._made.get(route.balancer) or self._new(route.balancer)

    def all(self) -> Iterable[Guarded]:
        """Those in use."""
        return list(self._made.values())

    def try_again(self) -> None:
        """The table has changed: what could not be made is made when it is asked for next, if it can be."""
        self._failed.clear()

    def _new(self, spec: str) -> Guarded:
        try:
            made = self._made[spec] = self._guarded(spec, self._make(spec))
            return made
        except RilaasError as error:
            _log.error("models with the balancing policy %r go by the default: %s", spec, error)
        except Exception as error:
            _log.error("models with the balancing policy %r go by the default", spec, exc_info=error)
        self._failures.inc(balancer=named(spec)[:_LONGEST], kind="make")
        self._failed.add(spec)
        return self._default

    def _guarded(self, spec: str, balancer: Balancer) -> Guarded:
        guarded = Guarded(named(spec), balancer, self._failures)
        if self._states is not None and guarded.keeps_state:
            self._states.restore(guarded)
        return guarded


_LONGEST = 40  # characters of a name that nobody knows


def named(spec: str) -> str:
    """The policy's name in ``NAME`` or ``NAME=FILE``."""
    return spec.partition("=")[0]
