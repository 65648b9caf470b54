"""Models as pages and programs see them."""

from __future__ import annotations

from typing import Any

from rilaas.hub.models import Model, Person
from rilaas.hub.queries.access import find_model, role_of, visible_models
from rilaas.hub.queries.paging import paged


def list_models(person: Person, *, search: str = "", page: str = "") -> dict[str, Any]:
    """Models that the person may see, the newest change first."""
    models = visible_models(person).select_related("owner").order_by("-updated_at")
    if search:
        models = models.filter(name__icontains=search)
    return {**paged(models, page, _row), "search": search}


def show_model(person: Person, owner: str, name: str) -> dict[str, Any]:
    """One model with its versions."""
    model = find_model(person, owner, name)
    return {**_row(model), "role": role_of(person, model)}


def _row(model: Model) -> dict[str, Any]:
    return {
        "ref": str(model),
        "owner": model.owner.username,
        "name": model.name,
        "task": model.task,
        "description": model.description,
        "visibility": model.visibility,
        "updated_at": model.updated_at,
    }
