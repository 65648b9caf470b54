"""The front's end of a replica's unix socket."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path

from rilaas.core import DeadlineExceeded, RateLimited, Unavailable
from rilaas.wire import Frame, FrameKind, FrameReader, pack_header, unpack_error

MAX_QUEUED_BYTES = 64 * 2**20  # of requests that a busy model has not taken yet; callers may be gone, bytes are not


class ReplicaLink(asyncio.Protocol):
    """One connection to one replica; many calls may be on it at once.

    Calls end with ``Unavailable`` when the replica goes away, so that whoever asked can try another.

    Attributes:
        closed: Done when the replica is gone.
        on_less_owed: Called when the replica has given an answer.
    """

    def __init__(self) -> None:
        self._owed: dict[int, asyncio.Future[bytes]] = {}  # answers, whether somebody waits for them or not
        self._numbers = itertools.count(1)
        self._reader = FrameReader()
        self._heard = 0.0  # when it gave one, or began to owe
        self._transport: asyncio.Transport | None = None
        self.closed = asyncio.get_running_loop().create_future()
        self.on_less_owed: Callable[[], None] = _nothing

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
        return sum(not answer.done() for answer in self._owed.values())

    @property
    def owed(self) -> int:
        """Answers that the replica has still to give, whether somebody waits for them or not."""
        return len(self._owed)

    @property
    def silent_s(self) -> float:
        """How long the replica has owed an answer without giving any [s]."""
        return time.monotonic() - self._heard if self._owed else 0.0

    async def metadata(self) -> bytes:
        """A serialized ModelMetadataResponse."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.send(FrameKind.METADATA, b"", answer, sent_at=time.monotonic())
        return await answer

    def send(
        self,
        kind: FrameKind,
        body: bytes,
        answer: asyncio.Future[bytes],
        *,
        sent_at: float,
        limit: float = math.inf,
    ) -> None:
        """Ask the replica; whoever gives up cancels or ends ``answer``, and it is not touched any more.

        Args:
            kind: What is asked.
            body: A serialized request.
            answer: Gets the answer, or the error.
            sent_at: Since when it waits, on the monotonic clock [s].
            limit: After which the replica does not begin with it, on the same clock [s].

        Raises:
            RateLimited: The replica has not taken too much already.
            Unavailable: It is gone.
        """
        if self._transport is None or self._transport.is_closing():
            raise Unavailable("The replica is gone.")
        if (waiting_bytes := self._transport.get_write_buffer_size()) > MAX_QUEUED_BYTES:
            raise too_much(waiting_bytes)
        if not self._owed:
            self._heard = time.monotonic()
        number = next(self._numbers)
        self._owed[number] = answer
        self._transport.writelines((pack_header(kind, number, sent_at, limit, len(body)), body))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

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
        for future in self._owed.values():
            if not future.done():
                gone = Unavailable("The model's process ended while it worked on the request.")
                gone.died_with_request = True
                future.set_exception(gone)

    def _deliver(self, frame: Frame) -> None:
        self._heard = time.monotonic()
        future = self._owed.pop(frame.call, None)
        self.on_less_owed()
        if future is None or future.done():
            return  # too late: the caller has given up
        if frame.kind is FrameKind.ERROR:
            future.set_exception(unpack_error(frame.body))
        else:
            future.set_result(frame.body)


def too_much(waiting_bytes: int) -> RateLimited:
    """What somebody is told who asks while so much waits."""
    return RateLimited(
        f"The model is asked faster than it answers: {waiting_bytes // 2**20} MiB of requests wait for it.",
        "Ask less often, or serve it with more --replicas.",
    )


def expire(answer: asyncio.Future[bytes]) -> None:
    """Its deadline has passed."""
    if not answer.done():
        answer.set_exception(DeadlineExceeded("The model did not answer within the deadline."))


def _nothing() -> None:
    """What happens when an answer has come and nobody waits."""
