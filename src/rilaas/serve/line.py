"""The line before a model's replicas: who comes first is computed first, by whichever replica is free first.

A request that is sent to one of several replicas at once waits for that one, although another may be free sooner. So
requests wait here, and a replica is sent the next one in the moment in which its answer is heard. One replica alone
is sent everything at once: its socket is the line.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from rilaas.core import RilaasError, Unavailable
from rilaas.serve import link as links
from rilaas.serve.link import ReplicaLink, expire, too_much
from rilaas.wire import FrameKind


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that no replica has yet; ``since_s`` is on the monotonic clock."""

    body: bytes
    deadline: float | None
    since_s: float


class Line:
    """Gives requests to replicas, in the order in which they came."""

    def __init__(self) -> None:
        self._links: list[ReplicaLink] = []
        self._most_owed = 0.0
        self._waiting: OrderedDict[asyncio.Future[bytes], _Waiting] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, link: ReplicaLink, most_owed: float) -> None:
        """A replica is ready.

        Args:
            link: The way to it.
            most_owed: How many requests each replica may have at once; inf gives it everything.
        """
        self._most_owed = most_owed
        link.on_less_owed = self._serve
        self._links.append(link)
        self._serve()

    def leave(self, link: ReplicaLink, reason: Unavailable) -> None:
        """A replica is gone; where it was the last, nobody waits any longer."""
        self._links.remove(link)
        if not self._links:
            for answer in self._waiting:
                if not answer.done():
                    answer.set_exception(reason)

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """Ask the replica that is free first; see ``Service.infer``. There is one at least.

        Raises:
            DeadlineExceeded: No answer in time.
            RateLimited: Too much waits already.
            Unavailable: The replica ended, or the last one did before the request was sent.
        """
        if self._bytes > links.MAX_QUEUED_BYTES:
            raise too_much(self._bytes)
        loop, now_s = asyncio.get_running_loop(), time.monotonic()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting[answer] = _Waiting(body, deadline, now_s)
        self._bytes += len(body)
        self._serve()
        timer = None if deadline is None else loop.call_later(max(0.0, deadline - now_s), expire, answer)
        try:
            return await answer
        finally:
            if timer is not None:
                timer.cancel()
            if (left := self._waiting.pop(answer, None)) is not None:
                self._bytes -= len(left.body)

    def _serve(self) -> None:
        """Send what can be computed now."""
        while self._waiting and (link := self._free()) is not None:
            answer, first = self._waiting.popitem(last=False)
            self._bytes -= len(first.body)
            if answer.done():
                continue
            limit = math.inf if first.deadline is None else first.deadline
            try:
                link.send(FrameKind.INFER, first.body, answer, sent_at=first.since_s, limit=limit)
            except RilaasError as error:
                answer.set_exception(error)

    def _free(self) -> ReplicaLink | None:
        """The replica that owes least, if it may have one more."""
        link = min(self._links, key=_owed, default=None)
        return link if link is not None and link.owed < self._most_owed else None


def _owed(link: ReplicaLink) -> int:
    return link.owed
