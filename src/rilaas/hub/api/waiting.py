"""Waiting for news without holding a thread: one task looks at the database for all who wait."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

from django.db import connection
from django.http import HttpRequest
from ninja.security import HttpBearer

from rilaas.hub.actions.token import token_of
from rilaas.hub.models import AccessToken, Server
from rilaas.hub.queries.policy import epoch_now

_log = logging.getLogger("rilaas.hub")

LOOK_EVERY_S = 0.1
MAX_WAIT_S = 30.0
POLICY = ""  # as what is waited for; else the name of a server
_T = TypeVar("_T")


class BearerLater(HttpBearer):
    """``Authorization: Bearer rilaas_...`` for views that wait."""

    async def authenticate(self, request: HttpRequest, token: str) -> AccessToken | None:
        """The token, where it is valid now."""
        return await watch().read(partial(token_of, token))


class Watch:
    """Knows the policy's epoch and every server's generation, for all who wait in one event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "rilaas-watch")
        self._state: Mapping[str, int] = {}
        self._news = asyncio.Event()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    async def read(self, query: Callable[[], _T]) -> _T:
        """The result of a query, made in the one thread that reads for all who wait."""

        def ask() -> _T:
            try:
                return query()
            except Exception:
                connection.close()  # whatever became of it: the next query opens another one
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, ask)

    async def until_changed(self, what: str, known: int, wait_s: float) -> None:
        """Return when a number is another one than the known, at once where it is, or after a time.

        Args:
            what: ``POLICY`` for the epoch, or a server's name for its generation.
            known: The number that the asker has.
            wait_s: How long to wait at most [s].
        """
        end = time.monotonic() + min(max(0.0, wait_s), MAX_WAIT_S)
        self._learn(await self.read(_numbers))
        self._waiting += 1
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.ensure_future(self._keep_looking())
            while self._state.get(what, 0) == known and not _is_ending and (left_s := end - time.monotonic()) > 0.0:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._news.wait(), left_s)
        finally:
            self._waiting -= 1

    async def _keep_looking(self) -> None:
        while self._waiting:
            try:
                self._learn(await self.read(_numbers))
            except Exception as error:  # a database that is away for a moment; those who wait ask again anyway
                _log.warning("no news from the database: %s", error)
                await asyncio.sleep(1.0)
                continue
            if _is_ending:
                self._news.set()
            await asyncio.sleep(LOOK_EVERY_S)

    def _learn(self, state: Mapping[str, int]) -> None:
        if state != self._state:
            self._state = state
            news, self._news = self._news, asyncio.Event()
            news.set()


def watch() -> Watch:
    """The watch of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _watches:
        _watches[loop] = Watch()
    return _watches[loop]


def end_waiting() -> None:
    """Answer all who wait, for the hub ends; takes no lock, so that a handler of signals may call it."""
    global _is_ending
    _is_ending = True


_is_ending = False
_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def _numbers() -> Mapping[str, int]:
    return {POLICY: epoch_now(), **dict(Server.objects.values_list("name", "generation"))}
