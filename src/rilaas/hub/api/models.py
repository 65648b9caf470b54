"""Models over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from rilaas.hub.api.token import caller
from rilaas.hub.queries.model import list_models, show_model

router = Router(tags=["models"])


@router.get("/models")
def models(request: HttpRequest, search: str = "", page: int = 1) -> dict[str, Any]:
    """Models that you may see, 50 at a time."""
    return list_models(caller(request, "read"), search=search, page=str(page))


@router.get("/models/{owner}/{name}")
def model(request: HttpRequest, owner: str, name: str) -> dict[str, Any]:
    """One model."""
    return show_model(caller(request, "read"), owner, name)
