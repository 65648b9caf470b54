"""The servers behind an interceptor, as it sees them."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rilaas.balance import ServerView
from rilaas.core import DeadlineExceeded
from rilaas.route.breaker import Breaker
from rilaas.route.fleet import EDGE_ONLY, ModelRoute
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

    async def look(self) -> None:
        """Hear what the server has now."""
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

    async def look(self) -> None:
        """See ``Upstream.look``; it is always heard."""


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

    async def look(self) -> None:
        """See ``Upstream.look``."""
        await self._upstream.look()


async def _travel(seconds: float, deadline: float | None) -> None:
    left_s = seconds if deadline is None else deadline - time.monotonic()
    await asyncio.sleep(max(0.0, min(seconds, left_s)))
    if left_s < seconds:
        raise DeadlineExceeded("The server is too far away to answer within the deadline.")


@dataclass(slots=True, eq=False)
class Server:
    """One server with what the interceptor remembers of it.

    Attributes:
        name: Unique name.
        kind: ``edge`` or ``cloud``.
        upstream: The way there.
        is_fixed: Of the interceptor's own configuration, not of the fleet's table: it may be asked for all it has.
        breaker: Whether it may be asked.
        in_flight: Requests sent and not ended, by model.
    """

    name: str
    kind: str
    upstream: Upstream
    is_fixed: bool = True
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: Counter[str] = field(default_factory=Counter)
    _seen: Sequence[ModelState] = ()
    _by_model: dict[str, list[ModelState]] = field(default_factory=dict)

    def states(self, model: str) -> Sequence[ModelState]:
        """What it has of a model, as last heard."""
        seen = self.upstream.models()
        if seen is not self._seen:
            self._seen, self._by_model = seen, {}
            for state in seen:
                self._by_model.setdefault(state.name, []).append(state)
        return self._by_model.get(model, ())

    def has(self, model: str, version: str) -> bool:
        """Whether it has the model ready; a version may be a prefix of a content hash that only it can resolve."""
        return any(each.ready and _fits(version, each.version) for each in self.states(model))

    def may_be_asked(self, route: ModelRoute | None) -> bool:
        """Whether the fleet's table lets it answer for a model at all."""
        if route is None:
            return self.is_fixed
        return (self.is_fixed or self.name in route.servers) and (self.kind == EDGE_ONLY or not route.edge_only)

    def view(self) -> ServerView:
        """What a balancer may see."""
        return ServerView(self.name, self.kind, self.in_flight.total(), dict(self.in_flight))


def _fits(wanted: str, version: str) -> bool:
    return not wanted or wanted == version or _HASH.fullmatch(wanted) is not None
