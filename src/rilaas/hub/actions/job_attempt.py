"""What the worker writes about jobs. An attempt has a number: a worker that was thought dead changes nothing more."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from rilaas.core import RilaasError
from rilaas.hub.models import Job
from rilaas.hub.models.job import CANCELLED, DONE, FAILED, QUEUED, RUNNING

LEASE_S = 6.0  # a worker that has not been heard of for so long is dead
MAX_ATTEMPTS = 10  # a job during which the worker dies that often is what kills it
_EVER = datetime(1970, 1, 1, tzinfo=timezone.get_fixed_timezone(0))


def take_job(kinds: Collection[str]) -> Job | None:
    """The next job of these kinds, now running; None where none is queued.

    People take turns: first whoever has the fewest jobs running, then whoever waited longest since a job of theirs
    was begun. The jobs of one person are begun in the order in which they were queued.
    """
    queued = Q(state=QUEUED, kind__in=kinds)
    if not Job.objects.filter(queued).exists():  # a look takes no lock
        return None
    with transaction.atomic():
        first = {row["owner"]: row["first"] for row in _by_owner(queued).annotate(first=Min("pk"))}
        running = {row["owner"]: row["count"] for row in _by_owner(Q(state=RUNNING)).annotate(count=Count("pk"))}
        last = {
            row["owner"]: row["last"]
            for row in _by_owner(Q(owner__in=first, kind__in=kinds)).annotate(last=Max("heartbeat_at"))
        }
        turns = sorted(first, key=lambda owner: (running.get(owner, 0), last.get(owner) or _EVER, first[owner]))
        for owner in turns:
            job = Job.objects.select_for_update().select_related("owner").filter(queued, pk=first[owner]).first()
            if job is not None:
                return _begin(job)
    return None


def beat(job_id: int, attempt: int, done: int, total: int, log: str) -> bool:
    """Say that the attempt goes on, and how far it is; False where it is not this worker's any more."""
    rows: int = _mine(job_id, attempt).update(done=done, total=total, log=log, heartbeat_at=timezone.now())
    return rows == 1


def cancel_is_wanted(job_id: int, attempt: int) -> bool | None:
    """Whether the job is to be cancelled; None where it is not this worker's any more."""
    wanted: bool | None = _mine(job_id, attempt).values_list("cancel_requested", flat=True).first()
    return wanted


def finish_job(job_id: int, attempt: int, result: dict[str, Any]) -> None:
    """It is done."""
    _end(job_id, attempt, DONE, result=result)


def fail_job(job_id: int, attempt: int, error: RilaasError) -> None:
    """It cannot be done, for this reason."""
    said = {"code": error.code, "message": fitting(error.message[:8000]), "hint": fitting(error.hint[:4000])}
    _end(job_id, attempt, FAILED, error=said)


def end_cancelled(job_id: int, attempt: int) -> None:
    """It was cancelled and has ended."""
    _end(job_id, attempt, CANCELLED)


def release_job(job_id: int, attempt: int) -> None:
    """The worker ends in good order: another one goes on with the job."""
    _mine(job_id, attempt).update(state=QUEUED)


def fitting(text: str) -> str:
    """A model's words as every database takes them: no zero byte, no half of a character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def requeue_lost() -> int:
    """Queue jobs again whose worker died; returns how many."""
    bound = timezone.now() - timedelta(seconds=LEASE_S)
    rows = Job.objects.filter(state=RUNNING, heartbeat_at__lt=bound)
    lost = list(rows.values_list("pk", "attempt", "cancel_requested"))
    for job_id, attempt, cancelled in lost:
        if cancelled:
            end_cancelled(job_id, attempt)
        elif attempt >= MAX_ATTEMPTS:
            fail_job(
                job_id,
                attempt,
                RilaasError(f"The worker ended {attempt} times while it worked on this.", "The hub's log says more."),
            )
        else:
            release_job(job_id, attempt)
    return len(lost)


def _by_owner(which: Q) -> Any:
    return Job.objects.filter(which).order_by().values("owner")


def _mine(job_id: int, attempt: int) -> Any:
    return Job.objects.filter(pk=job_id, attempt=attempt, state=RUNNING)


def _begin(job: Job) -> Job:
    now = timezone.now()
    # The time between two attempts is no work: the estimate of what is left is made from what was worked.
    worked = job.heartbeat_at - job.started_at if job.started_at and job.heartbeat_at else timedelta(0)
    job.state, job.started_at, job.heartbeat_at = RUNNING, now - worked, now
    job.attempt += 1
    job.save(update_fields=["state", "started_at", "heartbeat_at", "attempt"])
    return job


def _end(job_id: int, attempt: int, state: str, **values: Any) -> None:
    now = timezone.now()
    _mine(job_id, attempt).update(state=state, ended_at=now, heartbeat_at=now, **values)
