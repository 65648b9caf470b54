"""Jobs: one's own in full; those of others, for people who run the hub, by state and title."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils import timezone

from rilaas.core import NotFound, PermissionDenied
from rilaas.hub.models import Job, Person
from rilaas.hub.models.evaluation import EVALUATION, OPTIMIZATION
from rilaas.hub.models.job import CANCELLED, FAILED, QUEUED, RUNNING
from rilaas.hub.queries.paging import paged

_OPEN = (QUEUED, RUNNING)
# Of the steps of a kind; '' where they are just counted.
_UNITS = {EVALUATION: "s of simulated time", OPTIMIZATION: "percent"}


def list_jobs(person: Person, *, page: str = "", everyone: bool = False) -> dict[str, Any]:
    """One's jobs, the newest first; or everybody's.

    Raises:
        PermissionDenied: Everybody's are for people who run the hub.
    """
    if everyone and not person.is_staff:
        raise PermissionDenied("Everybody's jobs are seen by people who run the hub.", "Leave 'everyone' away.")
    jobs = Job.objects.select_related("owner").defer("log").order_by("-pk")
    if not everyone:
        jobs = jobs.filter(owner=person)
    listed = paged(jobs, page, lambda job: _row(job, person))
    open_count = jobs.filter(state__in=_OPEN).count()
    return {**listed, "everyone": everyone, "open": open_count, "more_query": "&everyone=1" if everyone else ""}


def show_job(person: Person, job_id: int) -> dict[str, Any]:
    """One job.

    Raises:
        NotFound: There is none, or it is somebody else's.
    """
    jobs = Job.objects.select_related("owner")
    if not person.is_staff:
        jobs = jobs.filter(owner=person)
    job = jobs.filter(pk=job_id).first()
    if job is None:
        raise NotFound(f"There is no job {job_id} of yours.", "The page Jobs lists yours.")
    row = _row(job, person)
    if job.owner_id == person.pk and job.state == QUEUED:
        row["progress"]["before"] = jobs_before(job)
    if job.owner_id == person.pk:
        row["log"] = job.log
    return row


def _row(job: Job, person: Person) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": job.pk,
        "title": job.title,
        "state": job.state,
        "owner": job.owner.username,
        "is_own": job.owner_id == person.pk,
        "is_open": job.state in _OPEN,
    }
    if job.owner_id != person.pk:
        return row
    return {
        **row,
        "kind": job.kind,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "cancel_requested": job.cancel_requested,
        "attempt": job.attempt,
        "failed_with": job.error,
        "result": job.result,
        "see": _address(job),
        "can_retry": job.state in (FAILED, CANCELLED) and (job.error or {}).get("code") != "invalid_input",
        "progress": progress_of(job),
    }


def jobs_before(job: Job) -> int:
    """How many jobs of its kind a queued one may have to wait for."""
    return Job.objects.filter(Q(state=QUEUED, pk__lt=job.pk) | Q(state=RUNNING), kind=job.kind).count()


def _address(job: Job) -> str | None:
    """Where the job's result is seen, where there is one already."""
    if job.result:
        return str(job.result.get("address", "")) or None
    if evaluation := job.parameters.get("evaluation"):
        return f"/evaluations/{evaluation}"
    run = job.parameters.get("run")
    return f"/runs/{run}" if run and job.state != QUEUED else None


def progress_of(job: Job) -> dict[str, Any]:
    """How far it is, and how long the rest will take at the pace so far [s]; None where that is not known."""
    until = timezone.now() if job.state == RUNNING else job.ended_at or job.heartbeat_at
    worked_s = max(0.0, (until - job.started_at).total_seconds()) if until and job.started_at else None
    left_s = None
    if job.state == RUNNING and job.total and job.done and worked_s:
        left_s = worked_s / job.done * (job.total - job.done)
    return {
        "state": job.state,
        "cancel_requested": job.cancel_requested,
        "done": job.done,
        "total": job.total,
        "unit": _UNITS.get(job.kind, ""),
        "share": job.done / job.total if job.total else None,
        "worked_s": worked_s,
        "left_s": left_s,
    }
