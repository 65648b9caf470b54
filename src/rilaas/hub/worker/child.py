"""The worker as a child of the hub: started with it, started again where it died, ended with it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping

_log = logging.getLogger("rilaas.hub")

_GRACE_S = 8.0
_STEADY_S = 30.0  # a worker that lived so long may be started again at once
_PAUSES_S = (0.1, 1.0, 5.0, 15.0)


class WorkerChild:
    """Keeps a worker running.

    Args:
        environment: Of the worker: what the hub's settings read, ``RILAAS_HOME`` above all.
        long: Long jobs at once.
    """

    def __init__(self, environment: Mapping[str, str], long: int = 1) -> None:
        self._environment, self._long = dict(environment), long
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        # The kernel ends the worker when the thread that started it ends, so this one lives as long as the hub.
        self._thread = threading.Thread(target=self._keep, name="keeps the worker", daemon=True)

    @property
    def pid(self) -> int | None:
        """The worker's process; None where there is none just now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it, and again whenever it ends. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End it; a job that runs is queued again for the next worker."""
        with self._lock:
            self._over.set()
            if self._process is not None:
                self._process.terminate()
        self._thread.join()

    def _keep(self) -> None:
        ends = 0
        while (process := self._begin()) is not None:
            began = time.monotonic()
            code = self._wait(process)
            if self._over.is_set():
                return
            ends = 0 if time.monotonic() - began > _STEADY_S else ends + 1
            pause_s = _PAUSES_S[min(ends, len(_PAUSES_S) - 1)]
            _log.warning("the worker ended with %d; it is started again in %g s", code, pause_s)
            self._over.wait(pause_s)

    def _begin(self) -> subprocess.Popen[bytes] | None:
        words = [sys.executable, "-m", "rilaas.hub.worker", "--parent", str(os.getpid()), "--long", str(self._long)]
        with self._lock:
            if self._over.is_set():
                return None
            self._process = subprocess.Popen(
                words, env=self._environment, stdin=subprocess.DEVNULL, start_new_session=True
            )
            return self._process

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while not self._over.wait(0.2):
            if (code := process.poll()) is not None:
                return code
        try:
            return process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
