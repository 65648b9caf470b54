"""A running replica, as its parent sees it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rilaas.core import ModelFailed, RilaasError, error_from_code
from rilaas.serve.spawn import spawn
from rilaas.store import Limits

_log = logging.getLogger("rilaas.serve.replica")

_TAIL_LINES = 20
_MAX_LINE_BYTES = 4096
_MAX_READY_BYTES = 2**16
_MOST_AT_ONCE = 4096
_GRACE_S = 2.0
_LOOK_S = 0.2  # how soon a replica that loads and that nobody wants any more is killed
_UNREADABLE = "said something that is not readable when it started"


@dataclass(slots=True)
class Launched:
    """A replica that answers on its socket.

    Attributes:
        process: What was started; in a sandbox that is bubblewrap, which ends with the replica's exit code.
        pid: The replica's own process.
        socket_path: Where it listens.
        model: Name of its model.
        version: Version of its model.
        isolation: How it is confined, in words.
        at_once: How many requests it computes at once.
        log_tail: The last lines it wrote to standard error.
    """

    process: subprocess.Popen[bytes]
    pid: int
    socket_path: Path
    model: str
    version: str
    isolation: str
    at_once: int
    log_tail: deque[str]

    def stop(self, grace_s: float = _GRACE_S) -> int:
        """Ask it to finish what it has received; kill it where it has not ended after the grace time.

        Returns:
            Its exit code; minus the number of a signal.
        """
        try:
            if self.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGTERM)
            return self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()  # in a sandbox the replica dies with bubblewrap
            return self.process.wait()
        finally:
            self.socket_path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Start:
    """What to start.

    Attributes:
        command: Program and arguments.
        environment: All its environment variables.
        listener: File descriptor of the bound socket that it inherits.
        socket_path: Where that socket is.
        in_sandbox: Whether the program is bubblewrap, which starts the replica in turn.
        name: What the model is called in logs and errors.
        limits: What it may use.
        heard: Is told each line that it writes to standard error; None for nobody.
        given_up: Set where nobody wants it any more: it is killed, if it is not ready yet.
    """

    command: Sequence[str]
    environment: dict[str, str]
    listener: int
    socket_path: Path
    in_sandbox: bool
    name: str
    limits: Limits
    heard: Callable[[str], None] | None = None
    given_up: threading.Event | None = None

    def run(self, timeout_s: float) -> Launched:
        """Start it and wait until it says that it is ready; see ``isolation.launch``."""
        info, info_writer = os.pipe()
        with os.fdopen(info, "rb") as told:
            try:
                process = self._spawn(info_writer)
            finally:
                os.close(info_writer)
            tail: deque[str] = deque(maxlen=_TAIL_LINES)
            arguments = (process.stderr, self.name, tail, self.heard)
            reader = threading.Thread(target=_follow, args=arguments, daemon=True)
            reader.start()
            try:
                said = _ready_line(process, timeout_s, self.given_up)
                # bubblewrap tells the process inside before it starts the program
                pid = int(json.loads(told.read())["child-pid"]) if self.in_sandbox else process.pid
            except (ValueError, EOFError) as error:
                code = _kill(process)
                reader.join(1.0)
                raise self._died(code, tail, str(error)) from None
            except BaseException:
                _kill(process)
                raise
            finally:
                assert process.stdout is not None
                process.stdout.close()
        if not said.get("ready"):
            _kill(process)
            reader.join(1.0)  # what it wrote last says why
            raise error_from_code(str(said.get("code")), str(said.get("message")), str(said.get("hint", "")))
        model, version, isolation = (str(said.get(key)) for key in ("model", "version", "isolation"))
        return Launched(process, pid, self.socket_path, model, version, isolation, _at_once(said), tail)

    def _spawn(self, info_writer: int) -> subprocess.Popen[bytes]:
        command, fds = self.command, [self.listener]
        if self.in_sandbox:
            command = [command[0], "--info-fd", str(info_writer), *command[1:]]
            fds.append(info_writer)

        def popen() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=fds,
                start_new_session=True,
            )

        return spawn(popen)

    def _died(self, code: int, tail: deque[str], what: str) -> RilaasError:
        number = -code if code < 0 else code - 128
        died_by = f" (signal {signal.Signals(number).name})" if what.startswith("died") and 0 < number < 64 else ""
        last = "".join(f"\n  {line}" for line in list(tail)[-5:])
        return ModelFailed(
            f"The replica of {self.name} {what}{died_by}.",
            f"It may use {self.limits.memory_bytes // 2**20} MiB of memory ([limits] in model.toml)."
            + (f" The last that it wrote:{last}" if last else " It wrote nothing."),
        )


def _at_once(said: dict[str, object]) -> int:
    """What a replica says of its batches, as far as it is believed: a model's own code runs in it."""
    told = said.get("at_once")
    return min(max(told, 1), _MOST_AT_ONCE) if isinstance(told, int) else 1


def _ready_line(
    process: subprocess.Popen[bytes], timeout_s: float, given_up: threading.Event | None
) -> dict[str, object]:
    """The line of JSON that a replica prints.

    Raises:
        EOFError: It ended without one.
        ValueError: It printed something else, or nothing in time, or nobody wants it any more.
    """
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    until = time.monotonic() + timeout_s
    line = b""
    while not line.endswith(b"\n"):
        left_s = until - time.monotonic()
        if given_up is not None and given_up.is_set():
            raise ValueError("was given up while it loaded its model")
        if left_s <= 0:
            raise ValueError(f"was not ready within {timeout_s:g} s")
        if not poll.poll(1e3 * min(left_s, _LOOK_S)):
            continue
        chunk = os.read(process.stdout.fileno(), _MAX_READY_BYTES)
        if not chunk:
            raise EOFError("died while it loaded its model")
        line += chunk
        if len(line) > _MAX_READY_BYTES:
            raise ValueError(_UNREADABLE)
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ValueError(_UNREADABLE)
    return said


def _kill(process: subprocess.Popen[bytes]) -> int:
    # The whole group: bubblewrap's child dies with it only once it has asked to, before it leaves the group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _follow(stream: IO[bytes], name: str, tail: deque[str], heard: Callable[[str], None] | None) -> None:
    with stream:
        while line := stream.readline(_MAX_LINE_BYTES):
            text = line.decode("utf-8", errors="replace").rstrip()
            tail.append(text)
            if heard is not None:
                heard(text)
            _log.info("%s: %s", name, text)
