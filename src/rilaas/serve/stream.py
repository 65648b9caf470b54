"""Many requests on one gRPC stream, answered as they are done."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc.aio

from rilaas.serve.service import Caller, Service, told
from rilaas.wire import peek, wrap_stream_response

MAX_IN_FLIGHT = 256  # requests of one stream that are worked on; more wait in HTTP/2's own flow control


async def answer_stream(context: Any, service: Service, caller: Caller, draining: asyncio.Event) -> None:
    """Answer the requests of one ModelStreamInfer call until the caller ends it or the server drains.

    Answers come in the order in which they are done and carry the request's id. A request's budget is its
    parameter ``rilaas_deadline_s`` (seconds from now, a double).
    """
    stream = _Stream(context, service, caller)
    drained = asyncio.ensure_future(draining.wait())
    try:
        while True:
            reading = asyncio.ensure_future(context.read())
            await asyncio.wait((reading, drained), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() or (body := reading.result()) is grpc.aio.EOF:
                reading.cancel()
                return
            await stream.accept(body)
    finally:
        drained.cancel()
        await stream.finish()


class _Stream:
    def __init__(self, context: Any, service: Service, caller: Caller) -> None:
        self._context, self._service, self._caller = context, service, caller
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def accept(self, body: bytes) -> None:
        await self._slots.acquire()
        task = asyncio.ensure_future(self._answer(body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _answer(self, body: bytes) -> None:
        try:
            reply = await self._reply(body)
            async with self._writing:
                await self._context.write(reply)
        except (asyncio.CancelledError, grpc.aio.UsageError, grpc.aio.AbortError, grpc.RpcError):
            pass  # the caller is gone: nobody waits for this answer
        finally:
            self._slots.release()

    async def _reply(self, body: bytes) -> bytes:
        request_id = ""
        try:
            seen = peek(body)
            request_id = seen.request_id
            deadline = None if seen.deadline_s is None else time.monotonic() + seen.deadline_s
            return wrap_stream_response(await self._service.infer(body, self._caller, deadline), None)
        except Exception as error:
            return wrap_stream_response(b"", told(error), request_id)
