"""A balancing policy that cannot stop routing: where it fails, least connections chooses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from rilaas.balance import Balancer, LeastConnections, Outcome, Request, ServerView, Weighing, candidates
from rilaas.observe import Counter

_log = logging.getLogger("rilaas.route")
_T = TypeVar("_T")


@runtime_checkable
class ShowsGuard(Protocol):
    """A policy that shows how far it trusts itself; optional."""

    def guard(self) -> Mapping[str, float]:
        """Figures by name, such as ``fallback`` (1 while it goes by something simpler) or ``prediction_error``."""
        ...


@runtime_checkable
class KeepsState(Protocol):
    """A policy that can go on where it was; optional."""

    def state(self) -> bytes:
        """What it has learned on line."""
        ...

    def restore(self, state: bytes) -> None:
        """Go on from there; any exception means that the bytes are not of this policy."""
        ...


@runtime_checkable
class Expects(Protocol):
    """A policy that knows how long an answer would take; optional."""

    def expected_s(self, request: Request, servers: Sequence[ServerView]) -> Mapping[str, float]:
        """Seconds until the answer, by server; those that it cannot tell of are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        server: Its name.
        is_fallback: By least connections, because the policy failed.
        weighing: From what; None where nobody says.
    """

    server: str
    is_fallback: bool
    weighing: Weighing | None


class Guarded:
    """Asks a policy and does without it where it fails; what goes wrong is logged once per kind and counted.

    Args:
        name: Of the policy, as configurations and metrics call it.
        balancer: The policy.
        failures: Counts, by ``balancer`` and ``kind``.
    """

    def __init__(self, name: str, balancer: Balancer, failures: Counter) -> None:
        self.name, self.balancer = name, balancer
        self._failures = failures
        self._fallback = LeastConnections()
        self._logged: set[tuple[str, str]] = set()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> Choice:
        """The server that gets the request, whatever the policy does.

        Raises:
            Unavailable: No server is left.
        """
        left = candidates(request, servers)
        try:
            chosen = self.balancer.choose(request, servers)
        except Exception as error:
            self._failed("choose", error)
            return self._without(request, left)
        for server in left:
            if server.name == chosen:
                return Choice(chosen, False, self._safely("weighing", self.balancer.weighing))
        self._failed("stranger", ValueError(f"{chosen!r} is none of the servers that can be chosen"))
        self._told(Outcome(request, str(chosen), "cancelled", 0.0, at_s=request.at_s))  # it may wait for an outcome
        return self._without(request, left)

    def observe(self, choice: Choice | None, outcome: Outcome) -> None:
        """Tell the policy how a request ended that it placed; or, without a choice, a warm-up."""
        if choice is None or not choice.is_fallback:
            self._told(outcome)

    def guard(self) -> Mapping[str, float]:
        """The figures of its guard; none where it has none."""
        balancer = self.balancer
        if not isinstance(balancer, ShowsGuard):
            return {}
        return self._safely("guard", lambda: _numbers(balancer.guard())) or {}

    def expected_s(self, request: Request, servers: Sequence[ServerView]) -> Mapping[str, float]:
        """How long each server would take; nothing where the policy cannot tell."""
        balancer = self.balancer
        if not isinstance(balancer, Expects):
            return {}
        return self._safely("expected_s", lambda: _numbers(balancer.expected_s(request, servers))) or {}

    @property
    def keeps_state(self) -> bool:
        """Whether it can go on where it was."""
        return isinstance(self.balancer, KeepsState)

    def state(self) -> bytes | None:
        """What it has learned on line; None where it keeps nothing."""
        if not isinstance(self.balancer, KeepsState):
            return None
        state = self._safely("state", self.balancer.state)
        return bytes(state) if isinstance(state, (bytes, bytearray)) else None

    def restore(self, state: bytes) -> bool:
        """Go on from a state; whether that was possible."""
        if not isinstance(self.balancer, KeepsState):
            return False
        try:
            self.balancer.restore(state)
        except Exception as error:
            self._failed("restore", error)
            return False
        return True

    def _without(self, request: Request, left: Sequence[ServerView]) -> Choice:
        return Choice(self._fallback.choose(request, left), True, self._fallback.weighing())

    def _told(self, outcome: Outcome) -> None:
        self._safely("observe", lambda: self.balancer.observe(outcome))

    def _safely(self, kind: str, function: Callable[[], _T]) -> _T | None:
        try:
            return function()
        except Exception as error:
            self._failed(kind, error)
            return None

    def _failed(self, kind: str, error: Exception) -> None:
        self._failures.inc(balancer=self.name, kind=kind)
        told = (kind, type(error).__name__)
        if told not in self._logged:
            self._logged.add(told)
            _log.error("the balancing policy %s failed (%s); it is done without", self.name, kind, exc_info=error)


def _numbers(told: Mapping[str, float]) -> dict[str, float]:
    return {str(name): float(value) for name, value in told.items()}
