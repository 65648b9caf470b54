"""What runs beside the requests while the hub lives: the worker, the readers of metrics, the policy into Redis."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rilaas.core import Unavailable
from rilaas.deploy.service_process import ServiceProcess

_log = logging.getLogger("rilaas.hub")

_WORKER_STOP_S = 8.0
_TRY_AGAIN_S = 5.0


@contextmanager
def background(environment: Mapping[str, str]) -> Iterator[None]:
    """Start all of it, and end it with the ``with``.

    Args:
        environment: What the settings read; the worker is a process of its own and gets it too.
    """
    from django.conf import settings

    from rilaas.hub import publish
    from rilaas.hub.metrics.background import start_background, stop_background

    command = [sys.executable, "-m", "rilaas.hub.worker"]
    with _kept(ServiceProcess("worker", command, settings.HOME / "worker.log", environment)):
        collector = start_background()
        try:
            if settings.REDIS_URL:
                publish.start(settings.REDIS_URL)
            yield
        finally:
            stop_background(collector)


@contextmanager
def _kept(worker: ServiceProcess) -> Iterator[None]:
    """Keep the worker running; pages do not wait for it."""
    over = threading.Event()

    def start() -> None:
        while not over.is_set() and not _has_started(worker):
            over.wait(_TRY_AGAIN_S)

    thread = threading.Thread(target=start, name="rilaas-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        worker.ask_to_stop()
        thread.join()
        worker.stop(_WORKER_STOP_S)


def _has_started(worker: ServiceProcess) -> bool:
    try:
        worker.start()
    except (Unavailable, OSError) as error:
        _log.error("jobs wait: %s", error)
        return False
    return True
