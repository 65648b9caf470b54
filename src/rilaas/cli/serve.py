"""``rilaas serve``: model folders as an inference server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import grpc

from rilaas.cli.lifetime import Announcement, check_free, host_and_port, live, metrics_endpoint, unless_signalled
from rilaas.cli.output import Output, output_options
from rilaas.cli.tally import tally
from rilaas.core import InvalidInput
from rilaas.observe import Registry, set_up_logs
from rilaas.route.config import is_loopback
from rilaas.serve.front import Front
from rilaas.serve.local import LocalModels
from rilaas.serve.pool import served_model
from rilaas.serve.service import OpenGate
from rilaas.wire import ensure_authority, server_credentials

EXAMPLE = """
\b
Example, on loopback, for trying out:
  rilaas serve models/lane-following --listen 127.0.0.1:8001 --insecure
\b
Example, for a fleet: TLS, and only clients with a certificate of the same authority
  rilaas serve lane-following:3=models/lane-following --listen 0.0.0.0:8001 --tls ~/.rilaas/tls --host 10.0.0.7
"""


@click.command("serve", epilog=EXAMPLE)
@click.argument("folders", nargs=-1, required=True, metavar="[REF=]FOLDER...")
@click.option(
    "--listen", default="127.0.0.1:8001", show_default=True, metavar="HOST:PORT", help="0 takes a free port."
)
@click.option("--insecure", is_flag=True, help="No TLS; on loopback only.")
@click.option("--tls", type=click.Path(path_type=Path), help="Folder of the fleet's certificate authority.")
@click.option("--host", "hosts", multiple=True, help="Name or address in the certificate; may be repeated.")
@click.option("--replicas", default=1, show_default=True, type=click.IntRange(1), help="Processes for each model.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads of each replica.")
@click.option("--isolation", default="auto", show_default=True, help="auto, bwrap or process.")
@click.option("--metrics", default="", metavar="HOST:PORT", help="Prometheus endpoint.")
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
) -> None:
    """Serve model FOLDERs by the Open Inference Protocol v2 over gRPC, until SIGTERM or Ctrl-C.

    Each model runs in processes of its own, which have no network where the machine allows that. REF names a model
    and its version (name:version); without it a folder is served under its own name as version 1.
    """
    set_up_logs("warning" if output.quiet else "info")
    check_free(listen)
    credentials = _credentials(listen, insecure, tls, hosts)
    served = [served_model(text, replicas=replicas, threads=threads, isolation=isolation) for text in folders]
    registry = Registry()
    announcement = Announcement(ready_path, output, metrics_endpoint(metrics, registry))
    asyncio.run(_serve(LocalModels(served, registry), listen, credentials, announcement))
    output.finish(tally("serve", registry))


async def _serve(
    models: LocalModels, listen: str, credentials: grpc.ServerCredentials | None, announcement: Announcement
) -> None:
    await unless_signalled(models.start())

    def announce(port: int) -> None:
        lines = [f"serving {pool.served.ref} ({pool.digest}; {pool.isolation})" for pool in models.pools]
        rows = [
            {"ref": str(pool.served.ref), "digest": pool.digest, "isolation": pool.isolation} for pool in models.pools
        ]
        announcement.make(listen, port, lines, tls=credentials is not None, models=rows)

    await live(Front(models, OpenGate(), name="rilaas-serve"), listen, credentials, models.stop, announce)


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
