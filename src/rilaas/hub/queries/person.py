"""People, for those who run the hub."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from rilaas.core import PermissionDenied
from rilaas.hub.models import Model, Person, Robot
from rilaas.hub.queries.paging import paged


def list_people(person: Person, *, page: str = "") -> dict[str, Any]:
    """Everybody, with how much they own.

    Raises:
        PermissionDenied: The person does not run the hub.
    """
    if not person.is_staff:
        raise PermissionDenied("This page is for people who run the hub.", "Ask one of them.")
    people = Person.objects.annotate(owned_models=_owned(Model), owned_robots=_owned(Robot)).order_by("username")
    return paged(people, page, _row)


def _owned(table: type[Model] | type[Robot]) -> Coalesce:
    """How many; each counted for itself, for a join of both would have as many rows as their product."""
    rows: QuerySet[Any, Any] = table._default_manager.filter(owner=OuterRef("pk")).order_by()
    return Coalesce(Subquery(rows.values("owner").annotate(n=Count("pk")).values("n")), 0)


def _row(person: Person) -> dict[str, Any]:
    return {
        "name": person.username,
        "is_staff": person.is_staff,
        "is_active": person.is_active,
        "has_password": person.has_usable_password(),
        "last_login": person.last_login,
        "models": getattr(person, "owned_models", 0),
        "robots": getattr(person, "owned_robots", 0),
    }
