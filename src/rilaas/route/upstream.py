"""The servers behind an interceptor, as it sees them."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rilaas.balance import ServerView
from rilaas.core import DeadlineExceeded
from rilaas.route.breaker import Breaker
from rilaas.serve.local import LocalModels
from rilaas.serve.service import Caller, ModelState

_NOBODY = Caller()
_HASH = re.compile("[0-9a-f]{6,64}")


class Upstream(Protocol):
    """A way to one server."""

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """See ``Service.infer``; ``Unavailable`` means that the server could not be reached."""
        ...

    async def metadata(self, model: str, version: str) -> bytes:
        """See ``Service.metadata``."""
        ...

    def models(self) -> Sequence[ModelState]:
        """What the server has, as last heard."""
        ...


class LocalUpstream:
    """Replicas that the interceptor holds itself."""

    def __init__(self, models: LocalModels) -> None:
        self._models = models

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """See ``Upstream.infer``."""
        return await self._models.infer(body, _NOBODY, deadline)

    async def metadata(self, model: str, version: str) -> bytes:
        """See ``Upstream.metadata``."""
        return await self._models.metadata(model, version, _NOBODY)

    def models(self) -> Sequence[ModelState]:
        """See ``Upstream.models``."""
        return self._models.models(_NOBODY)


class Distant:
    """An upstream that is made to look far away, for demonstrations and tests.

    Args:
        upstream: The real one.
        delay_s: Added to each round trip, half on the way there and half back [s].
        jitter_s: Standard deviation of the added delay [s]; the delay is never negative.
    """

    def __init__(self, upstream: Upstream, delay_s: float, jitter_s: float = 0.0) -> None:
        self._upstream, self._delay_s, self._jitter_s = upstream, delay_s, jitter_s
        self._random = random.Random(0)

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """See ``Upstream.infer``."""
        half_s = max(0.0, self._random.gauss(self._delay_s, self._jitter_s)) / 2
        await _travel(half_s, deadline)
        reply = await self._upstream.infer(body, None if deadline is None else deadline - half_s)
        await _travel(half_s, deadline)
        return reply

    async def metadata(self, model: str, version: str) -> bytes:
        """See ``Upstream.metadata``."""
        await asyncio.sleep(self._delay_s)
        return await self._upstream.metadata(model, version)

    def models(self) -> Sequence[ModelState]:
        """See ``Upstream.models``."""
        return self._upstream.models()


async def _travel(seconds: float, deadline: float | None) -> None:
    left_s = seconds if deadline is None else deadline - time.monotonic()
    await asyncio.sleep(max(0.0, min(seconds, left_s)))
    if left_s < seconds:
        raise DeadlineExceeded("The server is too far away to answer within the deadline.")


@dataclass(slots=True)
class Server:
    """One server with what the interceptor remembers of it.

    Attributes:
        name: Unique name.
        kind: ``edge`` or ``cloud``.
        upstream: The way there.
        breaker: Whether it may be asked.
        in_flight: Requests sent and not ended, by model.
    """

    name: str
    kind: str
    upstream: Upstream
    breaker: Breaker
    in_flight: Counter[str]

    @classmethod
    def of(cls, name: str, kind: str, upstream: Upstream) -> Server:
        """A server that nobody has asked yet."""
        return cls(name, kind, upstream, Breaker(), Counter())

    def has(self, model: str, version: str) -> bool:
        """Whether it has the model ready; a version may be a prefix of a content hash that only it can resolve."""
        states = self.upstream.models()
        return any(each.ready and each.name == model and _fits(version, each.version) for each in states)

    def view(self) -> ServerView:
        """What a balancer may see."""
        return ServerView(self.name, self.kind, self.in_flight.total(), dict(self.in_flight))


def _fits(wanted: str, version: str) -> bool:
    return not wanted or wanted == version or _HASH.fullmatch(wanted) is not None
