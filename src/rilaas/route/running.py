"""From a configuration to a running interceptor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import grpc

from rilaas.core import InvalidInput
from rilaas.observe import Registry
from rilaas.route.access import AccessSource, FileAccess
from rilaas.route.config import HubConfig, RouteConfig, ServerConfig
from rilaas.route.fleet import EDGE_ONLY, FleetServer
from rilaas.route.follower import FleetFollower
from rilaas.route.gate import TokenGate
from rilaas.route.heartbeat import Heartbeat
from rilaas.route.hub_access import WAIT_S, HubAccess
from rilaas.route.interceptor import Interceptor
from rilaas.route.kept_state import KeptStates
from rilaas.route.redis_access import RedisAccess
from rilaas.route.remote import RemoteUpstream
from rilaas.route.upkeep import Upkeep
from rilaas.route.upstream import Distant, LocalUpstream, Server, Upstream
from rilaas.route.warm_up import WarmUps
from rilaas.serve.front import Front
from rilaas.serve.local import LocalModels
from rilaas.serve.pool import served_model
from rilaas.serve.starting import all_or_none
from rilaas.store import read_model_folder
from rilaas.wire import Authority, HubConnection, client_credentials, ensure_authority

HEARTBEAT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Running:
    """An interceptor with the connections and replicas that it holds.

    Attributes:
        interceptor: Answers.
        access: The policy in force.
        remotes: Servers of its own configuration.
        locals: Models that it holds itself.
        follower: Keeps the hub's servers; None without a hub.
        heartbeat: Tells the hub; None without a hub.
        upkeep: Shows and keeps what policies know.
        warm_ups: Asks what is new once; None where that is not wanted.
    """

    interceptor: Interceptor
    access: AccessSource
    remotes: tuple[RemoteUpstream, ...]
    locals: tuple[LocalModels, ...]
    follower: FleetFollower | None = None
    heartbeat: Heartbeat | None = None
    upkeep: Upkeep | None = None
    warm_ups: WarmUps | None = None

    async def stop(self) -> None:
        """Hang up and end the replicas."""
        if self.warm_ups is not None:
            await self.warm_ups.stop()
        if self.upkeep is not None:
            await self.upkeep.stop()
        if self.heartbeat is not None:
            await asyncio.to_thread(self.heartbeat.close)
        if self.follower is not None:
            await self.follower.stop()
        if isinstance(self.access, (HubAccess, RedisAccess)):
            await asyncio.to_thread(self.access.close)
        await asyncio.gather(*(remote.stop() for remote in self.remotes), *(each.stop() for each in self.locals))

    def is_reached_at(self, address: str, metrics: str) -> None:
        """Learn one's own ``host:port``, and that of the metrics; the hub is told."""
        if self.heartbeat is not None:
            self.heartbeat.address, self.heartbeat.metrics = address, metrics


async def start_interceptor(
    config: RouteConfig, registry: Registry | None = None, access: AccessSource | None = None
) -> Running:
    """Connect to the servers and start the interceptor's own replicas; it can be asked when this returns.

    Args:
        config: What to build.
        registry: Where the metrics go.
        access: The policy; that of ``config`` where None.

    Raises:
        RilaasError: A file is wrong, a model cannot be loaded, or the hub refuses us. A remote server or a hub that
            is down is no error: it is asked again each second.
    """
    registry = registry or Registry()
    balancing = config.balancing
    balancer = balancing.make(config.balancer)  # before anything is started: its file may be wrong
    authority = ensure_authority(config.tls.authority) if config.tls else None
    remotes: list[RemoteUpstream] = []
    held: list[LocalModels] = []
    servers: list[Server] = []
    for each in config.servers:
        upstream = _upstream(each, authority, registry, remotes, held)
        if each.added_delay_s or each.added_jitter_s:
            upstream = Distant(upstream, each.added_delay_s, each.added_jitter_s)
        servers.append(Server(each.name, each.kind, upstream, weight=each.weight))
    try:
        access = access or await _access(config)
    except BaseException:
        await asyncio.gather(*(remote.stop() for remote in remotes), *(each.stop() for each in held))
        raise
    states = KeptStates(balancing.state, config.name) if balancing.state is not None else None
    interceptor = Interceptor(servers, access, balancer, registry, balancing=balancing, states=states)
    follower = FleetFollower(interceptor, access, partial(_connected, authority=authority)) if config.hub else None
    heartbeat = _heartbeat(config, interceptor, access)
    upkeep = Upkeep(interceptor.balancers, registry, states)
    warm_ups = WarmUps(interceptor.servers, interceptor.balancers, access.fleet) if balancing.warm_up else None
    running = Running(interceptor, access, tuple(remotes), tuple(held), follower, heartbeat, upkeep, warm_ups)
    try:
        await all_or_none([*(remote.start() for remote in remotes), *(each.start() for each in held)])
        for each, server in zip(config.servers, servers, strict=True):
            if each.models:
                await server.upstream.look()  # its load is known before it is asked first
        if follower is not None:
            await follower.start()
        upkeep.start()
        if warm_ups is not None:
            warm_ups.start()
        if heartbeat is not None:
            heartbeat.start()
    except BaseException:
        await running.stop()
        raise
    return running


