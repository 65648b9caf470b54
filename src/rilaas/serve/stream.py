"""Many requests on one gRPC stream, answered as they are done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import grpc.aio

from rilaas.core import RateLimited
from rilaas.serve.load import QUIET_S, Load, every_s, with_load
from rilaas.serve.service import Caller, Service, told
from rilaas.wire import peek, wrap_stream_response

_log = logging.getLogger("rilaas.serve")

# Of one stream, that are worked on; what is more waits in HTTP/2's own flow control.
MAX_IN_FLIGHT = 256
MAX_BYTES_IN_FLIGHT = 64 * 2**20
MAX_STREAMS = 16  # of one robot, at once


class Streams:
    """The ModelStreamInfer calls of a front."""

    def __init__(self) -> None:
        self._reading: set[asyncio.Task[Any]] = set()
        self._open: Counter[str] = Counter()  # by key
        self._listening = 0  # calls whose callers hear the load
        self._draining = False

    async def answer(
        self, context: Any, service: Service, caller: Caller, load: Callable[[], Load] | None = None
    ) -> None:
        """Answer the requests of one call until the caller ends it or the front drains.

        Answers come in the order in which they are done and carry the request's id. A request's budget is its
        parameter ``rilaas_deadline_s`` (seconds from now, a double).

        Args:
            context: The call.
            service: Answers.
            caller: Who asks.
            load: How busy the server is, for callers that want to hear it; None for all others.

        Raises:
            RateLimited: The caller's key has too many streams open.
        """
        if caller.key_id and self._open[caller.key_id] >= MAX_STREAMS:
            raise RateLimited(f"The robot has {MAX_STREAMS} streams open; more are not valid.", "Close some.")
        self._open[caller.key_id] += 1
        self._listening += load is not None
        stream = _Stream(context, service, caller, None if load is None else partial(self._told, load))
        reading = asyncio.ensure_future(stream.read())
        self._reading.add(reading)
        try:
            if self._draining:
                reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
        finally:
            reading.cancel()
            self._reading.discard(reading)
            await stream.finish()
            self._listening -= load is not None
            self._open[caller.key_id] -= 1
            if not self._open[caller.key_id]:
                del self._open[caller.key_id]

    def _told(self, load: Callable[[], Load]) -> Load:
        return replace(load(), clients=self._listening)

    def drain(self) -> None:
        """Read no more; each stream ends when what it has read is answered."""
        self._draining = True
        for reading in self._reading:
            reading.cancel()


class _Stream:
    def __init__(
        self, context: Any, service: Service, caller: Caller, load: Callable[[], Load] | None = None
    ) -> None:
        self._context, self._service, self._caller = context, service, caller
        self._load, self._told, self._told_at = load, Load(0), 0.0
        self._telling = None if load is None else asyncio.ensure_future(self._keep_telling(load))
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def read(self) -> None:
        while (body := await self._context.read()) is not grpc.aio.EOF:
            await self._slots.acquire()
            self._bytes += len(body)
            task = asyncio.ensure_future(self._answer(body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if self._bytes > MAX_BYTES_IN_FLIGHT:
                self._has_room.clear()
                await self._has_room.wait()

    async def finish(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait((self._telling,))

    async def _keep_telling(self, load: Callable[[], Load]) -> None:
        """Tell the load between answers: soon where it has changed, now and then where it has not."""
        every, now_s = 0.0, 0.0
        while True:
            await asyncio.sleep(every)
            told, now_s = load(), time.monotonic()
            every = every_s(told.clients)
            silent_s = now_s - self._told_at
            if silent_s < every / 2 or (told == self._told and silent_s < max(QUIET_S, every)):
                continue
            try:
                async with self._writing:
                    await self._context.write(self._with_load(b""))
            except Exception as error:
                _log.debug("nobody hears the load any more: %r", error)
                return

    def _with_load(self, message: bytes) -> bytes:
        if self._load is None:
            return message
        self._told, self._told_at = self._load(), time.monotonic()
        return with_load(message, self._told)

    async def _answer(self, body: bytes) -> None:
        try:
            reply = await self._reply(body)
            async with self._writing:
                await self._context.write(self._with_load(reply))
        except (asyncio.CancelledError, Exception) as error:
            # The caller is gone; gRPC says so in several ways, of which one is not public.
            _log.debug("nobody takes an answer any more: %r", error)
        finally:
            self._slots.release()
            self._bytes -= len(body)
            if self._bytes <= MAX_BYTES_IN_FLIGHT:
                self._has_room.set()

    async def _reply(self, body: bytes) -> bytes:
        request_id = ""
        try:
            seen = peek(body)
            request_id = seen.request_id
            deadline = None if seen.deadline_s is None else time.monotonic() + seen.deadline_s
            reply = await self._service.infer(body, self._caller, deadline)
            return wrap_stream_response(reply, None, request_id)  # whatever id the model wrote: it answers this one
        except Exception as error:
            return wrap_stream_response(b"", told(error), request_id)
