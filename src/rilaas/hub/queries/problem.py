"""What is wrong now, as far as it concerns a person; the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from rilaas.hub.models import Interceptor, Job, Model, Person, Placement, Server
from rilaas.hub.models.deployment import FAILED as PLACEMENT_FAILED
from rilaas.hub.models.job import FAILED as JOB_FAILED
from rilaas.hub.publish import redis_status
from rilaas.hub.queries.access import models_shared_with
from rilaas.hub.queries.fleet import SILENT_AFTER

_SHOWN = 10  # of a kind
_JOBS_OF = timedelta(days=1)
_FORGET = timedelta(days=7)  # a machine that was silent for longer was put away


def problems(person: Person) -> list[dict[str, Any]]:
    """``what``, ``detail``, ``href``; failed deployments, silent machines, Redis, failed jobs."""
    return [*_placements(person), *_machines(person), *_redis(), *_jobs(person)]


def changeable_models(person: Person) -> Q:
    """Models that are the person's or shared with the person."""
    return Q(owner=person) | Q(pk__in=models_shared_with(person).values("pk"))


def _placements(person: Person) -> Iterator[dict[str, Any]]:
    rows = Placement.objects.filter(state=PLACEMENT_FAILED, deployment__is_stopped=False)
    if not person.is_staff:
        rows = rows.filter(deployment__model__in=Model.objects.filter(changeable_models(person)))
    rows = rows.select_related("deployment__model__owner", "variant__version", "server").order_by("-pk")
    for row in rows.only(
        "reason",
        "server__name",
        "deployment__model__name",
        "deployment__model__owner__username",
        "variant__name",
        "variant__version__number",
    )[:_SHOWN]:
        model = row.deployment.model
        what = f"{model}:{row.variant.revision} does not run on {row.server.name}"
        yield _problem(what, row.reason, f"/deployments/{model}")


def _machines(person: Person) -> Iterator[dict[str, Any]]:
    now = timezone.now()
    silent = Q(last_report_at__lt=now - SILENT_AFTER, last_report_at__gt=now - _FORGET)
    servers = Server.objects.filter(silent)
    if not person.is_staff:
        mine = Model.objects.filter(changeable_models(person))
        servers = servers.filter(deployments__model__in=mine).distinct()
    for server in servers.order_by("name")[:_SHOWN]:
        yield _problem(f"Server {server.name} is silent", "", "/deployments", since=server.last_report_at)
    troubled = silent | Q(source_ok=False, last_report_at__gte=now - SILENT_AFTER)
    for each in Interceptor.objects.filter(troubled).order_by("name")[:_SHOWN]:
        if each.last_report_at is not None and each.last_report_at >= now - SILENT_AFTER:
            detail = each.problem or "It serves by the policy that it had."
            yield _problem(f"Interceptor {each.name} does not reach its source of policy", detail, "/deployments")
        else:
            what = f"Interceptor {each.name} is silent"
            yield _problem(what, "Robots that ask it get no answer.", "/deployments", since=each.last_report_at)


def _redis() -> Iterator[dict[str, Any]]:
    status = redis_status()
    if status is not None and status.problem:
        detail = f"{status.problem}. Interceptors serve from memory for a while; then they refuse."
        yield _problem("Redis is gone", detail, "/deployments", since=status.since)


def _jobs(person: Person) -> Iterator[dict[str, Any]]:
    rows = Job.objects.filter(owner=person, state=JOB_FAILED, ended_at__gt=timezone.now() - _JOBS_OF)
    for job in rows.order_by("-pk").only("title", "error")[:_SHOWN]:
        said = (job.error or {}).get("message", "")
        yield _problem(f"Job {job.pk} failed: {job.title}", said, f"/jobs/{job.pk}")


def _problem(what: str, detail: str, href: str, *, since: Any = None) -> dict[str, Any]:
    return {"what": what, "detail": detail[:400], "href": href, "since": since}
