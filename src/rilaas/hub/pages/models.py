"""The list of models, and a model's page."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.model import list_models, show_model


def _list(request: HttpRequest) -> Data:
    return list_models(person_of(request), search=request.GET.get("q", ""), page=request.GET.get("page", ""))


def _show(request: HttpRequest, owner: str, name: str) -> Data:
    return show_model(person_of(request), owner, name)


PAGES = (
    Page("models", "hub/models.html", _list),
    Page("models/<part:owner>/<part:name>", "hub/model.html", _show),
)
