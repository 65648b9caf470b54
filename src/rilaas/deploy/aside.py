"""Blocking calls from an event loop that nobody has to wait for when the program ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def aside(action: Callable[[], _T]) -> _T:
    """Call ``action`` in a daemon thread; unlike ``asyncio.to_thread``, the loop's end does not wait for it.

    If this is cancelled, the call goes on and its result is dropped.

    Raises:
        BaseException: What ``action`` raised.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def deliver(result: list[_T], error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result[0])

    def run() -> None:
        result, fault = [], None
        try:
            result.append(action())
        except BaseException as error:
            fault = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(deliver, result, fault)

    threading.Thread(target=run, name="rilaas-aside", daemon=True).start()
    return await future
