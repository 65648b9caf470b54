"""Who did what: what happened around a person, and all of it for those who run the hub."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from rilaas.core import PermissionDenied
from rilaas.hub.models import AuditEvent, Person
from rilaas.hub.queries.metric_sight import Sight
from rilaas.hub.queries.paging import paged

RECENT = 12
# A robot or a dataset may be called like a model: of somebody else's things only acts on models are told.
MODEL_ACTS = (
    "alias moved",
    "alias removed",
    "alias rolled back",
    "deployed",
    "deployment changed",
    "deployment deleted",
    "deployment started",
    "deployment stopped",
    "evaluation added",
    "kept to the edge",
    "not kept to the edge",
    "version deleted",
    "version pushed",
)


def recent_events(person: Person, sight: Sight) -> list[dict[str, Any]]:
    """The last acts of a person, on the person's things, and on models shared with the person."""
    shared = [ref for ref in sight.models if not ref.startswith(f"{person.username}/")]
    mine = Q(person=person) | Q(subject__startswith=f"{person.username}/")
    events = AuditEvent.objects.filter(mine | Q(subject__in=shared, act__in=MODEL_ACTS))
    return [_row(event) for event in events.select_related("person").order_by("-at", "-pk")[:RECENT]]


def list_events(person: Person, *, who: str = "", act: str = "", subject: str = "", page: str = "") -> dict[str, Any]:
    """Everything that was done, the newest first.

    Raises:
        PermissionDenied: The person does not run the hub.
    """
    if not person.is_staff:
        raise PermissionDenied("This page is for people who run the hub.", "Ask one of them.")
    events = AuditEvent.objects.select_related("person").order_by("-at", "-pk")
    if who:
        events = events.filter(person__username=who)
    if act:
        events = events.filter(act=act)
    if subject:
        events = events.filter(subject__startswith=subject)
    acts = AuditEvent.objects.order_by("act").values_list("act", flat=True).distinct()
    return {**paged(events, page, _row), "who": who, "act": act, "subject": subject, "acts": list(acts[:100])}


def _row(event: AuditEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "person": event.person.username if event.person else "",
        "act": event.act,
        "subject": event.subject,
        "detail": event.detail[:300],
    }
