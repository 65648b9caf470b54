"""So many requests are worked on at once; the others wait.

Each holds a thread and a connection to the database. Without a bound a crowd of requests is more than PostgreSQL lets
in, and more than SQLite's writers can wait for. A body is received before, and an answer sent after, so that whoever
is slow holds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

AT_ONCE = 24


class Slot:
    """The right to be worked on.

    Args:
        free: Those that nobody has.
    """

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free, self._is_held = free, False

    async def take(self) -> None:
        """Wait for it."""
        await self._free.acquire()
        self._is_held = True

    def give_back(self) -> None:
        """Let another request have it; in the event loop's thread."""
        if self._is_held:
            self._is_held = False
            self._free.release()


@sync_and_async_middleware
def bounded_work(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The middleware."""
    if not iscoroutinefunction(get_response):
        return get_response

    async def answer(request: HttpRequest) -> HttpResponse:
        slot = Slot(_free())
        await slot.take()
        request.slot = slot  # type: ignore[attr-defined]
        try:
            response: HttpResponse = await get_response(request)
            return response
        finally:
            slot.give_back()

    return answer


def wait_outside(request: HttpRequest) -> None:
    """The request will wait for news, and holds neither thread nor connection meanwhile."""
    slot = getattr(request, "slot", None)
    if isinstance(slot, Slot):
        slot.give_back()


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _free() -> asyncio.Semaphore:
    return _by_loop.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
