"""The web pages, a file a noun; ``PAGES`` is all of them.

A page calls ``queries`` to read and ``actions`` to write, and holds no rule of its own.
"""

from __future__ import annotations

from rilaas.hub.pages import (
    account,
    datasets,
    deployments,
    evaluations,
    events,
    home,
    jobs,
    metrics,
    models,
    optimize,
    people,
    robots,
    runs,
    uploads,
)
from rilaas.hub.pages.page import Page

PAGES: tuple[Page, ...] = (
    *account.PAGES,
    *datasets.PAGES,
    *deployments.PAGES,
    *evaluations.PAGES,
    *events.PAGES,
    *home.PAGES,
    *jobs.PAGES,
    *metrics.PAGES,
    *models.PAGES,
    *optimize.PAGES,
    *people.PAGES,
    *robots.PAGES,
    *runs.PAGES,
    *uploads.PAGES,
)
