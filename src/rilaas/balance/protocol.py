"""What every load-balancing policy takes and gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rilaas.core import InvalidInput, Unavailable

STATUSES = ("ok", "error", "timeout", "cancelled")


@dataclass(frozen=True, slots=True)
class Request:
    """One request that wants a server.

    Attributes:
        model: ``[owner/]name``; policies keep their memory per model, so the caller checks first that it exists.
        request_id: Names the request in logs.
        deadline_s: Seconds from now after which the answer is useless; inf where there is none.
        excluded: Servers that have been tried for this request and failed.
    """

    model: str
    request_id: str = ""
    deadline_s: float = math.inf
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServerView:
    """What the interceptor knows of one server that is healthy and has the model.

    Attributes:
        name: Unique among the servers.
        kind: ``edge`` or ``cloud``.
        in_flight: Requests sent and not yet answered, failed, timed out or cancelled, all models together.
        in_flight_by_model: The same, by model.
    """

    name: str
    kind: str = "edge"
    in_flight: int = 0
    in_flight_by_model: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt on one server ended. Every choice is followed by exactly one.

    Attributes:
        request: The request as it was given to ``choose``.
        server: The server that was chosen.
        status: One of ``STATUSES``.
        latency_s: From sending to the end, whatever the end was.
        queue_s: Waiting on the server as it reported it; None where it did not.
        compute_s: Time in the model's code as the server reported it; None where it did not.
    """

    request: Request
    server: str
    status: str
    latency_s: float
    queue_s: float | None = None
    compute_s: float | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise InvalidInput(f"An outcome is one of {', '.join(STATUSES)}; got {self.status!r}.")


@runtime_checkable
class Balancer(Protocol):
    """A load-balancing policy; ``check_balancer`` tests an implementation.

    One instance belongs to one interceptor, which calls it from one thread at a time. Neither method waits,
    reads a clock or does I/O: a decision costs microseconds. Servers may join, leave and return between any two
    calls; nothing has to be announced.
    """

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """Name of the server that gets the request.

        Args:
            request: What is asked for.
            servers: The servers that could answer; those in ``request.excluded`` are passed over.

        Raises:
            Unavailable: No server is left.
        """
        ...

    def observe(self, outcome: Outcome) -> None:
        """Learn how an attempt ended; outcomes may come late, in any order and from servers that are gone."""
        ...


def candidates(request: Request, servers: Sequence[ServerView]) -> Sequence[ServerView]:
    """The servers that may be chosen, in the order given.

    Raises:
        Unavailable: There are none; the message says whether there were any before exclusion.
    """
    excluded = request.excluded
    left = [server for server in servers if server.name not in excluded] if excluded else servers
    if not left:
        tried = ", ".join(sorted(server.name for server in servers))
        raise Unavailable(
            f"Every server of model {request.model!r} was tried and failed: {tried}."
            if tried
            else f"No server has model {request.model!r} ready.",
            "Try again in a moment; the interceptor's log says why the servers are out.",
        )
    return left
