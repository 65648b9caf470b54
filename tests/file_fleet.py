"""A small fleet without a hub: servers and an interceptor by files, each a process that is not restarted."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rilaas.cli.fleet import FleetServer
from rilaas.core import ModelRef, Unavailable
from rilaas.wire import ensure_authority, generate_key

STOP_TIMEOUT_S = 20.0

ROBOT = "demo-robot"


@dataclass(slots=True)
class FileFleet:
    """Starts on ``__enter__``, ends its processes on ``__exit__``.

    Attributes:
        folder: Where keys, certificates, configuration and logs go; kept.
        model: The model folder that every server serves.
        name: The model's name.
        servers: What to start.
        balancer: How the interceptor chooses.
        listen: Where the interceptor listens; port 0 takes a free one.
        address: ``127.0.0.1:port`` of the interceptor, once it is up.
        about: What each server said when it was ready, by name.
    """

    folder: Path
    model: Path
    name: str
    servers: Sequence[FleetServer]
    balancer: str = "least_connections"
    listen: str = "127.0.0.1:0"
    address: str = ""
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _lock: int = -1

    @property
    def key_path(self) -> Path:
        """The robot's private key."""
        return self.folder / "robot"

    @property
    def ca_path(self) -> Path:
        """The certificate that the robot trusts."""
        return self.folder / "tls" / "ca.pem"

    def __enter__(self) -> FileFleet:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_folder()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def check(self) -> None:
        """See that all its processes are there.

        Raises:
            Unavailable: One has ended; with its name, its last error and its log.
        """
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise self._ended(name, "ended")

    def _take_folder(self) -> None:
        """Keep other fleets out of the folder: they would replace the robot's key while this one uses it."""
        self._lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Unavailable(
                f"Another fleet is running in {self.folder}.", "End it, or take another folder with --out."
            ) from None

    def _start(self) -> None:
        ensure_authority(self.folder / "tls")
        self._write_access()
        for server in self.servers:
            arguments = ["serve", f"{ModelRef(self.name)}={self.model}", "--listen", "127.0.0.1:0", "--insecure"]
            self._launch(server.name, arguments)
        for server in self.servers:
            self.about[server.name] = self._ready(server.name)
        self._write_route()
        self._launch("route", ["route", "--config", str(self.folder / "route.toml")])
        self.about["route"] = self._ready("route")
        self.address = str(self.about["route"]["address"])

    def _write_access(self) -> None:
        for path in (self.key_path, self.key_path.with_suffix(".pub")):
            path.unlink(missing_ok=True)
        key = generate_key(self.key_path, comment=ROBOT).public
        text = f'[robots.{ROBOT}]\nkeys = ["{key.line}"]\n[robots.{ROBOT}.models."{self.name}"]\nrate_per_s = 1000\n'
        (self.folder / "access.toml").write_text(text + "burst = 100\n")

    def _write_route(self) -> None:
        lines = [f'listen = "{self.listen}"', f'balancer = "{self.balancer}"', 'access = "access.toml"']
        lines += ["[tls]", 'authority = "tls"']
        for server in self.servers:
            lines += ["[[servers]]", f'name = "{server.name}"', f'kind = "{server.kind}"', "insecure = true"]
            lines += [f'address = "{self.about[server.name]["address"]}"', f"added_delay_s = {server.added_delay_s}"]
        (self.folder / "route.toml").write_text("\n".join(lines) + "\n")

    def _launch(self, name: str, arguments: list[str]) -> None:
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "rilaas.cli", *arguments, "--ready", "-"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for us; we end them in order
            )

    def _ready(self, name: str) -> dict[str, Any]:
        process = self.processes[name]
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            said: dict[str, Any] = json.loads(line)
            return said
        process.wait(STOP_TIMEOUT_S)
        raise self._ended(name, "did not start")

    def _ended(self, name: str, what: str) -> Unavailable:
        """The error that tells of a process that is gone, by what it wrote last."""
        log = self.folder / f"{name}.log"
        told = dict(
            line.split(": ", 1) for line in log.read_text().splitlines() if line.startswith(("error: ", "hint: "))
        )
        code = self.processes[name].returncode
        how = f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"
        return Unavailable(
            f"{name} {what}: {told.get('error', f'{how}.')}", f"{told.get('hint', '')} Its log is {log}.".strip()
        )

    def _stop(self) -> None:
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_TIMEOUT_S
        for process in self.processes.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        os.close(self._lock)
