"""The first page: what is wrong, how the flow stands, which first steps are done, what happened."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from django.db.models import Count, Q
from django.utils import timezone

from rilaas.hub.metrics.background import WINDOW
from rilaas.hub.metrics.source import Span
from rilaas.hub.models import Deployment, Evaluation, Interceptor, Job, Model, Person, Placement, Robot, Run, Version
from rilaas.hub.models.deployment import READY
from rilaas.hub.models.model import PRIVATE
from rilaas.hub.queries.access import visible_datasets, visible_models
from rilaas.hub.queries.event import recent_events
from rilaas.hub.queries.fleet import SILENT_AFTER
from rilaas.hub.queries.metric import REQUESTS
from rilaas.hub.queries.metric_asked import Asked
from rilaas.hub.queries.metric_sight import Reader
from rilaas.hub.queries.problem import changeable_models, problems
from rilaas.hub.queries.robot import ONLINE_FOR

_WATCHED_S = 900.0
_STEPS = (
    ("Upload a model", "A folder with weights and a file model.toml that says what they take and give."),
    ("Try it on a picture", "In the browser: what it answers is drawn on the picture."),
    ("Share it", "With single colleagues, or with everybody on this hub."),
    ("Add a robot", "Its public SSH key is all that it takes; it gets no password."),
    ("Deploy the model", "On servers at the edge, beside the robot, or in the cloud."),
    ("Let the robot ask", "Its page has the commands to paste on it, with address, key and certificate."),
    ("Evaluate", "Drive the model through scenarios and get scores with intervals."),
)


def overview(person: Person) -> dict[str, Any]:
    """The whole page; a constant number of statements."""
    span = Span(time.time() - _WATCHED_S, time.time(), _WATCHED_S)
    reader = Reader(WINDOW, person, Asked(), span)
    mine = Model.objects.filter(changeable_models(person))
    counts = _counts(person, mine, reader)
    return {
        "person": person.username,
        "counts": counts,
        "flow": _flow(counts),
        "problems": problems(person),
        "steps": (steps := _steps(person, mine)),
        "next_step": next((step for step in steps if not step["is_done"]), None),
        "steps_done": sum(step["is_done"] for step in steps),
        "events": recent_events(person, reader.sight),
    }


def _counts(person: Person, mine: Any, reader: Reader) -> dict[str, int]:
    now = timezone.now()
    models = visible_models(person)
    robots = Robot.objects.filter(owner=person).aggregate(
        every=Count("pk"), online=Count("pk", filter=Q(last_seen_at__gte=now - ONLINE_FOR))
    )
    evaluations = Evaluation.objects.filter(Q(owner=person) | Q(model__in=models)).aggregate(
        every=Count("pk"),
        passed=Count("pk", filter=Q(verdict="passed")),
        failed=Count("pk", filter=Q(verdict="failed")),
    )
    queries = reader.of_robots(REQUESTS, "outcome")
    return {
        "models": models.count(),
        "own_versions": Version.objects.filter(model__in=mine).count(),
        "datasets": visible_datasets(person).count(),
        "evaluations": evaluations["every"],
        "evaluations_passed": evaluations["passed"],
        "evaluations_failed": evaluations["failed"],
        "deployments": Deployment.objects.filter(model__in=models).count(),
        "replicas_ready": Placement.objects.filter(
            deployment__model__in=models, state=READY, server__last_report_at__gt=now - SILENT_AFTER
        ).count(),
        "interceptors_up": Interceptor.objects.filter(last_report_at__gt=now - SILENT_AFTER).count(),
        "robots": robots["every"],
        "robots_online": robots["online"],
        "jobs_running": Job.objects.filter(owner=person, state__in=("queued", "running")).count(),
        "queries_15_min": round(sum(float(np.nansum(growth)) for growth in queries.values())),
        "answered_15_min": round(sum(float(np.nansum(queries[key])) for key in queries if key[2] == "ok")),
    }


def _flow(counts: dict[str, int]) -> list[dict[str, Any]]:
    """The way of a model to robots, station by station."""
    return [
        _station(
            "Push", "/models", counts["models"], "model", f"{_counted(counts['own_versions'], 'version')} of yours"
        ),
        _station("Evaluate", "/evaluations", counts["evaluations"], "evaluation", _verdicts(counts)),
        _station(
            "Deploy",
            "/deployments",
            counts["deployments"],
            "deployment",
            f"running in {_counted(counts['replicas_ready'], 'place')}",
        ),
        _station("Route", "/robots", counts["robots_online"], "robot", f"online, of {counts['robots']} of yours"),
        _station(
            "Observe",
            "/metrics",
            counts["queries_15_min"],
            "query",
            f"in 15 min, {counts['answered_15_min']} answered",
        ),
    ]


def _verdicts(counts: dict[str, int]) -> str:
    """How they ended; where none had something to pass, that is not said to have been passed by none."""
    passed, failed = counts["evaluations_passed"], counts["evaluations_failed"]
    if counts["evaluations"] and not passed + failed:
        return "measured, without a threshold"
    return f"{passed} passed" + (f", {failed} failed" if failed else "")


def _station(verb: str, href: str, count: int, noun: str, more: str) -> dict[str, Any]:
    return {"verb": verb, "href": href, "count": count, "noun": _noun(count, noun), "more": more}


def _counted(count: int, noun: str) -> str:
    return f"{count} {_noun(count, noun)}"


def _noun(count: int, noun: str) -> str:
    if count == 1:
        return noun
    return "queries" if noun == "query" else f"{noun}s"


def _steps(person: Person, mine: Any) -> list[dict[str, Any]]:
    """The first steps; each is done when the data say so."""
    own = Model.objects.filter(owner=person)
    first = own.filter(versions__isnull=False).order_by("pk").values_list("name", flat=True).first()
    page = f"/models/{person.username}/{first}" if first else ""
    robots = Robot.objects.filter(owner=person)
    robot = robots.order_by("pk").values_list("name", "last_seen_at").first()
    is_done = (
        first is not None,
        _has_tried(person),
        own.exclude(visibility=PRIVATE).exists(),
        robot is not None,
        _is_deployed(mine),
        robots.exclude(last_seen_at=None).exists(),
        Evaluation.objects.filter(owner=person).exists(),
    )
    pages = (
        "/models/new",
        f"{page}/try" if page else "/models/new",
        f"{page}#sharing" if page else "/models/new",
        "/robots",
        f"{page}#deployment" if page else "/models/new",
        f"/robots/{person.username}/{robot[0]}" if robot else "/robots",
        "/evaluations",
    )
    return [
        {"title": title, "is_done": done, "href": href, "hint": hint}
        for (title, hint), done, href in zip(_STEPS, is_done, pages, strict=True)
    ]


def _has_tried(person: Person) -> bool:
    return Run.objects.filter(job__owner=person).exists()


def _is_deployed(mine: Any) -> bool:
    return Deployment.objects.filter(model__in=mine).exists()
