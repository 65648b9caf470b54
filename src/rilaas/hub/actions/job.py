"""Jobs are queued, cancelled and tried again by people."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from rilaas.core import Conflict, NotFound, PermissionDenied, RateLimited
from rilaas.hub.actions.event import record
from rilaas.hub.models import Job, Person
from rilaas.hub.models.job import CANCELLED, FAILED, QUEUED, RUNNING

MAX_OPEN = 200  # jobs of one person that are queued or running


def queue_job(person: Person, kind: str, title: str, parameters: dict[str, Any]) -> Job:
    """Give the worker something to do; call it inside the act's transaction.

    Args:
        person: Whose job it is.
        kind: A name of ``worker.kind``.
        title: What people see.
        parameters: What for; JSON.

    Raises:
        RateLimited: The person has too many jobs that are not done.
    """
    _check_count(person)
    return Job.objects.create(owner=person, kind=kind, title=title.replace("\0", "")[:300], parameters=parameters)


def cancel_job(person: Person, job_id: int) -> None:
    """End a job: at once where it is queued, within a second where it runs. What it has done is kept.

    Raises:
        NotFound: It is not the person's; people who run the hub cancel everybody's.
        Conflict: It is over already.
    """
    with transaction.atomic():
        job = _find(person, job_id)
        if job.state == QUEUED:
            job.state, job.ended_at = CANCELLED, timezone.now()
        elif job.state != RUNNING:
            raise Conflict(f"The job {job_id} is over: {job.state}.")
        job.cancel_requested = True
        job.save(update_fields=["state", "ended_at", "cancel_requested"])
        record(person, "job cancelled", f"job {job_id}", job.title)


def retry_job(person: Person, job_id: int) -> None:
    """Queue a failed or cancelled job again; it goes on from what it has done.

    Raises:
        NotFound: It is not the person's.
        PermissionDenied: It is another person's; it would act in that person's name.
        RateLimited: See ``queue_job``.
        Conflict: It is queued, running or done.
    """
    with transaction.atomic():
        job = _find(person, job_id)
        if job.owner_id != person.pk:
            raise PermissionDenied("A job is tried again by the one whose it is.", "Ask its owner.")
        if job.state not in (FAILED, CANCELLED):
            raise Conflict(f"The job {job_id} is {job.state}; one that failed or was cancelled can be tried again.")
        _check_count(person)
        job.state, job.error, job.ended_at, job.cancel_requested = QUEUED, None, None, False
        job.save(update_fields=["state", "error", "ended_at", "cancel_requested"])
        record(person, "job tried again", f"job {job_id}", job.title)


def _check_count(person: Person) -> None:
    waiting = Job.objects.filter(owner=person, state__in=(QUEUED, RUNNING)).count()
    if waiting >= MAX_OPEN:
        raise RateLimited(
            f"You have {waiting} jobs that are queued or running; at most {MAX_OPEN} may be.",
            "Wait until some are done, or cancel them.",
        )


def _find(person: Person, job_id: int) -> Job:
    jobs = Job.objects.select_for_update()
    if not person.is_staff:
        jobs = jobs.filter(owner=person)
    job = jobs.filter(pk=job_id).first()
    if job is None:
        raise NotFound(f"There is no job {job_id} of yours.", "The page Jobs lists yours.")
    return job
