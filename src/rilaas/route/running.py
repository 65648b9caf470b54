"""From a configuration to a running interceptor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rilaas.balance import make_balancer
from rilaas.core import InvalidInput
from rilaas.observe import Registry
from rilaas.route.access import AccessSource, FileAccess
from rilaas.route.config import RouteConfig, ServerConfig
from rilaas.route.gate import TokenGate
from rilaas.route.interceptor import Interceptor
from rilaas.route.remote import RemoteUpstream
from rilaas.route.upstream import Distant, LocalUpstream, Server, Upstream
from rilaas.serve.front import Front
from rilaas.serve.local import LocalModels
from rilaas.serve.pool import served_model
from rilaas.serve.starting import all_or_none
from rilaas.wire import Authority, client_credentials, ensure_authority


@dataclass(frozen=True, slots=True)
class Running:
    """An interceptor with the connections and replicas that it holds."""

    interceptor: Interceptor
    access: AccessSource
    remotes: tuple[RemoteUpstream, ...]
    locals: tuple[LocalModels, ...]

    async def stop(self) -> None:
        """Hang up and end the replicas."""
        await asyncio.gather(*(remote.stop() for remote in self.remotes), *(each.stop() for each in self.locals))


async def start_interceptor(
    config: RouteConfig, registry: Registry | None = None, access: AccessSource | None = None
) -> Running:
    """Connect to the servers and start the interceptor's own replicas; it can be asked when this returns.

    Args:
        config: What to build.
        registry: Where the metrics go.
        access: The policy; that of ``config.access`` where None.

    Raises:
        RilaasError: A file is wrong, or a model cannot be loaded. A remote server that is down is no error: it
            is asked again each second.
    """
    registry = registry or Registry()
    access = access or FileAccess(config.access)
    authority = ensure_authority(config.tls.authority) if config.tls else None
    remotes: list[RemoteUpstream] = []
    held: list[LocalModels] = []
    servers: list[Server] = []
    for each in config.servers:
        upstream = _upstream(each, authority, registry, remotes, held)
        if each.added_delay_s or each.added_jitter_s:
            upstream = Distant(upstream, each.added_delay_s, each.added_jitter_s)
        servers.append(Server.of(each.name, each.kind, upstream))
    balancer = make_balancer(config.balancer)
    running = Running(Interceptor(servers, access, balancer, registry), access, tuple(remotes), tuple(held))
    try:
        await all_or_none([*(remote.start() for remote in remotes), *(each.start() for each in held)])
    except BaseException:
        await running.stop()
        raise
    return running


def _upstream(
    config: ServerConfig,
    authority: Authority | None,
    registry: Registry,
    remotes: list[RemoteUpstream],
    held: list[LocalModels],
) -> Upstream:
    if config.models:
        models = LocalModels([served_model(text) for text in config.models], registry)
        held.append(models)
        return LocalUpstream(models)
    credentials = None
    if not config.insecure:
        if authority is None:
            raise InvalidInput(
                f"Server {config.name!r} is reached by TLS, but there is no [tls] authority to prove who asks.",
                "Add [tls] authority = FOLDER, or insecure = true for a server on loopback.",
            )
        mine = authority.issue("interceptor", hosts=["localhost"], client=True)
        credentials = client_credentials(authority.cert_path, mine.cert_path, mine.key_path)
    remote = RemoteUpstream(config.address, credentials)
    remotes.append(remote)
    return remote


def front_of(running: Running, config: RouteConfig) -> Front:
    """The gRPC front of an interceptor, which asks robots for tokens."""
    hosts = config.tls.hosts if config.tls else ("localhost", "127.0.0.1", "::1")
    return Front(running.interceptor, TokenGate(running.access, hosts), name=config.name)
