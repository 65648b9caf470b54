"""``rilaas route``: the request interceptor."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from rilaas.cli.config import read_settings
from rilaas.cli.lifetime import (
    Announcement,
    check_free,
    host_and_port,
    live,
    metrics_endpoint,
    unless_signalled,
)
from rilaas.cli.output import Output, output_options
from rilaas.cli.tally import tally
from rilaas.core import InvalidInput
from rilaas.observe import Registry, set_up_logs
from rilaas.route import (
    DEFAULT_PORT,
    HubConfig,
    RouteConfig,
    ServerConfig,
    front_of,
    read_route_config,
    start_interceptor,
)
from rilaas.route.balancing import Balancing, read_spec
from rilaas.route.config import tls_config
from rilaas.route.decision import PATH
from rilaas.route.hub_access import MAX_STALE_S
from rilaas.wire import ensure_authority, server_credentials

EXAMPLE = """
\b
With a hub, which brings robots, rates and servers:
  rilaas route --hub https://10.0.0.2:8000 --name edge --token-file hub.token --hub-ca tls/ca.pem \\
      --tls tls --host 192.168.1.5 --listen 0.0.0.0:8443
RILAAS_REDIS_URL names a Redis from which the policy is read instead, by several interceptors.
\b
Example of a configuration without one:
  listen = "0.0.0.0:8443"
  balancer = "least_connections"   # or another policy, or NAME=FILE for one that was trained
  access = "access.toml"           # robots, their keys, their models, their rates
  [tls]
  authority = "tls"                # made on first use; robots get tls/ca.pem
  hosts = ["192.168.1.5"]          # how robots reach it
  [[servers]]
  name = "edge-1"
  models = ["models/lane-following"]
  [[servers]]
  name = "cloud-1"
  kind = "cloud"
  address = "10.0.0.7:8001"        # a `rilaas serve` with the same authority
\b
And of access.toml:
  [robots.lab-1]
  keys = ["ssh-ed25519 AAAA... lab-1"]
  [robots.lab-1.models.lane-following]
  rate_per_s = 50
  burst = 100
"""


@click.command("route", epilog=EXAMPLE)
@click.option("--config", "path", type=click.Path(path_type=Path), help="The interceptor's TOML file.")
@click.option("--hub", metavar="URL", help="The hub, instead of --config.")
@click.option("--name", default="interceptor", show_default=True, help="How the hub calls it.")
@click.option("--token-file", "token_path", type=click.Path(path_type=Path), help="Token of scope interceptor.")
@click.option("--hub-ca", "ca_path", type=click.Path(path_type=Path), help="Authority of the hub's certificate.")
@click.option("--tls", "authority", type=click.Path(path_type=Path), help="Folder of the fleet's authority.")
@click.option("--host", "hosts", multiple=True, help="A name or address under which robots reach it.")
@click.option("--listen", metavar="HOST:PORT", default=f"127.0.0.1:{DEFAULT_PORT}", show_default=True)
@click.option("--metrics", metavar="HOST:PORT", default="", help="Prometheus endpoint.")
@click.option(
    "--balancer", default="least_connections", show_default=True, help="Where the hub names no other; or NAME=FILE."
)
@click.option("--max-stale-s", default=MAX_STALE_S, show_default=True, help="Serve so long without hearing the hub.")
@click.option("--server-models", multiple=True, metavar="[REF=]FOLDER", help="A model that it holds itself.")
@click.option("--home", type=click.Path(path_type=Path), help="Where the last policy is remembered.")
@click.option("--ready", "ready_path", default="", metavar="PATH", help="Write a JSON line when ready; - for stdout.")
@output_options
def command(path: Path | None, hub: str | None, ready_path: str, output: Output, **flags: Any) -> None:
    """Admit robots by their SSH keys and send each query to one server, until SIGTERM or Ctrl-C.

    What the access policy says, the hub's or that of a file, is in force within a second of a change.
    """
    set_up_logs("warning" if output.quiet else "info")
    if (path is None) == (hub is None):
        raise InvalidInput("The interceptor needs either --config FILE or --hub URL.", "See rilaas route --help.")
    config = read_route_config(path) if path is not None else _with_hub(str(hub), **flags)
    check_free(config.listen)
    registry = Registry()
    endpoint = metrics_endpoint(config.metrics, registry)
    asyncio.run(_route(config, registry, Announcement(ready_path, output, endpoint)))
    output.finish(tally("route", registry))


def _with_hub(
    url: str,
    *,
    name: str,
    token_path: Path | None,
    ca_path: Path | None,
    authority: Path | None,
    hosts: tuple[str, ...],
    server_models: tuple[str, ...],
    max_stale_s: float,
    home: Path | None,
    listen: str,
    metrics: str,
    balancer: str,
) -> RouteConfig:
    if token_path is None:
        raise InvalidInput("--hub needs --token-file.", "Make a token of scope interceptor in the hub.")
    memory = read_settings({"home": home}).home / "route" / f"{quote(name, safe='')}.policy.json"
    redis_url = os.environ.get("RILAAS_REDIS_URL", "")
    servers = (ServerConfig(name, models=server_models),) if server_models else ()
    hub = HubConfig(url, token_path, ca_path, max_stale_s, memory, redis_url)
    tls = tls_config(authority, hosts)
    spec = read_spec(balancer, Path.cwd())
    return RouteConfig(servers, None, tls, listen, spec, metrics, name, hub, Balancing(spec, state=memory.parent))


async def _route(config: RouteConfig, registry: Registry, announcement: Announcement) -> None:
    credentials = None
    if config.tls is not None:
        authority = ensure_authority(config.tls.authority)
        mine = authority.issue("route", hosts=list(config.tls.hosts))
        credentials = server_credentials(mine.cert_path, mine.key_path)
    running = await unless_signalled(start_interceptor(config, registry))
    if announcement.metrics is not None:
        announcement.metrics.show(PATH, running.interceptor.decisions.answer)

    def announce(port: int) -> None:
        servers = list(running.interceptor.servers)
        lines = [f"routing by {config.balancer} to {', '.join(servers) or 'the servers that the hub will name'}"]
        if config.tls is not None:
            lines.append(f"robots trust {config.tls.authority / 'ca.pem'}")
        metrics = announcement.metrics.address if announcement.metrics else ""
        running.is_reached_at(f"{host_and_port(config.listen)[0]}:{port}", metrics)
        announcement.make(config.listen, port, lines, tls=credentials is not None, servers=servers)

    await live(front_of(running, config), config.listen, credentials, running.stop, announce)
