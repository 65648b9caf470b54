"""Starting what takes long, so that it can be broken off, and ending it, so that it cannot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from rilaas.serve.launched import Launched

_T = TypeVar("_T")


async def launched_aside(launch: Callable[[], Launched]) -> Launched:
    """Launch a replica, which may take a minute, in a thread for which nobody waits when the program ends.

    Args:
        launch: Blocks until the replica is ready. If this is cancelled meanwhile, the replica is stopped as soon as
            it is there.

    Raises:
        BaseException: What ``launch`` raised.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Launched] = loop.create_future()

    def deliver(launched: Launched | None, error: BaseException | None) -> None:
        if future.done():
            if launched is not None:
                threading.Thread(target=launched.stop, daemon=True).start()
        elif launched is not None:
            future.set_result(launched)
        elif error is not None:
            future.set_exception(error)

    def run() -> None:
        launched, fault = None, None
        try:
            launched = launch()
        except BaseException as error:
            fault = error
        try:
            loop.call_soon_threadsafe(deliver, launched, fault)
        except RuntimeError:  # the loop has ended
            if launched is not None:
                launched.stop()

    threading.Thread(target=run, name="rilaas-launch", daemon=True).start()
    return await future


async def all_or_none(starts: list[Awaitable[None]]) -> None:
    """Wait until all have started; when one fails or this is cancelled, the others are broken off first.

    Raises:
        BaseException: Why the first one failed.
    """
    tasks = [asyncio.ensure_future(start) for start in starts]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Wait for something that must not be left halfway: whoever is cancelled meanwhile waits too, and ends then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise
