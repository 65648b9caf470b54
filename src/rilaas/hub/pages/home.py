"""The first page: what there is, and what to do next."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.home import overview


def _home(request: HttpRequest) -> Data:
    return overview(person_of(request))


PAGES = (Page("", "hub/home.html", _home),)
