"""The request interceptor: authorize, limit, balance, forward, retry, observe.

Source: Tanwani et al., RILaaS, section IV-B. It is a ``Service`` behind the same front as a server's own models,
and a library: a robot's client may hold one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial

from rilaas.balance import Balancer, Outcome, Request
from rilaas.core import (
    DeadlineExceeded,
    ModelFailed,
    NotFound,
    PermissionDenied,
    RilaasError,
    Unauthenticated,
    Unavailable,
    did_you_mean,
)
from rilaas.observe import Registry
from rilaas.route.access import AccessSource, Grant
from rilaas.route.limit import RateLimits
from rilaas.route.upstream import Server
from rilaas.serve.service import Caller, ModelState
from rilaas.wire import Peek, peek, with_parameters

_log = logging.getLogger("rilaas.route")

MAX_DEATHS = 2  # processes that one request may take with it
_STATUS = {"deadline_exceeded": "timeout"}  # of an outcome, by error code; all others are 'error'
# What an error says of the server's health; every other one is an answer, so the server is well.
_VERDICT: dict[str, bool | None] = {"unavailable": False, "deadline_exceeded": None}


class Interceptor:
    """Sends each query of a known robot to one server, and to another where that one is gone.

    A request is sent again only where a server could not be reached or died, so a model may see a request twice,
    never answer it twice. One that ends the model's process is tried once more and not again.

    Args:
        servers: Where models run.
        access: The policy in force.
        balancer: Chooses among the servers that have the model and answer.
        registry: Where the metrics go.
    """

    def __init__(
        self, servers: Sequence[Server], access: AccessSource, balancer: Balancer, registry: Registry | None = None
    ) -> None:
        self.servers = {server.name: server for server in servers}
        self._access, self._balancer = access, balancer
        self._limits = RateLimits()
        registry = registry or Registry()
        self._requests = registry.counter(
            "rilaas_route_requests_total", "Requests ended, by outcome.", ("robot", "model", "outcome")
        )
        self._attempts = registry.counter(
            "rilaas_route_attempts_total", "Attempts on servers, by outcome.", ("server", "model", "outcome")
        )
        self._seconds = registry.histogram(
            "rilaas_route_request_seconds", "From the interceptor to a server's answer.", ("server", "model")
        )
        waiting = registry.gauge("rilaas_route_in_flight", "Requests sent to a server and not ended.", ("server",))
        resting = registry.gauge("rilaas_route_breaker_open", "1 while a server is left alone.", ("server",))
        for server in servers:
            waiting.follow(partial(_in_flight, server), server=server.name)
            resting.follow(partial(_is_resting, server), server=server.name)

    async def infer(self, body: bytes, caller: Caller, deadline: float | None) -> bytes:
        """See ``Service.infer``; the answer says which server gave it and how many were tried.

        Raises:
            PermissionDenied: The robot may not use the model, or there is no such model.
            RateLimited: It asks too often.
            DeadlineExceeded: No answer in time.
            Unavailable: No server could be reached.
        """
        seen = peek(body)
        outcome = "internal"
        try:
            grant = self._grant(caller, seen.model)
            if not self._is_known(seen.model):
                raise self._nobody(seen.model, seen.version, caller)
            self._limits.check(caller.name, seen.model, grant)
            reply = await self._try_servers(body, seen, caller, deadline)
            outcome = "ok"
            return reply
        except RilaasError as error:
            outcome = error.code
            raise
        finally:
            model = seen.model if self._is_known(seen.model) else "-"  # nobody invents labels
            self._requests.inc(robot=caller.name, model=model, outcome=outcome)

    async def metadata(self, model: str, version: str, caller: Caller) -> bytes:
        """See ``Service.metadata``."""
        self._grant(caller, model)
        error = self._nobody(model, version, caller)
        for server in self.servers.values():
            if server.has(model, version):
                try:
                    return await server.upstream.metadata(model, version)
                except RilaasError as reason:
                    error = reason
        raise error

    def models(self, caller: Caller) -> Sequence[ModelState]:
        """See ``Service.models``: those that the robot may use, ready where any server has them ready."""
        robot = self._access.snapshot().robots.get(caller.key_id)
        states: dict[tuple[str, str], ModelState] = {}
        for server in self.servers.values():
            for state in server.upstream.models():
                known = states.get((state.name, state.version))
                if robot is not None and robot.grant(state.name) and (known is None or not known.ready):
                    states[state.name, state.version] = state
        return list(states.values())

    def _grant(self, caller: Caller, model: str) -> Grant:
        robot = self._access.snapshot().robots.get(caller.key_id)
        if robot is None:
            raise Unauthenticated("The robot's key is not registered any more.", "Ask the fleet's owner to add it.")
        grant = robot.grant(model)
        if grant is None:
            raise PermissionDenied(
                f"Robot {robot.name!r} may not use a model {model!r}, if there is one.",
                "Ask its owner for access, or check the name.",
            )
        return grant

    async def _try_servers(self, body: bytes, seen: Peek, caller: Caller, deadline: float | None) -> bytes:
        model, version = seen.model, seen.version
        tried: frozenset[str] = frozenset()
        deaths = 0
        while True:
            left_s = float("inf") if deadline is None else deadline - time.monotonic()
            if left_s <= 0.0:
                raise DeadlineExceeded("The deadline passed before a server answered.")
            views = [
                server.view()
                for server in self.servers.values()
                if server.has(model, version) and server.breaker.allows()
            ]
            if not views and not tried:
                raise self._nobody(model, version, caller)
            request = Request(model, seen.request_id, left_s, tried)
            server = self.servers[self._balancer.choose(request, views)]
            try:
                reply = await self._ask(server, request, body, deadline)
            except Unavailable as error:
                _log.warning("server %s failed a request of %s: %s", server.name, model, error.message)
                deaths += error.died_with_request
                tried |= {server.name}
                if deaths == MAX_DEATHS:
                    raise ModelFailed(
                        f"The request ended the process of {model!r} on {deaths} servers.",
                        "Its input may be what the model cannot take.",
                    ) from None
                if error.died_with_request and tried >= {view.name for view in views}:
                    raise  # the caller may try once more, and has to know why
                continue
            return with_parameters(reply, {"rilaas_server": server.name, "rilaas_attempts": len(tried) + 1})

    def _is_known(self, model: str) -> bool:
        return any(state.name == model for server in self.servers.values() for state in server.upstream.models())

    def _nobody(self, model: str, version: str, caller: Caller) -> RilaasError:
        """Why no server can be asked: it never had the model, or it has but not now."""
        known = [state for server in self.servers.values() for state in server.upstream.models()]
        versions = {state.version for state in known if state.name == model}
        if not known or (versions and (not version or version in versions)):
            return Unavailable(f"No server has model {model!r} ready now.", "Try again in a moment.")
        if versions:
            return NotFound(f"No server has version {version!r} of {model!r}.", did_you_mean(version, versions))
        return NotFound(
            f"No server has a model {model!r}.", did_you_mean(model, {state.name for state in self.models(caller)})
        )

    async def _ask(self, server: Server, request: Request, body: bytes, deadline: float | None) -> bytes:
        start = time.monotonic()
        status, verdict = "cancelled", None
        server.in_flight[request.model] += 1
        is_trial = server.breaker.begin()
        try:
            reply = await server.upstream.infer(body, deadline)
            status, verdict = "ok", True
            return reply
        except RilaasError as error:
            status, verdict = _STATUS.get(error.code, "error"), _VERDICT.get(error.code, True)
            raise
        finally:
            latency_s = time.monotonic() - start
            server.in_flight[request.model] -= 1
            server.breaker.ended(verdict, is_trial=is_trial)
            if status == "ok":
                self._seconds.observe(latency_s, server=server.name, model=request.model)
            self._attempts.inc(server=server.name, model=request.model, outcome=status)
            self._balancer.observe(Outcome(request, server.name, status, latency_s))


def _in_flight(server: Server) -> float:
    return server.in_flight.total()


def _is_resting(server: Server) -> float:
    return float(server.breaker.state == "open")
