"""While an attempt runs: its progress is written down, and a wish to cancel it is heard."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connection

from rilaas.hub.actions.job_attempt import LEASE_S, beat, cancel_is_wanted
from rilaas.hub.worker.work import CANCELLED, LOST, Work

_log = logging.getLogger("rilaas.hub.worker")

LOOK_S = 0.2  # how soon a wish to cancel is heard
_BEAT_S = 1.0


@contextmanager
def beating(work: Work) -> Iterator[None]:
    """Beat for an attempt until the ``with`` ends; at its end everything is written down."""
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(work, over), name=f"heart of job {work.job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beat(work: Work, over: threading.Event) -> None:
    heart = _Heart(work)
    try:
        while not over.wait(LOOK_S) and work.why_stopped != LOST:
            heart.round()
        heart.write()
    except Error as error:
        _log.warning("job %d: its last progress cannot be written: %s", work.job_id, error)
    finally:
        connection.close()


class _Heart:
    """What was written of an attempt, and when."""

    def __init__(self, work: Work) -> None:
        self._work, self._written, self._last = work, -1, time.monotonic()

    def round(self) -> None:
        """Listen, and write down what is new."""
        work = self._work
        try:
            wanted = cancel_is_wanted(work.job_id, work.attempt)
            if wanted is not False:
                work.stop(CANCELLED if wanted else LOST)
            if work.changes != self._written or time.monotonic() - self._last > _BEAT_S:
                self.write()
        except Error as error:  # the database is busy or away: it may come back before the lease is over
            _log.warning("job %d: its progress cannot be written: %s", work.job_id, error)
            connection.close()
            if time.monotonic() - self._last > LEASE_S:
                work.stop(LOST)

    def write(self) -> None:
        """Write down how far it is."""
        work, changes = self._work, self._work.changes
        if not beat(work.job_id, work.attempt, work.done, work.total, work.log):
            work.stop(LOST)
        self._written, self._last = changes, time.monotonic()
