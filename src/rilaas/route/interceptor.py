"""The request interceptor: authorize, limit, balance, forward, retry, observe.

Source: Tanwani et al., RILaaS, section IV-B. It is a ``Service`` behind the same front as a server's own models,
and a library: a robot's client may hold one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from rilaas.balance import Balancer
from rilaas.core import NotFound, RilaasError, Unauthenticated, Unavailable, did_you_mean
from rilaas.observe import Registry
from rilaas.route.access import AccessSource
from rilaas.route.balancers import Balancers
from rilaas.route.balancing import Balancing
from rilaas.route.decision import Decisions
from rilaas.route.dispatch import Dispatcher
from rilaas.route.fleet import ModelRoute
from rilaas.route.kept_state import KeptStates
from rilaas.route.limit import RateLimits
from rilaas.route.measures import Measures
from rilaas.route.protecting import Protecting
from rilaas.route.resolve import Resolver, Target
from rilaas.route.upstream import Server
from rilaas.route.visible import visible_models
from rilaas.serve.service import Caller, ModelState
from rilaas.wire import peek, with_model

HEAR_S = 0.3  # a request waits at most so long for servers to say what they have


class Interceptor:
    """Sends each query of a known robot to one server, and to another where that one is gone.

    A request is sent again only where a server could not be reached or died, so a model may see a request twice,
    never answer it twice. One that ends the model's process is tried once more and not again.

    Args:
        servers: Where models run, besides those that ``add`` brings.
        access: The policy in force.
        balancer: Chooses among the servers that have the model and answer, where the fleet's table names no other.
        registry: Where the metrics go.
        draw: A number from 0 up to 1, for shares of traffic.
        balancing: How policies are made that the table names, and what protects requests.
        states: Where policies find what they learned before.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        access: AccessSource,
        balancer: Balancer,
        registry: Registry | None = None,
        draw: Callable[[], float] = random.random,
        balancing: Balancing | None = None,
        states: KeptStates | None = None,
    ) -> None:
        self.servers: dict[str, Server] = {}
        self._access = access
        self._limits = RateLimits()
        registry = registry or Registry()
        self._measures = Measures(registry, access)
        balancing = balancing or Balancing(type(balancer).__name__)
        self.balancers = Balancers((balancing.spec, balancer), self._measures.failures, balancing.make, states)
        self.decisions = Decisions()
        protecting = Protecting(balancing.models, registry)
        self._dispatcher = Dispatcher(self.servers, self.balancers, self._measures, self.decisions, protecting)
        self._resolver = Resolver(self._can_be_asked, draw)
        self._seen: dict[str, float] = {}
        for server in servers:
            self.add(server)

    def add(self, server: Server) -> Server | None:
        """Let a server be asked; returns the one of that name that was asked until now."""
        replaced = self.servers.get(server.name)
        server.upstream.follow(server.heard)
        self.servers[server.name] = server
        self._measures.joined(server)
        return replaced

    def remove(self, server: Server) -> None:
        """Ask a server no more; requests in flight there go on."""
        if self.servers.get(server.name) is server:
            del self.servers[server.name]
            self._measures.left(server)

    def take_seen(self) -> dict[str, float]:
        """The robots that asked since the last call, with when they did so last (``time.monotonic``)."""
        seen, self._seen = self._seen, {}
        return seen

    async def infer(self, body: bytes, caller: Caller, deadline: float | None) -> bytes:
        """See ``Service.infer``; the answer says which server gave it and how many were tried.

        A robot's own names and aliases are resolved; the answer then names the model and revision that answered.

        Raises:
            PermissionDenied: The robot may not use the model, or there is no such model.
            RateLimited: It asks too often.
            DeadlineExceeded: No answer in time.
            Unavailable: No server could be reached.
        """
        start = time.monotonic()
        asked = peek(body)
        model, outcome = "-", "internal"  # nobody invents labels
        try:
            target = self._target(caller, asked.model, asked.version)
            await self._hear(target)
            is_renamed = (target.model, target.revision) != (asked.model, asked.version)
            if self._is_known(target.model):
                model = target.model
            else:
                raise self._nobody(target, caller)
            self._limits.check(caller.name, target.model, target.grant)
            if is_renamed:
                body = with_model(body, target.model, target.revision)
            reply = await self._dispatcher.send(
                body, asked.request_id, target, caller.name, deadline, partial(self._nobody, target, caller)
            )
            outcome = "ok"
            return with_model(reply, target.model, target.revision) if is_renamed and target.revision else reply
        except RilaasError as error:
            outcome = error.code
            raise
        finally:
            self._measures.ended(caller.name, model, outcome, time.monotonic() - start)

    async def metadata(self, model: str, version: str, caller: Caller) -> bytes:
        """See ``Service.metadata``."""
        target = self._target(caller, model, version)
        await self._hear(target)
        error = self._nobody(target, caller)
        for server in list(self.servers.values()):
            if server.may_be_asked(target.route) and server.has(target.model, target.revision):
                try:
                    return await server.upstream.metadata(target.model, target.revision)
                except RilaasError as reason:
                    error = reason
        raise error

    def models(self, caller: Caller) -> Sequence[ModelState]:
        """See ``Service.models``: those that the robot may use, under all names and aliases that it may use for them.

        A model is ready where any server that may be asked has it ready.
        """
        found = self._access.find(caller.key_id)
        return [] if found is None else visible_models(found.robot, self._access.fleet(), self.servers.values())

    def _target(self, caller: Caller, model: str, version: str) -> Target:
        found = self._access.find(caller.key_id)
        if found is None:
            raise Unauthenticated("The robot's key is not registered any more.", "Ask the fleet's owner to add it.")
        self._seen[found.robot.name] = time.monotonic()
        return self._resolver.resolve(found.robot, self._access.fleet(), model, version)

    async def _hear(self, target: Target) -> None:
        """Ask the servers where the table says that they have what nobody is known to have ready.

        The table may know sooner than we: a server that just loaded a version told the hub first.
        """
        route = target.route
        if route is None or self._can_be_asked(target.model, target.revision, route):
            return
        looks = [each.upstream.look() for each in self.servers.values() if each.may_be_asked(route)]
        if looks:
            await asyncio.wait([asyncio.ensure_future(look) for look in looks], timeout=HEAR_S)

    def _can_be_asked(self, model: str, revision: str, route: ModelRoute) -> bool:
        return any(server.may_be_asked(route) and server.has(model, revision) for server in self.servers.values())

    def _is_known(self, model: str) -> bool:
        return any(server.states(model) for server in self.servers.values())

    def _nobody(self, target: Target, caller: Caller) -> RilaasError:
        """Why no server can be asked: it never had the model, or it has but not now."""
        model, version = target.model, target.revision
        asked = [server for server in self.servers.values() if server.may_be_asked(target.route)]
        versions = {state.version for server in asked for state in server.states(model)}
        has_heard = any(server.upstream.models() for server in self.servers.values())
        if target.route is not None and target.route.edge_only and not asked:
            return Unavailable(f"Model {model!r} may be asked at the edge only, and no edge server has it now.")
        deployed = target.route.revisions if target.route is not None else frozenset()
        if target.route is not None and not versions:
            deployed |= {version}
        if not has_heard or version in versions | deployed or (versions and not version):
            return Unavailable(f"No server has model {model!r} ready now.", "Try again in a moment.")
        if versions:
            return NotFound(f"No server has version {version!r} of {model!r}.", did_you_mean(version, versions))
        return NotFound(
            f"No server has a model {model!r}.", did_you_mean(model, {state.name for state in self.models(caller)})
        )