async def _access(config: RouteConfig) -> AccessSource:
    if config.hub is None:
        assert config.access is not None  # RouteConfig has one of the two
        return FileAccess(config.access)
    source: HubAccess | RedisAccess
    if config.hub.redis_url:
        source = RedisAccess(config.hub.redis_url, max_stale_s=config.hub.max_stale_s)
    else:
        source = HubAccess(
            _hub(config.hub, WAIT_S + 5.0),
            config.name,
            max_stale_s=config.hub.max_stale_s,
            memory=config.hub.memory,
        )
    await asyncio.to_thread(source.start)
    return source


def _heartbeat(config: RouteConfig, interceptor: Interceptor, access: AccessSource) -> Heartbeat | None:
    if config.hub is None or not isinstance(access, (HubAccess, RedisAccess)):
        return None
    hub = _hub(config.hub, HEARTBEAT_TIMEOUT_S)
    return Heartbeat(hub, config.name, access, interceptor.take_seen, interceptor.decisions.digest)


def _hub(config: HubConfig, timeout_s: float) -> HubConnection:
    return HubConnection(config.url, config.token(), ca_path=config.ca_path, timeout_s=timeout_s)


def _connected(row: FleetServer, authority: Authority | None) -> RemoteUpstream:
    """The way to a server of the fleet; ``ServerConfig`` says what is not safe."""
    config = ServerConfig(row.name, row.kind, row.address, insecure=row.insecure)
    return RemoteUpstream(config.address, _credentials(config, authority))


def _upstream(
    config: ServerConfig,
    authority: Authority | None,
    registry: Registry,
    remotes: list[RemoteUpstream],
    held: list[LocalModels],
) -> Upstream:
    if config.models:
        served = [served_model(text) for text in config.models]
        for each in served:
            if config.kind != EDGE_ONLY and read_model_folder(each.folder).manifest.placement.sensitivity != "any":
                raise InvalidInput(
                    f"Model {each.ref} may be asked at the edge only, and server {config.name!r} is of kind "
                    f"{config.kind!r}.",
                    "See [placement] sensitivity in its model.toml.",
                )
        models = LocalModels(served, registry)
        held.append(models)
        return LocalUpstream(models)
    remote = RemoteUpstream(config.address, _credentials(config, authority))
    remotes.append(remote)
    return remote


def _credentials(config: ServerConfig, authority: Authority | None) -> grpc.ChannelCredentials | None:
    if config.insecure:
        return None
    if authority is None:
        raise InvalidInput(
            f"Server {config.name!r} is reached by TLS, but there is no [tls] authority to prove who asks.",
            "Add [tls] authority = FOLDER, or insecure = true for a server on loopback.",
        )
    mine = authority.issue("interceptor", hosts=["localhost"], client=True)
    return client_credentials(authority.cert_path, mine.cert_path, mine.key_path)


def front_of(running: Running, config: RouteConfig) -> Front:
    """The gRPC front of an interceptor, which asks robots for tokens."""
    hosts = config.tls.hosts if config.tls else ("localhost", "127.0.0.1", "::1")
    return Front(running.interceptor, TokenGate(running.access, hosts), name=config.name)
