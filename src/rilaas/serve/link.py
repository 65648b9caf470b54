"""The front's end of a replica's unix socket."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from pathlib import Path

from rilaas.core import DeadlineExceeded, RateLimited, Unavailable
from rilaas.wire import Frame, FrameKind, FrameReader, pack_header, unpack_error

MAX_QUEUED_BYTES = 64 * 2**20  # of requests that a busy model has not taken yet; callers may be gone, bytes are not


class ReplicaLink(asyncio.Protocol):
    """One connection to one replica; many calls may be on it at once.

    Calls end with ``Unavailable`` when the replica goes away, so that whoever asked can try another.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self._reader = FrameReader()
        self._owed = 0  # answers that the replica has still to give, whether somebody waits for them or not
        self._heard = 0.0  # when it gave one, or began to owe
        self._transport: asyncio.Transport | None = None
        self.closed = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(cls, path: Path) -> ReplicaLink:
        """Connect to a listening replica.

        Raises:
            Unavailable: Nobody listens there.
        """
        try:
            _, link = await asyncio.get_running_loop().create_unix_connection(cls, str(path))
        except OSError as error:
            raise Unavailable(f"The replica at {path.name} does not answer ({error.strerror}).") from None
        return link

    @property
    def in_flight(self) -> int:
        """Calls that wait for an answer."""
        return len(self._waiting)

    @property
    def owed(self) -> int:
        """Answers that the replica has still to give, whether somebody waits for them or not."""
        return self._owed

    @property
    def silent_s(self) -> float:
        """How long the replica has owed an answer without giving any [s]."""
        return time.monotonic() - self._heard if self._owed else 0.0

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """Send a serialized ModelInferRequest; see ``Service.infer``."""
        return await self._call(FrameKind.INFER, body, deadline)

    async def metadata(self) -> bytes:
        """A serialized ModelMetadataResponse."""
        return await self._call(FrameKind.METADATA, b"", None)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    async def _call(self, kind: FrameKind, body: bytes, deadline: float | None) -> bytes:
        if self._transport is None or self._transport.is_closing():
            raise Unavailable("The replica is gone.")
        if (waiting_bytes := self._transport.get_write_buffer_size()) > MAX_QUEUED_BYTES:
            raise RateLimited(
                f"The model is asked faster than it answers: {waiting_bytes // 2**20} MiB of requests wait for it.",
                "Ask less often, or serve it with more --replicas.",
            )
        now = time.monotonic()
        number = next(self._numbers)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        if not self._owed:
            self._heard = now
        self._owed += 1
        limit = math.inf if deadline is None else deadline
        self._transport.writelines((pack_header(kind, number, now, limit, len(body)), body))
        try:
            if deadline is None:
                return await future
            # asyncio.wait_for costs a task; a timer on the future does not
            timer = asyncio.get_running_loop().call_later(max(0.0, deadline - now), _expire, future)
            try:
                return await future
            finally:
                timer.cancel()
        finally:
            self._waiting.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Asyncio: answers arrived."""
        for frame in self._reader.feed(data):
            self._deliver(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: the replica is gone; nobody waits for it in vain."""
        if not self.closed.done():
            self.closed.set_result(None)
        for future in self._waiting.values():
            if not future.done():
                gone = Unavailable("The model's process ended while it worked on the request.")
                gone.died_with_request = True
                future.set_exception(gone)

    def _deliver(self, frame: Frame) -> None:
        self._owed -= 1
        self._heard = time.monotonic()
        future = self._waiting.get(frame.call)
        if future is None or future.done():
            return  # too late: the caller has given up
        if frame.kind is FrameKind.ERROR:
            future.set_exception(unpack_error(frame.body))
        else:
            future.set_result(frame.body)


def _expire(future: asyncio.Future[bytes]) -> None:
    if not future.done():
        future.set_exception(DeadlineExceeded("The model did not answer within the deadline."))
