"""A service of ours (hub, interceptor, server) as a process that is started, watched and ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rilaas.core import Unavailable
from rilaas.deploy import tether
from rilaas.serve.spawn import spawn

_log = logging.getLogger("rilaas.deploy")

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
FIRST_PAUSE_S = 0.5  # before the first restart; doubles to LAST_PAUSE_S while the process keeps dying young
LAST_PAUSE_S = 30.0
YOUNG_S = 10.0
_MAX_READY_BYTES = 2**20
_TAIL_BYTES = 2**16


class ServiceProcess:
    """One process that says in a line of JSON on standard output when it is ready.

    It dies with this process, however that ends. What it writes goes to its log.

    Args:
        name: What it is called in errors and logs.
        argv: Program and arguments, such as ``[sys.executable, "-m", "rilaas.cli", "hub", "--ready", "-"]``.
        log_path: Its log; begun anew by ``start``, continued by restarts.
        env: All its environment variables; this process's where None.
        restart: Whether it is started again when it ends by itself, after growing pauses.
        memory_bytes: Limit of its address space [bytes]; None for none.
        cpus: Numbers of the processors that it stays on; empty for all.
        ready_timeout_s: How long it may take to be ready [s].
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log_path: Path,
        env: Mapping[str, str] | None = None,
        restart: bool = True,
        *,
        memory_bytes: int | None = None,
        cpus: Sequence[int] = (),
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        self.name, self.log_path = name, log_path
        self.ready: dict[str, Any] = {}
        self.restarts = 0
        self.reason = ""
        self._argv, self._env, self._restart = list(argv), env, restart
        self._ready_timeout_s = ready_timeout_s
        self._limits = ["--memory-bytes", str(memory_bytes)] if memory_bytes else []
        if cpus:
            self._limits += ["--cpus", ",".join(map(str, cpus))]
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # a process is started, or it is stopped
        self._watcher: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Its process now; 0 while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    @property
    def exit_code(self) -> int | None:
        """How it ended last, minus the number of a signal; None while it runs, or before its start."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> dict[str, Any]:
        """Start it and wait until it is ready.

        Returns:
            What it said when it was ready; also in ``ready``, which follows restarts.

        Raises:
            Unavailable: It ended, or was not ready in time; with its last error and its log.
        """
        self._stopping.clear()
        self.log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log_path.unlink(missing_ok=True)
        self.log_path.touch(mode=0o600)  # models' words, names of robots and people: for one user alone
        self.ready = self._launch()
        self._watcher = threading.Thread(target=self._watch, name=f"rilaas-watch-{self.name}", daemon=True)
        self._watcher.start()
        return self.ready

    def check(self) -> None:
        """See that it is there, or about to be started again.

        Raises:
            Unavailable: It has ended for good; with its last error and its log.
        """
        process = self._process
        if process is not None and process.poll() is not None and not self._restart:
            raise self._ended(process, "ended")

    def ask_to_stop(self) -> None:
        """Send it SIGTERM and start it no more; returns at once."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End it: SIGTERM, and SIGKILL where it has not ended after the time."""
        self.ask_to_stop()
        if self._process is not None:
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                _log.warning("%s did not end within %g s; it is killed", self.name, timeout_s)
                self._process.kill()
                self._process.wait()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def _watch(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            assert self._process is not None
            born = time.monotonic()
            self._process.wait()
            if self._stopping.is_set() or not self._restart:
                return
            if time.monotonic() - born > YOUNG_S:
                pause_s = FIRST_PAUSE_S
            self.restarts += 1
            self.reason = self._ended(self._process, "ended").message
            if not self._relaunch(pause_s):
                return
            pause_s = min(LAST_PAUSE_S, 2 * pause_s)

    def _relaunch(self, pause_s: float) -> bool:
        """Start it until it is ready; False where it is to be stopped instead."""
        while True:
            _log.warning("%s It is started again in %g s.", self.reason, pause_s)
            if self._stopping.wait(pause_s):
                return False
            try:
                self.ready = self._launch()
            except (Unavailable, OSError) as error:
                if self._stopping.is_set():
                    return False
                self.reason = str(error)
                pause_s = min(LAST_PAUSE_S, 2 * pause_s)
            else:
                self.reason = ""
                return True

    def _launch(self) -> dict[str, Any]:
        words = [sys.executable, "-I", "-S", str(Path(tether.__file__).resolve()), "--parent", str(os.getpid())]
        words += [*self._limits, "--", *self._argv]
        with self._lock:
            if self._stopping.is_set():
                raise Unavailable(f"{self.name} is to be stopped.")
            with self.log_path.open("ab") as log:
                process = spawn(
                    lambda: subprocess.Popen(
                        words,
                        env=None if self._env is None else dict(self._env),
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        start_new_session=True,  # Ctrl-C is for us; we end them in order
                    )
                )
            self._process = process
        assert process.stdout is not None
        line, more, stdout = b"", b"", process.stdout
        try:
            line, more = _first_line(stdout, self._ready_timeout_s)
            said: dict[str, Any] = json.loads(line)
            if type(said) is not dict:
                raise ValueError
        except (ValueError, TimeoutError) as error:
            raise self._refused(process, line, error) from None
        except BaseException:
            _kill(process)
            raise
        threading.Thread(target=_drain, args=(stdout, more, self.log_path), daemon=True).start()
        return said

    def _refused(self, process: subprocess.Popen[bytes], line: bytes, error: Exception) -> Unavailable:
        """Tell why it is not ready, after it has ended."""
        if isinstance(error, TimeoutError):
            what = f"was not ready within {self._ready_timeout_s:g} s"
        elif line:
            what = "said something that is not readable when it started"
        else:
            what = "did not start"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
        code = process.poll()
        _kill(process)
        return self._told(what, code)

    def _ended(self, process: subprocess.Popen[bytes], what: str) -> Unavailable:
        return self._told(what, process.poll())

    def _told(self, what: str, code: int | None) -> Unavailable:
        """The error that tells what happened, by what the process wrote last; it had this exit code, or ran still."""
        told: dict[str, str] = {}
        with contextlib.suppress(OSError), self.log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
            told = dict(line.split(": ", 1) for line in lines if line.startswith(("error: ", "hint: ")))
        how = "it was ended." if code is None else f"it ended with exit code {code}."
        if code is not None and code < 0:
            how = f"it was ended by signal {-code}."
        return Unavailable(
            f"{self.name} {what}: {told.get('error', how)}",
            f"{told.get('hint', '')} Its log is {self.log_path}.".strip(),
        )


def _first_line(stdout: IO[bytes], timeout_s: float) -> tuple[bytes, bytes]:
    """The first line, or what there is of it when the output ends; and what has come after it.

    Raises:
        TimeoutError: It does not come in time.
        ValueError: It is endless.
    """
    poll = select.poll()
    poll.register(stdout, select.POLLIN)
    until = time.monotonic() + timeout_s
    line = b""
    while b"\n" not in line:
        left_s = until - time.monotonic()
        if left_s <= 0 or not poll.poll(1e3 * left_s):
            raise TimeoutError
        chunk = os.read(stdout.fileno(), 2**16)
        if not chunk:
            break
        line += chunk
        if len(line) > _MAX_READY_BYTES:
            raise ValueError("a line without end")
    line, _, more = line.partition(b"\n")
    return line, more


def _drain(stdout: IO[bytes], chunk: bytes, log_path: Path) -> None:
    """Copy what else it prints to its log, so that it never waits for a reader."""
    with stdout, contextlib.suppress(OSError, ValueError), log_path.open("ab") as log:
        while True:
            log.write(chunk)
            log.flush()
            if not (chunk := os.read(stdout.fileno(), 2**16)):
                return


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
