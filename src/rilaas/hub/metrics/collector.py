"""The thread that reads the metrics of all services, every two seconds."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, close_old_connections, connection

from rilaas.hub.metrics.target import Target, registered_targets
from rilaas.hub.metrics.window import Window

_log = logging.getLogger("rilaas.hub")

EVERY_S = 2.0
_TIMEOUT_S = 1.5
_MAX_BYTES = 8 * 2**20
_AT_ONCE = 8


def scrape(target: Target, timeout_s: float = _TIMEOUT_S) -> str | None:
    """A target's page of metrics; None where it does not answer, or answers with something else."""
    host, _, port = target.address.rpartition(":")
    if not port.isdigit():
        return None
    link = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout_s)
    is_over = threading.Event()
    over = threading.Timer(2 * timeout_s, _hang_up, (link, is_over))  # a byte a second would keep it for ever
    over.daemon = True
    over.start()
    try:
        link.request("GET", "/metrics")
        answer = link.getresponse()
        data = answer.read(_MAX_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError, OverflowError):
        return None
    finally:
        over.cancel()
        link.close()
    is_whole = answer.status == 200 and len(data) <= _MAX_BYTES and not is_over.is_set()
    return data.decode("utf-8", "replace") if is_whole else None


def _hang_up(link: http.client.HTTPConnection, is_over: threading.Event) -> None:
    is_over.set()  # first: what is cut off looks whole to the one who reads it
    if (sock := link.sock) is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class Collector:
    """Feeds a window.

    Args:
        window: Where the numbers go.
        targets: What to read; asked each time, for services come and go.
        every_s: How often [s].
    """

    def __init__(
        self,
        window: Window,
        targets: Callable[[], Sequence[Target]] = registered_targets,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self.window = window
        self._targets, self._every_s = targets, every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rilaas-collector", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopping.set()
        self._thread.join()

    def read_all(self, pool: ThreadPoolExecutor) -> None:
        """Read every target once; whoever does not answer is missing this time."""
        targets = self._targets()
        for target, text in zip(targets, pool.map(scrape, targets), strict=True):
            if text is not None:
                self.window.add(target, text, time.time())

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE, "rilaas-scrape") as pool:
            try:
                while not self._stopping.wait(self._every_s):
                    self._cycle(pool)
            finally:
                connection.close()

    def _cycle(self, pool: ThreadPoolExecutor) -> None:
        try:
            close_old_connections()
            self.read_all(pool)
        except DatabaseError as error:
            _log.warning("the services to read metrics from are not known now: %s", error)
