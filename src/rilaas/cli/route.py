"""``rilaas route``: the request interceptor."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from rilaas.cli.lifetime import Announcement, check_free, live, metrics_endpoint, unless_signalled
from rilaas.cli.output import Output, output_options
from rilaas.cli.tally import tally
from rilaas.observe import Registry, set_up_logs
from rilaas.route import RouteConfig, front_of, read_route_config, start_interceptor
from rilaas.wire import ensure_authority, server_credentials

EXAMPLE = """
\b
Example of a configuration:
  listen = "0.0.0.0:8443"
  balancer = "least_connections"   # or round_robin, random
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
@click.option("--config", "path", required=True, type=click.Path(path_type=Path), help="The interceptor's TOML file.")
@click.option("--ready", "ready_path", default="", metavar="PATH", help="Write a JSON line when ready; - for stdout.")
@output_options
def command(path: Path, ready_path: str, output: Output) -> None:
    """Admit robots by their SSH keys and send each query to one server, until SIGTERM or Ctrl-C.

    The access policy is read again when its file changes; what it says is in force within a second.
    """
    set_up_logs("warning" if output.quiet else "info")
    config = read_route_config(path)
    check_free(config.listen)
    registry = Registry()
    endpoint = metrics_endpoint(config.metrics, registry)
    asyncio.run(_route(config, registry, Announcement(ready_path, output, endpoint)))
    output.finish(tally("route", registry))


async def _route(config: RouteConfig, registry: Registry, announcement: Announcement) -> None:
    credentials = None
    if config.tls is not None:
        authority = ensure_authority(config.tls.authority)
        mine = authority.issue("route", hosts=list(config.tls.hosts))
        credentials = server_credentials(mine.cert_path, mine.key_path)
    running = await unless_signalled(start_interceptor(config, registry))

    def announce(port: int) -> None:
        servers = list(running.interceptor.servers)
        lines = [f"routing by {config.balancer} to {', '.join(servers)}"]
        if config.tls is not None:
            lines.append(f"robots trust {config.tls.authority / 'ca.pem'}")
        announcement.make(config.listen, port, lines, tls=credentials is not None, servers=servers)

    await live(front_of(running, config), config.listen, credentials, running.stop, announce)
