"""From a home folder to a running hub."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rilaas.hub.database import make_home

_log = logging.getLogger("rilaas.hub")

DEFAULT_PORT = 8080


@dataclass(frozen=True, slots=True)
class HubConfig:
    """What a hub is told.

    Attributes:
        home: Folder of all local state; the hub's is ``hub`` in it.
        host: Where it listens.
        port: 0 takes a free one.
        hosts: Further names under which it is reached.
        cert: Certificate and key; None for clear text.
        behind_proxy: Whether people reach it through a proxy that ends TLS.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    hosts: tuple[str, ...] = ()
    cert: tuple[Path, Path] | None = None
    behind_proxy: bool = False

    def environment(self) -> Mapping[str, str]:
        """What ``hub.settings`` reads."""
        own = (self.host,) if self.host not in ("0.0.0.0", "::") else ()
        mine = {
            "RILAAS_HOME": str(self.home),
            "RILAAS_HUB_HOSTS": ",".join((*self.hosts, *own)),
            "RILAAS_HUB_TLS": "1" if self.cert or self.behind_proxy else "0",
            "DJANGO_SETTINGS_MODULE": "rilaas.hub.settings",
        }
        return {**os.environ, **mine}


def set_up(config: HubConfig) -> Path:
    """Make this process the hub's: settings, tables brought up to date, somebody who runs it.

    Returns:
        File with a token for the command line on this machine.
    """
    os.environ.update(config.environment())
    make_home(config.home / "hub")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from rilaas.hub.actions.person import first_person
    from rilaas.hub.actions.token import local_token

    return local_token(first_person(), config.home / "hub" / "token")


def listen(config: HubConfig) -> socket.socket:
    """A listening socket: connections wait in it while the application is loaded."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    sock = socket.create_server((config.host, config.port), family=family, backlog=256)
    # Connections inherit it; asyncio sets it only on sockets that it has made itself. Without it an answer in two
    # parts waits 40 ms for its reader to acknowledge the first one.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return sock


def serve(config: HubConfig, sock: socket.socket) -> None:
    """Answer requests until SIGTERM or Ctrl-C; ``set_up`` comes first."""
    import uvicorn

    from rilaas.hub.asgi import application  # it sets Django up, so it is first
    from rilaas.hub.api.waiting import end_waiting  # isort: skip
    from rilaas.hub.background import background

    tls: dict[str, Path] = {}
    if config.cert:
        tls = {"ssl_certfile": config.cert[0], "ssl_keyfile": config.cert[1]}
    settings = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=64 * 1024,
        **tls,  # type: ignore[arg-type]
    )
    server = uvicorn.Server(settings)
    end = server.handle_exit

    def end_at_once(number: int, frame: FrameType | None) -> None:
        end_waiting()  # nobody is kept who only waits for news
        end(number, frame)

    server.handle_exit = end_at_once  # type: ignore[assignment, method-assign]
    # uvicorn ends by sending itself the signal that it got; by default that would end us before the background has.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_at_once)
    gc.collect()
    gc.freeze()  # what is loaded now stays: looking through it again and again would hold up a page for 0.1 s
    with background(config.environment()):
        server.run(sockets=[sock])
