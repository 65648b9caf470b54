"""A server's life on the command line: up, until SIGTERM or Ctrl-C, then drained."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc

from rilaas.cli.output import Output, write_text
from rilaas.core import InvalidInput, Unavailable
from rilaas.observe import MetricsEndpoint, Registry, serve_metrics
from rilaas.serve.front import Front

DRAIN_S = 10.0  # how long requests in flight may take after the signal
_T = TypeVar("_T")


async def live(
    front: Front,
    address: str,
    credentials: grpc.ServerCredentials | None,
    stop: Callable[[], Awaitable[None]],
    announce: Callable[[int], None],
) -> None:
    """Listen, announce the port, wait for a signal, drain the front, then stop what stands behind it.

    Args:
        front: Not yet listening.
        address: ``host:port``.
        credentials: TLS, or None for clear text.
        stop: Ends replicas and connections.
        announce: Called with the port when requests are answered.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        announce(await front.start(address, credentials))
        await ended.wait()
        await front.drain(DRAIN_S)
    finally:
        await stop()


async def unless_signalled(starting: Coroutine[Any, Any, _T]) -> _T:
    """Wait for something that starts; SIGTERM or Ctrl-C breaks it off.

    Raises:
        click.Abort: There was a signal.
    """
    task = asyncio.ensure_future(starting)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise click.Abort from None


@dataclass(frozen=True, slots=True)
class Announcement:
    """How a server says that it is ready: lines for people on stderr, JSON for programs.

    Attributes:
        ready_path: File for the JSON line, ``-`` for stdout, or '' for none.
        output: Where the lines for people go.
        metrics: The metrics endpoint, or None.
    """

    ready_path: str
    output: Output
    metrics: MetricsEndpoint | None

    def make(self, listen: str, port: int, lines: Sequence[str], *, tls: bool, **more: Any) -> None:
        """Announce ``listen``'s host with the port that it got, and what else there is to say."""
        address = f"{host_and_port(listen)[0]}:{port}"
        metrics = self.metrics.address if self.metrics else ""
        tail = [f"metrics on http://{metrics}/metrics"] if metrics else []
        for line in (*lines, f"listening on {address}, {'TLS' if tls else 'clear text'}", *tail):
            self.output.talk(line)
        if self.ready_path:
            line = json.dumps({"address": address, "tls": tls, "metrics": metrics, **more})
            if self.ready_path == "-":
                click.echo(line)
                sys.stdout.flush()
            else:
                write_text(Path(self.ready_path), line + "\n")


def host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port``.

    Raises:
        InvalidInput: It is something else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidInput(f"{text!r} is not an address.", "Write HOST:PORT, for example 127.0.0.1:8001.")
    return host, int(port)


def check_free(address: str) -> None:
    """Try to listen, so that a port that is taken is told before a model is loaded.

    Args:
        address: ``host:port``; the port may be 0.

    Raises:
        InvalidInput: It is no address.
        Unavailable: The port is taken, or the host is none of this machine's.
    """
    host, port = host_and_port(address)
    why = ""
    try:
        places = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, place in places:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(place)
                except OSError as error:
                    why = error.strerror or str(error)
                else:
                    return
    except OSError as error:  # of getaddrinfo
        why = error.strerror or str(error)
    raise Unavailable(f"Cannot listen on {address}: {why}.", "Choose another port, or an address of this machine.")


def metrics_endpoint(address: str, registry: Registry) -> MetricsEndpoint | None:
    """The Prometheus endpoint at ``host:port``; none where the address is empty."""
    return serve_metrics(registry, *host_and_port(address)) if address else None
