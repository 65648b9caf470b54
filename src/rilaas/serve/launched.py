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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rilaas.core import ModelFailed, RilaasError, error_from_code
from rilaas.store import Limits

_log = logging.getLogger("rilaas.serve.replica")

_TAIL_LINES = 20
_MAX_LINE_BYTES = 4096
_MAX_READY_BYTES = 2**16
_GRACE_S = 2.0

# A child's death signal comes when the *thread* that started it ends, so one thread that lives on starts them all.
_starter: ThreadPoolExecutor | None = None
_starter_lock = threading.Lock()


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
        log_tail: The last lines it wrote to standard error.
    """

    process: subprocess.Popen[bytes]
    pid: int
    socket_path: Path
    model: str
    version: str
    isolation: str
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


def start(
    command: Sequence[str],
    environment: dict[str, str],
    listener: int,
    in_sandbox: bool,
    socket_path: Path,
    name: str,
    limits: Limits,
    timeout_s: float,
) -> Launched:
    """Start a replica's command and wait until it says that it is ready; see ``isolation.launch``."""
    info, info_writer = os.pipe()
    try:
        fds = [listener]
        if in_sandbox:
            command = [command[0], "--info-fd", str(info_writer), *command[1:]]
            fds.append(info_writer)
        process = _spawn(command, environment, fds)
        os.close(info_writer)
        info_writer = -1
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        assert process.stderr is not None
        reader = threading.Thread(target=_follow, args=(process.stderr, name, tail), daemon=True)
        reader.start()
        try:
            said = _ready_line(process, timeout_s)
            pid = _child_pid(info) if in_sandbox and said.get("ready") else process.pid
        except BaseException as error:
            process.kill()
            code = process.wait()
            reader.join(1.0)
            if isinstance(error, (ValueError, EOFError)):
                raise _died(name, code, tail, limits, str(error)) from None
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()
        if not said.get("ready"):
            process.wait()
            raise error_from_code(str(said.get("code")), str(said.get("message")), str(said.get("hint", "")))
        return Launched(
            process, pid, socket_path, str(said["model"]), str(said["version"]), str(said["isolation"]), tail
        )
    finally:
        os.close(info)
        if info_writer >= 0:
            os.close(info_writer)


def _spawn(command: Sequence[str], environment: dict[str, str], fds: Sequence[int]) -> subprocess.Popen[bytes]:
    def popen() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=fds,
            start_new_session=True,
        )

    return _in_starter(popen)


def _in_starter(action: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    global _starter
    with _starter_lock:
        if _starter is None:
            _starter = ThreadPoolExecutor(1, thread_name_prefix="rilaas-replicas")
    return _starter.submit(action).result()


def _ready_line(process: subprocess.Popen[bytes], timeout_s: float) -> dict[str, object]:
    """The line of JSON that a replica prints.

    Raises:
        EOFError: It ended without one.
        ValueError: It printed something else, or nothing in time.
    """
    assert process.stdout is not None
    until = time.monotonic() + timeout_s
    line = b""
    while not line.endswith(b"\n"):
        left_s = until - time.monotonic()
        if left_s <= 0 or not select.select([process.stdout], [], [], left_s)[0]:
            raise ValueError(f"was not ready within {timeout_s:g} s")
        chunk = os.read(process.stdout.fileno(), _MAX_READY_BYTES)
        if not chunk:
            raise EOFError("died while it loaded its model")
        line += chunk
        if len(line) > _MAX_READY_BYTES:
            raise ValueError("said something that is not readable")
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("said something that is not readable")
    return said


def _child_pid(info: int) -> int:
    """The process inside the sandbox, as bubblewrap tells it before it starts the program."""
    text = b""
    while chunk := os.read(info, 4096):
        text += chunk
    return int(json.loads(text)["child-pid"])


def _follow(stream: IO[bytes], name: str, tail: deque[str]) -> None:
    with stream:
        while line := stream.readline(_MAX_LINE_BYTES):
            text = line.decode("utf-8", errors="replace").rstrip()
            tail.append(text)
            _log.info("%s: %s", name, text)


def _died(name: str, code: int, tail: deque[str], limits: Limits, what: str) -> RilaasError:
    how = f" (signal {signal.Signals(-code).name})" if code < 0 and what.startswith("died") else ""
    if code > 128 and what.startswith("died"):
        how = f" (signal {signal.Signals(code - 128).name})"
    last = "".join(f"\n  {line}" for line in list(tail)[-5:])
    return ModelFailed(
        f"The replica of {name} {what}{how}.",
        f"It may use {limits.memory_bytes // 2**20} MiB of memory ([limits] in model.toml)."
        + (f" The last that it wrote:{last}" if last else " It wrote nothing."),
    )
