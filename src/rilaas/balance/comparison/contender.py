"""A policy under the name by which a comparison tells it apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rilaas.balance.protocol import Balancer
from rilaas.balance.registry import BALANCERS, NEEDS_FILE, Setting, make_balancer
from rilaas.core import InvalidInput


@dataclass(frozen=True, slots=True)
class FromSpec:
    """Makes the policy that a spec names; unlike a lambda it can be sent to another process.

    Attributes:
        spec: As ``make_balancer`` reads it.
    """

    spec: str

    def __call__(self, setting: Setting) -> Balancer:
        """A fresh one."""
        return make_balancer(self.spec, seed=setting.seed, interceptors=setting.interceptors)


@dataclass(frozen=True, slots=True)
class Contender:
    """One of those that are compared.

    Attributes:
        name: Unique in a comparison.
        make: Makes a fresh policy for one interceptor; has to be picklable where several processes work.
    """

    name: str
    make: Callable[[Setting], Balancer]


def contenders_of(specs: Sequence[str]) -> tuple[Contender, ...]:
    """Policies by their specs; each is made once, so that what is wrong with one is told before any work.

    Args:
        specs: ``NAME`` or ``NAME=FILE``; one with a file is called by its name and its file's.

    Raises:
        InvalidInput: There is no such policy, one is named twice, a file does not fit, or there is nothing.
        NotFound: There is no such file.
    """
    if not specs:
        raise InvalidInput("Nothing to compare.", f"Name policies, such as {', '.join(list(BALANCERS)[:3])}.")
    names = [_name(spec) for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"The policy {name!r} is named twice.", "Name each once.")
    for spec in specs:
        make_balancer(spec, seed=0)
    return tuple(Contender(name, FromSpec(spec)) for name, spec in zip(names, specs, strict=True))


def without_file() -> list[str]:
    """The policies that need no file, in the registry's order."""
    return [name for name in BALANCERS if name not in NEEDS_FILE]


def _name(spec: str) -> str:
    name, has_file, file = spec.partition("=")
    return f"{name}={Path(file).name}" if has_file else name
