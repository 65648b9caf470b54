"""The audit log, for those who run the hub."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.event import list_events


def _list(request: HttpRequest) -> Data:
    form = {name: request.GET.get(name, "").strip()[:200] for name in ("who", "act", "subject", "page")}
    return list_events(person_of(request), **form)


PAGES = (Page("events", "hub/audit.html", _list),)
