"""One attempt at a job, as the job's kind sees it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from rilaas.hub.actions.job_attempt import fitting
from rilaas.hub.models import Job

CANCELLED, LOST, SHUTDOWN = REASONS = ("cancelled", "lost", "shutdown")
MAX_LOG = 20_000  # characters
_LEFT_OUT = "(earlier lines are left out)\n"


class StopWork(BaseException):
    """The attempt is to end now; no error of the job. Kinds let it pass."""


class Work:
    """What a kind is handed; its methods may be called from any thread.

    Args:
        job: The row as it was taken.
    """

    def __init__(self, job: Job) -> None:
        self.job_id, self.attempt, self.kind, self.owner = job.pk, job.attempt, job.kind, job.owner
        self.parameters: Mapping[str, Any] = job.parameters
        self.done, self.total, self.log = job.done, job.total, job.log
        self._began_at = job.started_at or timezone.now()
        self.changes = 0  # grows whenever there is something to write down
        self._why = ""
        self._ends: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    @property
    def why_stopped(self) -> str:
        """One of ``REASONS``; '' while it goes on."""
        return self._why

    @property
    def worked_s(self) -> float:
        """How long all attempts together have worked [s]."""
        return (timezone.now() - self._began_at).total_seconds()

    def step(self, done: int, total: int | None = None) -> None:
        """Say how far it is.

        Raises:
            StopWork: The attempt is to end.
        """
        self.check()
        with self._lock:
            self.done, self.total = done, self.total if total is None else total
            self.changes += 1

    def say(self, line: str) -> None:
        """Add a line to the job's log."""
        with self._lock:
            text = f"{self.log}{timezone.now():%H:%M:%S} {fitting(line[:2000])}\n"
            if len(text) > MAX_LOG:
                text = _LEFT_OUT + text[-(MAX_LOG - 200) :].partition("\n")[2]
            self.log = text
            self.changes += 1

    def check(self) -> None:
        """Go on only where nobody wants the attempt to end.

        Raises:
            StopWork: Somebody does.
        """
        if self._why:
            raise StopWork(self._why)

    @contextmanager
    def ended_by(self, end: Callable[[], object]) -> Iterator[None]:
        """While this is open, stopping the work calls ``end`` in another thread: it breaks off what blocks here."""
        self.check()
        with self._lock:
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)
            self.check()

    def stop(self, why: str) -> None:
        """End the attempt from outside; the first reason stands."""
        with self._lock:
            if self._why:
                return
            self._why = why
            ends = list(self._ends)
        for end in ends:
            with contextlib.suppress(Exception):  # it is broken off either way; the kind's thread sees the reason
                end()
