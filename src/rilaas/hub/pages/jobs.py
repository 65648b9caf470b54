"""The list of jobs, and a job's page; both show by themselves how far a job is."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.hub.actions.job import cancel_job, retry_job
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.job import list_jobs, show_job


def _list(request: HttpRequest) -> Data:
    everyone = request.GET.get("everyone") == "1"
    return list_jobs(person_of(request), page=request.GET.get("page", ""), everyone=everyone)


def _show(request: HttpRequest, job_id: int) -> Data:
    return show_job(person_of(request), job_id)


def _cancel(request: HttpRequest, job_id: int) -> tuple[str, str]:
    cancel_job(person_of(request), job_id)
    return f"/jobs/{job_id}", "The job is being cancelled."


def _retry(request: HttpRequest, job_id: int) -> tuple[str, str]:
    retry_job(person_of(request), job_id)
    return f"/jobs/{job_id}", "The job is queued again; what it has done is kept."


PAGES = (
    Page("jobs", "hub/jobs.html", _list),
    Page("jobs/<int:job_id>", "hub/job.html", _show, {"cancel": _cancel, "retry": _retry}),
)
