"""``rilaas serve``: model folders as an inference server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import grpc

from rilaas.cli.config import read_settings
from rilaas.cli.lifetime import Announcement, check_free, host_and_port, live, metrics_endpoint, unless_signalled
from rilaas.cli.output import Output, output_options
from rilaas.cli.tally import tally
from rilaas.core import InvalidInput, ModelRef, NotFound
from rilaas.deploy import Agent, Announced, ProcessRuntime
from rilaas.observe import Registry, set_up_logs
from rilaas.route.config import is_loopback
from rilaas.serve.front import Front
from rilaas.serve.local import LocalModels
from rilaas.serve.pool import served_model
from rilaas.serve.service import OpenGate
from rilaas.store import Shelf
from rilaas.wire import ensure_authority, server_credentials
from rilaas.wire.hub import HubConnection

EXAMPLE = """
\b
Example, on loopback, for trying out:
  rilaas serve models/lane-following --listen 127.0.0.1:8001 --insecure
  rilaas serve lane-following:3@int8 --insecure     (of the local store)
\b
Example, for a fleet: TLS, and only clients with a certificate of the same authority
  rilaas serve lane-following:3=models/lane-following --listen 0.0.0.0:8001 --tls ~/.rilaas/tls --host 10.0.0.7
\b
Example, filled by the hub, with a token of the scope "server":
  rilaas serve --hub http://127.0.0.1:8080 --name edge-1 --token-file edge-1.token --insecure
"""


@click.command("serve", epilog=EXAMPLE)
@click.argument("folders", nargs=-1, metavar="[REF=]FOLDER|STORED...")
@click.option(
    "--listen", default="127.0.0.1:8001", show_default=True, metavar="HOST:PORT", help="0 takes a free port."
)
@click.option("--insecure", is_flag=True, help="No TLS; on loopback only.")
@click.option("--tls", type=click.Path(path_type=Path), help="Folder of the fleet's certificate authority.")
@click.option("--host", "hosts", multiple=True, help="Name or address in the certificate; may be repeated.")
@click.option("--replicas", default=1, show_default=True, type=click.IntRange(1), help="Processes of each FOLDER.")
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads of each replica of a FOLDER."
)
@click.option("--isolation", default="auto", show_default=True, help="auto, bwrap or process.")
@click.option("--metrics", default="", metavar="HOST:PORT", help="Prometheus endpoint.")
@click.option("--hub", "url", default="", metavar="URL", help="Serve what the hub wants here, in place of FOLDERs.")
@click.option("--name", default="", help="The server's name at the hub.")
@click.option("--kind", default="edge", show_default=True, type=click.Choice(["edge", "cloud"]), help="Where it is.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the server's token for the hub.")
@click.option("--hub-ca", type=click.Path(path_type=Path), help="Certificate that the hub's is checked against.")
@click.option(
    "--added-delay", default=0.0, type=click.FloatRange(0.0), metavar="S", help="Emulated distance, told to the hub."
)
@click.option("--home", metavar="PATH", help="Folder of the store, which keeps the hub's models too (RILAAS_HOME).")
@click.option("--ready", "ready_path", default="", metavar="PATH", help="Write a JSON line when ready; - for stdout.")
@output_options
def command(
    folders: tuple[str, ...],
    listen: str,
    insecure: bool,
    tls: Path | None,
    hosts: tuple[str, ...],
    replicas: int,
    threads: int,
    isolation: str,
    metrics: str,
    ready_path: str,
    output: Output,
    home: str | None,
    **hub: Any,
) -> None:
    """Serve model FOLDERs, or what a hub wants, by the Open Inference Protocol v2 over gRPC.

    It ends with SIGTERM or Ctrl-C. Each model runs in processes of its own, which have no network where the machine
    allows that. REF names a model and its version (name:version); without it a folder is served under its own name
    as version 1, and what is STORED (name:3 or name:3@int8 of the local store) under the name that it has there. With
    --hub the server listens at once; models come and go as the hub wants, and stay while the hub is away.
    """
    set_up_logs("warning" if output.quiet else "info")
    wish = _Wish(**hub) if hub["url"] else None
    if (wish is None) != bool(folders):
        raise InvalidInput("A server serves model FOLDERs, or what a --hub wants.", "Give one of the two.")
    if wish is not None:
        wish.check(listen, hosts)
    check_free(listen)
    credentials = _credentials(listen, insecure, tls, hosts)
    kept = Shelf(read_settings({"home": home}).home)
    places = [_with_folder(text, kept) for text in folders]
    served = [served_model(text, replicas=replicas, threads=threads, isolation=isolation) for text in places]
    registry = Registry()
    endpoint = metrics_endpoint(metrics, registry)
    models = LocalModels(served, registry)

    def agent_at(port: int) -> Agent | None:
        if wish is None:
            return None
        told = Announced(
            f"{hosts[0] if hosts else host_and_port(listen)[0]}:{port}",
            credentials is None,
            endpoint.address if endpoint else "",
            wish.kind,
            wish.added_delay,
        )
        folder = read_settings({"home": home}).home / "servers" / wish.name
        return Agent(wish.name, wish.connection(), ProcessRuntime(models), folder, told)

    asyncio.run(_serve(models, listen, credentials, Announcement(ready_path, output, endpoint), agent_at))
    output.finish(tally("serve", registry))


def _with_folder(text: str, shelf: Shelf) -> str:
    """``[REF=]FOLDER`` of ``[REF=]STORED``; a folder goes before what is stored."""
    ref, _, place = text.rpartition("=")
    if Path(place).exists():
        return text
    try:
        stored = shelf.stored(ModelRef.parse(place))
    except InvalidInput:  # no reference: what is wrong is told where folders are read
        return text
    return f"{ref or stored.ref}={shelf.folder(stored.ref).path}"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was said on the command line of the hub."""

    url: str
    name: str
    kind: str
    token_file: Path | None
    hub_ca: Path | None
    added_delay: float

    def check(self, listen: str, hosts: tuple[str, ...]) -> None:
        """See that it is whole, before anything is started."""
        if not self.name or self.token_file is None:
            raise InvalidInput(
                "A server of a hub needs a name and a token.", "Add --name NAME and --token-file FILE."
            )
        try:
            ModelRef(self.name)
        except InvalidInput:
            raise InvalidInput(
                f"{self.name!r} is not a server's name.", "Lower case letters, digits, dots, - and _: edge-1."
            ) from None
        if host_and_port(listen)[0] in ("0.0.0.0", "[::]") and not hosts:
            raise InvalidInput(
                f"The hub cannot tell interceptors to go to {listen}.",
                "Add --host with the name that reaches this machine.",
            )
        self._token()

    def connection(self) -> HubConnection:
        """The way to the hub; the token is read again for each request, so that it can be exchanged."""
        return HubConnection(self.url, self._token, ca_path=self.hub_ca)

    def _token(self) -> str:
        assert self.token_file is not None
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise NotFound(f"The token file {self.token_file} cannot be read: {error}.") from None


