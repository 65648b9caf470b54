"""Django's handler, with threads and connections to the database that are kept.

Django gives each request a thread of its own, a connection to the database of its own, and hops between that thread
and the event loop at each middleware. Measured with 200 machines that report: a third of the hub's processor time,
and three quarters of the wait of a page. Here a request is one hop into a thread that lives on, except where its view
waits for news: that one goes Django's way, hops into one thread for all of them, and holds none.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

from asgiref.sync import ThreadSensitiveContext, iscoroutinefunction, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import resolve

from rilaas.hub.bounded import App, Receive, Scope, Send

# Python runs one of them at a time: with 24 the slowest pages took three times as long as with 8.
THREADS = 8


class _InOneHop(ASGIHandler):
    """Runs middleware and view together in one of a few threads, for views that do not wait."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(THREADS, "rilaas-request")

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """The answer; who comes when all threads are at work waits, after its body was received."""
        return await sync_to_async(self._answer, thread_sensitive=False, executor=self._threads)(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        close_old_connections()
        try:
            return self.get_response(request)
        finally:
            close_old_connections()


class Handler:
    """The ASGI application: by its address, a request goes where its view belongs."""

    def __init__(self) -> None:
        self._waiting, self._others = cast(App, ASGIHandler()), cast(App, _InOneHop())
        self._between = ThreadPoolExecutor(1, "rilaas-between")  # signals, and the middleware of who waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        app = self._waiting if _waits(scope["path"]) else self._others
        async with ThreadSensitiveContext(executor=self._between):
            await app(scope, receive, send)


def _waits(path: str) -> bool:
    try:
        return bool(iscoroutinefunction(resolve(path).func))
    except Http404:
        return False
