"""What every load-balancing policy takes and gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rilaas.core import InvalidInput, Unavailable

STATUSES = ("ok", "error", "timeout", "cancelled")
WARM_UP = "warm-up"
"""The request id of the inference that an interceptor makes when it first meets a model on a server."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that wants a server.

    Attributes:
        model: ``[owner/]name``; policies keep their memory per model, so the caller checks first that it exists.
        request_id: Names the request in logs.
        deadline_s: Seconds from now after which the answer is useless; inf where there is none.
        excluded: Servers that have been tried for this request and failed.
        at_s: When a server is chosen, on the interceptor's monotonic clock [s]; it never goes back.
    """

    model: str
    request_id: str = ""
    deadline_s: float = math.inf
    excluded: frozenset[str] = frozenset()
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a server says of itself, with an answer or in between.

    Attributes:
        heard_s: When it was heard, on the interceptor's monotonic clock [s]; it was written one network delay before.
        in_flight: Requests on the server, waiting or computed, of all models and whoever sent them.
        slots: How many inferences run at once, by model; the key ``""`` stands for a number that all models share.
        arrivals: Requests that ever came, by model, whoever sent them: the difference of two reports is a rate.
        clients: How many interceptors ask this server; 0 where it does not know.
    """

    heard_s: float
    in_flight: int
    slots: Mapping[str, int] = field(default_factory=dict)
    arrivals: Mapping[str, int] = field(default_factory=dict)
    clients: int = 0


@dataclass(frozen=True, slots=True)
class ServerView:
    """What the interceptor knows of one server that is healthy and has the model.

    Attributes:
        name: Unique among the servers.
        kind: ``edge`` or ``cloud``.
        in_flight: Requests sent and not yet answered, failed, timed out or cancelled, all models together.
        in_flight_by_model: The same, by model.
        weight: Its share where a policy uses weights, as the configuration says.
        report: What it last said of itself; None where it never did.
    """

    name: str
    kind: str = "edge"
    in_flight: int = 0
    in_flight_by_model: Mapping[str, int] = field(default_factory=dict)
    weight: float = 1.0
    report: LoadReport | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt on one server ended. Every choice is followed by exactly one.

    Attributes:
        request: The very object that was given to ``choose``: policies may tell requests apart by identity.
        server: The server that was chosen.
        status: One of ``STATUSES``.
        latency_s: From sending to the end, whatever the end was.
        queue_s: Waiting on the server as it reported it; None where it did not.
        compute_s: Time in the model's code as the server reported it; None where it did not.
        at_s: When it ended, on the interceptor's monotonic clock [s].
        report: What the server said of itself with the answer; None where it did not.
    """

    request: Request
    server: str
    status: str
    latency_s: float
    queue_s: float | None = None
    compute_s: float | None = None
    at_s: float = 0.0
    report: LoadReport | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise InvalidInput(f"An outcome is one of {', '.join(STATUSES)}; got {self.status!r}.")


@dataclass(frozen=True, slots=True)
class Weighing:
    """What a choice was made from, as columns: the answer to "why this server?".

    Attributes:
        servers: Names of those that could be chosen.
        figures: Named figures, one per server, such as ``own_s`` or ``in_flight``; the name carries the unit.
        rule: One sentence that says how the choice follows from them.
    """

    servers: Sequence[str]
    figures: Mapping[str, Sequence[float]]
    rule: str


@runtime_checkable
class Balancer(Protocol):
    """A load-balancing policy; ``check_balancer`` tests an implementation.

    One instance belongs to one interceptor, which calls it from one thread at a time. No method waits, reads a
    clock or does I/O: a decision costs microseconds. Servers may join, leave and return between any two calls;
    nothing has to be announced. A server whose first outcome is that of a warm-up inference
    (``Outcome.request.request_id == WARM_UP``) was never chosen for it: there may be an outcome without a choice.
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

    def weighing(self) -> Weighing | None:
        """What the last choice was made from; None before the first."""
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


def weigh_in_flight(servers: Sequence[ServerView], rule: str) -> Weighing | None:
    """The weighing of a policy that looks at nothing but requests in flight, or not even at those.

    Args:
        servers: Those that could be chosen.
        rule: How the choice follows.
    """
    if not servers:
        return None
    in_flight = [float(server.in_flight) for server in servers]
    return Weighing([server.name for server in servers], {"in_flight": in_flight}, rule)
