"""A lane of the worker: takes one queued job after another."""

from __future__ import annotations

import logging
import threading

from django.db import Error, connection

from rilaas.core import RilaasError
from rilaas.hub.actions.job_attempt import end_cancelled, fail_job, finish_job, release_job, take_job
from rilaas.hub.worker.heart import beating
from rilaas.hub.worker.kind import Kind
from rilaas.hub.worker.work import CANCELLED, SHUTDOWN, StopWork, Work

_log = logging.getLogger("rilaas.hub.worker")

LOOK_S = 0.2  # how soon a queued job is seen


class Lane:
    """Takes jobs of some kinds in a thread of its own.

    Args:
        kinds: What it takes.
        name: For logs.
    """

    def __init__(self, kinds: dict[str, Kind], name: str) -> None:
        self._kinds = kinds
        self._over = threading.Event()
        self._work: Work | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def end(self) -> None:
        """Take no more; the job that runs is queued again for the next worker."""
        self._over.set()
        if (work := self._work) is not None:
            work.stop(SHUTDOWN)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._over.wait(pause_s):
            pause_s = self._round()
        connection.close()

    def _round(self) -> float:
        """Take a job where there is one; returns how long to wait before the next look [s]."""
        try:
            return 0.0 if self.take_one() else LOOK_S
        except Error as error:
            _log.warning("the database cannot be reached: %s", error)
        except Exception:  # whatever it was, the jobs behind this one are done
            _log.exception("a job ended in an unforeseen way")
        connection.close()
        return 1.0

    def take_one(self) -> bool:
        """Do the next job; False where none is queued."""
        job = take_job(self._kinds)
        if job is None:
            return False
        work = self._work = Work(job)
        try:
            if self._over.is_set():
                work.stop(SHUTDOWN)
            _attempt(work, self._kinds[job.kind])
        finally:
            self._work = None
        return True


def _attempt(work: Work, kind: Kind) -> None:
    key = (work.job_id, work.attempt)
    result: dict[str, object] | None = None
    error: RilaasError | None = None
    if work.attempt > 1:
        work.say(f"Begun again (attempt {work.attempt}), after {work.done} steps.")
    with beating(work):
        try:
            result = kind.do(work)
        except StopWork:
            pass
        except RilaasError as caught:
            error = caught
        except Exception:  # a fault of ours is the job's end, not the worker's
            _log.exception("job %d failed by a fault of the hub", work.job_id)
            error = RilaasError("The hub made a mistake.", "Its log says more; please report it.")
        if work.why_stopped == CANCELLED:
            work.say("Cancelled.")
        elif error is not None and not work.why_stopped:
            work.say(f"Failed: {error.message}")
    if work.why_stopped == CANCELLED:
        end_cancelled(*key)
    elif work.why_stopped == SHUTDOWN:
        release_job(*key)
    elif work.why_stopped:
        return  # it is somebody else's now
    elif error is not None:
        fail_job(*key, error)
    else:
        finish_job(*key, result or {})
