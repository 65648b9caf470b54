"""The viewer of metrics."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.metric import show_metrics
from rilaas.hub.queries.metric_asked import Asked


def _show(request: HttpRequest) -> Data:
    return show_metrics(person_of(request), Asked.of(request.GET.dict()))


PAGES = (Page("metrics", "hub/metrics.html", _show),)
