"""Long lists, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

_M = TypeVar("_M", bound=Model)
PER_PAGE = 50


def paged(rows: QuerySet[_M], page: str, show: Callable[[_M], dict[str, Any]]) -> dict[str, Any]:
    """One page of a list.

    Args:
        rows: All of them, ordered.
        page: A number from 1 as text; anything else is the first.
        show: What of a row is shown.

    Returns:
        ``rows``, ``page``, ``pages``, ``count``.
    """
    count = rows.count()
    pages = max(1, -(-count // PER_PAGE))
    number = min(max(1, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1), pages)
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    return {"rows": [show(row) for row in shown], "page_number": number, "pages": pages, "count": count}
