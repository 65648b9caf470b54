"""Many requests on one gRPC stream, answered as they are done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from typing import Any

import grpc.aio

from rilaas.core import RateLimited
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
        self._draining = False

    async def answer(self, context: Any, service: Service, caller: Caller) -> None:
        """Answer the requests of one call until the caller ends it or the front drains.

        Answers come in the order in which they are done and carry the request's id. A request's budget is its
        parameter ``rilaas_deadline_s`` (seconds from now, a double).

        Raises:
            RateLimited: The caller's key has too many streams open.
        """
        if caller.key_id and self._open[caller.key_id] >= MAX_STREAMS:
            raise RateLimited(f"The robot has {MAX_STREAMS} streams open; more are not valid.", "Close some.")
        self._open[caller.key_id] += 1
        stream = _Stream(context, service, caller)
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
            self._open[caller.key_id] -= 1
            if not self._open[caller.key_id]:
                del self._open[caller.key_id]

    def drain(self) -> None:
        """Read no more; each stream ends when what it has read is answered."""
        self._draining = True
        for reading in self._reading:
            reading.cancel()


class _Stream:
    def __init__(self, context: Any, service: Service, caller: Caller) -> None:
        self._context, self._service, self._caller = context, service, caller
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

    async def _answer(self, body: bytes) -> None:
        try:
            reply = await self._reply(body)
            async with self._writing:
                await self._context.write(reply)
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
