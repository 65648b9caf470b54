"""A small fleet on this machine: the hub, servers, an interceptor with TLS; each a process, watched and restarted."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rilaas.cli.lifetime import host_and_port
from rilaas.core import Unauthenticated, Unavailable
from rilaas.deploy.processes import Processes
from rilaas.deploy.service_process import ServiceProcess
from rilaas.wire import HubConnection, ensure_authority

INTERCEPTOR = "route-1"


@dataclass(frozen=True, slots=True)
class FleetServer:
    """One server of the fleet.

    Attributes:
        name: Such as ``edge-1``.
        kind: ``edge`` or ``cloud``.
        added_delay_s: Emulated distance [s].
    """

    name: str
    kind: str
    added_delay_s: float = 0.0


@dataclass(slots=True)
class Fleet:
    """Starts on ``__enter__``, ends its processes on ``__exit__``; what people have made stays in ``home``.

    Attributes:
        home: Folder of all state: the hub's data, keys, certificates, tokens, logs.
        servers: Where models run.
        listen: Where the interceptor listens; port 0 takes a free one.
        hub_listen: Where the hub does.
        url: The hub's address, once it is up.
        entry: A link that signs the one who runs the hub in, once.
        address: ``host:port`` of the interceptor, once it is up.
    """

    home: Path
    servers: Sequence[FleetServer]
    listen: str = "127.0.0.1:0"
    hub_listen: str = "127.0.0.1:0"
    url: str = ""
    entry: str = ""
    address: str = ""
    processes: Processes = field(default_factory=Processes)
    _token: str = ""
    _lock: int = -1

    @property
    def ca_path(self) -> Path:
        """The certificate that robots trust."""
        return self.home / "tls" / "ca.pem"

    def __enter__(self) -> Fleet:
        self.home.mkdir(parents=True, exist_ok=True)
        self._take_folder()
        try:
            self._start_hub()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def connect(self) -> HubConnection:
        """A connection to the hub as the one who runs it; close it."""
        return HubConnection(self.url, self._token)

    def start_machines(self) -> None:
        """Start servers and interceptor, side by side.

        Raises:
            Unavailable: One did not start; with its last error and its log.
        """
        ensure_authority(self.home / "tls")
        with self.connect() as hub:
            for server in self.servers:
                self._write_token(hub, server.name, "server")
            self._write_token(hub, INTERCEPTOR, "interceptor")
        wanted = [(server.name, self._serve(server)) for server in self.servers] + [(INTERCEPTOR, self._route())]
        with ThreadPoolExecutor(len(wanted)) as pool:
            started = [pool.submit(self._launch, name, words) for name, words in wanted]
        self.address = str([each.result() for each in started][-1]["address"])

    def check(self) -> None:
        """See that all its processes are there, or about to be started again.

        Raises:
            Unavailable: One has ended for good.
        """
        self.processes.check()

    def _take_folder(self) -> None:
        """Keep other fleets out of the folder: two hubs would write one database."""
        self._lock = os.open(self.home / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Unavailable(
                f"Another fleet is running in {self.home}.", "End it, or take another folder with --home."
            ) from None

    def _start_hub(self) -> None:
        said = self._launch("hub", ["hub", "--listen", _with_port(self.hub_listen)])
        self.url, self.entry = str(said["url"]), str(said["entry"])
        self._token = Path(said["token_file"]).read_text(encoding="utf-8").strip()

    def _write_token(self, hub: HubConnection, name: str, scope: str) -> None:
        """Give a machine a token of its own; that of an earlier start stays where it is still good."""
        path = self._token_path(name)
        if path.exists() and _is_good(HubConnection(self.url, path.read_text(encoding="utf-8").strip())):
            return
        made = hub.post("/api/v1/tokens", {"name": f"{name} of this machine", "scopes": [scope], "subject": name})
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made["token"] + "\n")

    def _token_path(self, name: str) -> Path:
        return self.home / "tokens" / name

    def _serve(self, server: FleetServer) -> list[str]:
        words = ["serve", "--hub", self.url, "--name", server.name, "--kind", server.kind, "--insecure"]
        words += ["--token-file", str(self._token_path(server.name)), "--added-delay", str(server.added_delay_s)]
        return [*words, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]

    def _route(self) -> list[str]:
        words = ["route", "--hub", self.url, "--name", INTERCEPTOR]
        words += ["--token-file", str(self._token_path(INTERCEPTOR))]
        words += ["--tls", str(self.home / "tls"), "--listen", _with_port(self.listen)]
        return [*words, "--metrics", "127.0.0.1:0"]

    def _launch(self, name: str, words: list[str]) -> dict[str, Any]:
        command = [sys.executable, "-m", "rilaas.cli", *words, "--home", str(self.home), "--ready", "-"]
        return self.processes.start(ServiceProcess(name, command, self.home / "logs" / f"{name}.log"))

    def _end(self) -> None:
        self.processes.stop()
        os.close(self._lock)


def _is_good(connection: HubConnection) -> bool:
    """Whether the hub knows the connection's token."""
    with connection:
        try:
            connection.get("/api/v1/me")
        except Unauthenticated:
            return False
        return True


def _with_port(address: str) -> str:
    """An address whose port is the same after a restart: 0 becomes one that is free now."""
    host, port = host_and_port(address)
    if port:
        return address
    with socket.create_server((host, 0)) as probe:
        return f"{host}:{probe.getsockname()[1]}"