async def _serve(
    models: LocalModels,
    listen: str,
    credentials: grpc.ServerCredentials | None,
    announcement: Announcement,
    agent_at: Callable[[int], Agent | None],
) -> None:
    await unless_signalled(models.start())
    working: list[asyncio.Task[None]] = []

    def announce(port: int) -> None:
        lines = [f"serving {pool.served.ref} ({pool.digest}; {pool.isolation})" for pool in models.pools]
        rows = [
            {"ref": str(pool.served.ref), "digest": pool.digest, "isolation": pool.isolation} for pool in models.pools
        ]
        if (agent := agent_at(port)) is not None:
            working.append(asyncio.ensure_future(agent.run()))
            working[0].add_done_callback(_end_with)
            lines = ["serving what the hub wants"]
        announcement.make(listen, port, lines, tls=credentials is not None, models=rows)

    async def stop() -> None:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await models.stop()

    await live(Front(models, OpenGate(), name="rilaas-serve"), listen, credentials, stop, announce)
    for task in working:
        if not task.cancelled():
            task.result()


def _end_with(agent: asyncio.Task[None]) -> None:
    """A server whose agent has failed is no use to the hub: end, and say why."""
    if not agent.cancelled():
        signal.raise_signal(signal.SIGTERM)


def _credentials(
    listen: str, insecure: bool, tls: Path | None, hosts: tuple[str, ...]
) -> grpc.ServerCredentials | None:
    host, _ = host_and_port(listen)
    if insecure:
        if not is_loopback(listen):
            raise InvalidInput(
                f"--insecure listens on loopback only, not on {host}.",
                "Use --tls FOLDER, or --listen 127.0.0.1:PORT.",
            )
        return None
    if tls is None:
        raise InvalidInput(
            "A server needs certificates.", "Use --tls FOLDER (made on first use), or --insecure on loopback."
        )
    authority = ensure_authority(tls)
    names = [*hosts, "localhost", "127.0.0.1", *([host] if host not in ("0.0.0.0", "[::]") else [])]
    mine = authority.issue("server", hosts=list(dict.fromkeys(names)))
    return server_credentials(mine.cert_path, mine.key_path, client_ca=authority.cert_path)
