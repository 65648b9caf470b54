"""An upstream on another machine: one persistent gRPC stream to its ``serve``, kept open and opened again."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio

from rilaas.core import DeadlineExceeded, InvalidInput, RateLimited, Unavailable
from rilaas.serve.link import MAX_QUEUED_BYTES
from rilaas.serve.load import ASK, Load, split_load
from rilaas.serve.service import ModelState
from rilaas.wire import (
    MAX_MESSAGE_BYTES,
    METHODS,
    error_from_rpc,
    peek,
    unwrap_stream_response,
    with_parameters,
    with_request_id,
)
from rilaas.wire import inference_pb2 as pb

_log = logging.getLogger("rilaas.route")

POLL_S = 1.0  # how often the server's list of models is asked for
POLL_TIMEOUT_S = 2.0
LOOK_S = 0.05  # at most so often besides


class RemoteUpstream:
    """A ``serve`` somewhere else.

    Args:
        address: ``host:port``.
        credentials: TLS with a client certificate; None talks in clear text (loopback only, see ``config``).
    """

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None) -> None:
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(address, options)
        else:
            self._channel = grpc.aio.secure_channel(address, credentials, options)
        self.address = address
        self._states: tuple[ModelState, ...] = ()
        self._poller: asyncio.Task[None] | None = None
        self._stream: _Stream | None = None
        self._opening = asyncio.Lock()
        self._look: asyncio.Task[None] | None = None
        self._looked_at = 0.0
        self._load: Load | None = None
        self._hear: Callable[[Load], None] | None = None

    async def start(self) -> None:
        """Learn the models once and keep learning; a server that is down is asked again and again."""
        await self._poll()
        self._poller = asyncio.ensure_future(self._keep_polling())

    async def stop(self) -> None:
        """Hang up."""
        if self._poller is not None:
            self._poller.cancel()
        if self._look is not None:
            self._look.cancel()
        if self._stream is not None:
            self._stream.close()
        await self._channel.close()

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """See ``Upstream.infer``."""
        stream = self._stream
        if stream is None or stream.ended:
            stream = await self._open()
        return await stream.infer(body, deadline)

    async def metadata(self, model: str, version: str) -> bytes:
        """See ``Upstream.metadata``."""
        request = pb.ModelMetadataRequest(name=model, version=version).SerializeToString()
        return await self._unary("ModelMetadata", request)

    def models(self) -> Sequence[ModelState]:
        """See ``Upstream.models``."""
        return self._states

    async def look(self) -> None:
        """See ``Upstream.look``; those who look at once look together, and not more often than ``LOOK_S``."""
        if self._look is None or (self._look.done() and time.monotonic() - self._looked_at > LOOK_S):
            self._looked_at = time.monotonic()
            self._look = asyncio.ensure_future(self._poll())
        await asyncio.shield(self._look)

    def follow(self, hear: Callable[[Load], None]) -> None:
        """See ``Upstream.follow``; what was heard before is told at once."""
        self._hear = hear
        if self._load is not None:
            hear(self._load)

    def _heard(self, load: Load) -> None:
        self._load = load
        if self._hear is not None:
            self._hear(load)

    async def _open(self) -> _Stream:
        async with self._opening:
            if self._stream is None or self._stream.ended:
                self._stream = _Stream(self._channel, self._heard)
            return self._stream

    async def _unary(self, method: str, request: bytes) -> bytes:
        try:
            reply: bytes = await self._channel.unary_unary(METHODS[method].path)(request, timeout=POLL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise error_from_rpc(error) from None
        return reply

    async def _poll(self) -> None:
        try:
            index = pb.RepositoryIndexResponse.FromString(await self._unary("RepositoryIndex", b""))
            states = tuple(ModelState(m.name, m.version, m.state == "READY", m.reason) for m in index.models)
            if states != self._states:  # else what others have worked out of them stays true
                self._states = states
            if self._stream is None or self._stream.ended:
                await self._open()  # the server's load is heard on it, whether somebody asks or not
        except Exception as error:
            if any(state.ready for state in self._states):
                _log.warning("server %s is not answering: %s", self.address, error)
                self._states = tuple(replace(state, ready=False, reason="not answering") for state in self._states)

    async def _keep_polling(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self._poll()


class _Stream:
    """One ModelStreamInfer call; ids are ours on the way and the caller's again on the answer."""

    def __init__(self, channel: grpc.aio.Channel, hear: Callable[[Load], None]) -> None:
        self._call: Any = channel.stream_stream(METHODS["ModelStreamInfer"].path)(metadata=((ASK, "1"),))
        self._hear = hear
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._queued_bytes = 0
        self.ended = False
        self._reader = asyncio.ensure_future(self._read())
        self._writer = asyncio.ensure_future(self._write())

    def close(self) -> None:
        self._call.cancel()
        self._reader.cancel()
        self._writer.cancel()

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        theirs = peek(body).request_id
        ours = f"{next(self._numbers):x}"
        body = with_request_id(body, ours)
        left_s = None
        if deadline is not None:
            left_s = deadline - time.monotonic()
            body = with_parameters(body, {"rilaas_deadline_s": left_s})
        if len(body) > MAX_MESSAGE_BYTES:  # the server would end the stream, with everybody's requests on it
            raise InvalidInput(f"A message of {len(body)} bytes is too large; at most {MAX_MESSAGE_BYTES} are valid.")
        if self._queued_bytes > MAX_QUEUED_BYTES:
            raise RateLimited("The server takes requests more slowly than they come.", "Ask less often.")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[ours] = future
        self._queued_bytes += len(body)
        self._queue.put_nowait((ours, body))
        try:
            return with_request_id(await asyncio.wait_for(future, left_s), theirs)
        except asyncio.TimeoutError:
            raise DeadlineExceeded("The server did not answer within the deadline.") from None
        finally:
            self._waiting.pop(ours, None)

    async def _write(self) -> None:
        """Send what is queued, unless nobody waits for it any more.

        Requests are not written by those who wait for them: gRPC ends a whole call when one write on it is cancelled.
        """
        try:
            while True:
                ours, body = await self._queue.get()
                self._queued_bytes -= len(body)
                future = self._waiting.get(ours)
                if future is not None and not future.done():
                    await self._call.write(body)
        except (grpc.RpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            self._call.cancel()  # the reader tells those who wait

    async def _read(self) -> None:
        gone: Exception = Unavailable("The server ended the connection.")
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                rest, load = split_load(message)
                if load is not None:
                    self._hear(load)
                if not rest:
                    continue
                error, response, request_id = unwrap_stream_response(rest)
                future = self._waiting.get(request_id)
                if future is not None and not future.done():
                    if error is not None:
                        future.set_exception(error)
                    else:
                        future.set_result(response)
        except grpc.RpcError as error:
            gone = Unavailable(error_from_rpc(error).message)
        except InvalidInput as error:
            gone = Unavailable(f"The server sent what is no answer: {error.message}")
            self._call.cancel()
        finally:
            self.ended = True
            self._writer.cancel()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(gone)
