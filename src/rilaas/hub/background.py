"""What runs beside the requests while the hub lives: the worker, the readers of metrics, the policy into Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def background(environment: Mapping[str, str]) -> Iterator[None]:
    """Start all of it, and end it with the ``with``.

    Args:
        environment: What the settings read; the worker is a process of its own and gets it too.
    """
    from django.conf import settings

    from rilaas.hub import publish
    from rilaas.hub.metrics.background import start_background, stop_background
    from rilaas.hub.worker.child import WorkerChild

    worker = WorkerChild(environment)
    worker.start()
    collector = start_background()
    try:
        if settings.REDIS_URL:
            publish.start(settings.REDIS_URL)
        yield
    finally:
        stop_background(collector)
        worker.stop()
