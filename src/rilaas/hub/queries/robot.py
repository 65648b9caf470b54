"""Robots as pages and programs see them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from rilaas.hub.models import AuditEvent, Deployment, Interceptor, Model, Person, Robot, RobotKey, Subscription
from rilaas.hub.models.model import PUBLIC
from rilaas.hub.queries.access import find_robot, visible_models
from rilaas.hub.queries.paging import paged
from rilaas.hub.queries.policy import usable

ONLINE_FOR = timedelta(seconds=15)
AWAITING, ONLINE, OFFLINE = STATES = ("awaiting set-up", "online", "offline")
_OFFERED = 200  # models in the list to choose from; a name can be typed too
_EVENTS = 20


def list_robots(person: Person, *, search: str = "", state: str = "", page: str = "") -> dict[str, Any]:
    """The person's robots, those seen last first; who runs the hub sees all."""
    robots = Robot.objects.select_related("owner")
    if not person.is_staff:
        robots = robots.filter(owner=person)
    search = search.replace("\0", "")
    if search:
        robots = robots.filter(Q(name__icontains=search) | Q(owner__username__icontains=search))
    counts = _counts(robots)
    if state in STATES:
        robots = robots.filter(_in_state(state))
    robots = robots.annotate(
        keys_in_force=Count("keys", filter=Q(keys__revoked_at=None), distinct=True),
        models=Count("subscriptions", distinct=True),
    ).order_by("-last_seen_at", "-pk")
    return {**paged(robots, page, _row), "search": search, "state": state, "counts": counts}


def show_robot(person: Person, owner: str, name: str) -> dict[str, Any]:
    """One robot with its keys, subscriptions, and what is needed to set it up."""
    robot = find_robot(person, owner, name)
    keys = list(robot.keys.order_by("revoked_at", "pk"))
    good = set(usable(robot.subscriptions.all()).values_list("pk", flat=True))
    rows = robot.subscriptions.select_related("model__owner").order_by("model__owner__username", "model__name")
    is_deployed = Exists(Deployment.objects.filter(model=OuterRef("model"), is_stopped=False))
    rows = rows.annotate(is_deployed=is_deployed)
    subscriptions = [_subscription(row, row.pk in good) for row in rows]
    public = Model.objects.filter(visibility=PUBLIC).select_related("owner").order_by("-updated_at")[:_OFFERED]
    models = visible_models(robot.owner).select_related("owner").order_by("-updated_at")[:_OFFERED]
    events = AuditEvent.objects.filter(subject=str(robot)).select_related("person").order_by("-at")[:_EVENTS]
    own = sorted((row for row in subscriptions if row["is_usable"]), key=lambda row: not row["is_deployed"])
    usable_models = [row["model"] for row in own] or [str(model) for model in public]
    has_keys = sum(key.revoked_at is None for key in keys)
    return {
        **_row(robot, keys_in_force=has_keys, models=len(subscriptions)),
        "public_rate_per_s": robot.public_rate_per_s,
        "public_burst": robot.public_burst,
        "created_at": robot.created_at,
        "keys": [_key(key) for key in keys],
        "subscriptions": subscriptions,
        "public_models": [str(model) for model in public],
        "offered": [str(model) for model in models],
        "events": events_json(events),
        "use_model": usable_models[0] if usable_models else "",
        "interceptors": interceptor_addresses(),
    }


def interceptor_addresses() -> list[str]:
    """Where robots ask: interceptors that report first."""
    rows = Interceptor.objects.exclude(address="").order_by("-last_report_at")
    return list(rows.values_list("address", flat=True)[:_EVENTS])


def events_json(events: Iterable[AuditEvent]) -> list[dict[str, Any]]:
    """Who did what."""
    return [
        {
            "at": event.at,
            "person": event.person.username if event.person else "",
            "act": event.act,
            "detail": event.detail,
        }
        for event in events
    ]


def _counts(robots: QuerySet[Robot]) -> dict[str, int]:
    counts = robots.aggregate(**{state.replace(" ", "_"): Count("pk", filter=_in_state(state)) for state in STATES})
    return {state: counts[state.replace(" ", "_")] for state in STATES}


def _in_state(state: str) -> Q:
    since = timezone.now() - ONLINE_FOR
    return {
        AWAITING: Q(last_seen_at=None),
        ONLINE: Q(last_seen_at__gt=since),
        OFFLINE: Q(last_seen_at__lte=since),
    }[state]


def _row(robot: Robot, **counts: int) -> dict[str, Any]:
    seen = robot.last_seen_at
    state = AWAITING if seen is None else ONLINE if timezone.now() - seen < ONLINE_FOR else OFFLINE
    return {
        "ref": str(robot),
        "owner": robot.owner.username,
        "name": robot.name,
        "note": robot.note,
        "state": state,
        "last_seen_at": seen,
        "keys_in_force": counts.get("keys_in_force", getattr(robot, "keys_in_force", 0)),
        "models": counts.get("models", getattr(robot, "models", 0)),
    }


def _key(key: RobotKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "kind": key.kind,
        "comment": key.comment,
        "line": key.line,
        "added_at": key.added_at,
        "revoked_at": key.revoked_at,
    }


def _subscription(row: Subscription, is_usable: bool) -> dict[str, Any]:
    return {
        "model": str(row.model),
        "rate_per_s": row.rate_per_s,
        "burst": row.burst,
        "is_usable": is_usable,
        "is_deployed": getattr(row, "is_deployed", False),
        "created_at": row.created_at,
    }
