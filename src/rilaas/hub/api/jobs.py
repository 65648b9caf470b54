"""Jobs over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from rilaas.hub.actions.job import cancel_job, retry_job
from rilaas.hub.api.token import caller
from rilaas.hub.queries.job import list_jobs, show_job

router = Router(tags=["jobs"])


@router.get("/jobs")
def jobs(request: HttpRequest, page: int = 1, everyone: bool = False) -> dict[str, Any]:
    """Your jobs, the newest first, 50 at a time; everybody's, by state and title, for those who run the hub."""
    return list_jobs(caller(request, "read"), page=str(page), everyone=everyone)


@router.get("/jobs/{job_id}")
def job(request: HttpRequest, job_id: int) -> dict[str, Any]:
    """One job: state, progress, log, result."""
    return show_job(caller(request, "read"), _key(job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel(request: HttpRequest, job_id: int) -> dict[str, Any]:
    """Cancel a job: at once where it is queued, within a second where it runs."""
    person = caller(request, "write")
    cancel_job(person, _key(job_id))
    return show_job(person, job_id)


@router.post("/jobs/{job_id}/retry")
def retry(request: HttpRequest, job_id: int) -> dict[str, Any]:
    """Queue a failed or cancelled job again; it goes on from what it has done."""
    person = caller(request, "write")
    retry_job(person, _key(job_id))
    return show_job(person, job_id)


def _key(number: int) -> int:
    """A number that a database can look for."""
    return number if 0 <= number < 2**63 else 0
