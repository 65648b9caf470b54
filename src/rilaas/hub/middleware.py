"""What every answer carries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

# Everything a page needs comes from here: no other origin, no inline script. Pictures may be data (drawn outputs).
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


GetResponse = Callable[[HttpRequest], Any]


def after(get_response: GetResponse, act: Callable[[HttpRequest, HttpResponse, float], HttpResponse]) -> GetResponse:
    """A middleware of both kinds: one that knows no ``await`` would hold a thread while a request waits for news.

    Args:
        get_response: What comes next.
        act: Called with the request, its answer and the seconds between; gives the answer to send.
    """
    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponse:
            start = time.monotonic()
            response = await get_response(request)
            return act(request, response, time.monotonic() - start)

        return answer_later

    def answer(request: HttpRequest) -> HttpResponse:
        start = time.monotonic()
        response = get_response(request)
        return act(request, response, time.monotonic() - start)

    return answer


@sync_and_async_middleware
def security_headers(get_response: GetResponse) -> GetResponse:
    """Add the content security policy, and keep pages of people out of shared caches."""
    return after(get_response, lambda request, response, seconds: _added(response))


def _added(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers.setdefault("Cache-Control", "private, no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response
