"""The servers behind an interceptor, as it sees them."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rilaas.balance import LoadReport, ServerView
from rilaas.core import DeadlineExceeded
from rilaas.route.breaker import Breaker
from rilaas.route.fleet import EDGE_ONLY, ModelRoute
from rilaas.serve.load import Load
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

    def follow(self, hear: Callable[[Load], None]) -> None:
        """Tell every report of the server's load, before the answer that it came with; one that never tells may."""
        ...


class LocalUpstream:
    """Replicas that the interceptor holds itself."""

    def __init__(self, models: LocalModels) -> None:
        self._models = models
        self._hear: Callable[[Load], None] = _ignore

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """See ``Upstream.infer``."""
        try:
            return await self._models.infer(body, _NOBODY, deadline)
        finally:
            self._hear(self._models.load())

    async def metadata(self, model: str, version: str) -> bytes:
        """See ``Upstream.metadata``."""
        return await self._models.metadata(model, version, _NOBODY)

    def models(self) -> Sequence[ModelState]:
        """See ``Upstream.models``."""
        return self._models.models(_NOBODY)

    async def look(self) -> None:
        """See ``Upstream.look``; what it has is always heard, its load then and with each answer."""
        self._hear(self._models.load())

    def follow(self, hear: Callable[[Load], None]) -> None:
        """See ``Upstream.follow``."""
        self._hear = hear


class Distant:
    """An upstream that is made to look far away, for demonstrations and tests.

    Args:
        upstream: The real one.
        delay_s: Added to each round trip, half on the way there and half back [s].
        jitter_s: Standard deviation of the added delay [s]; the delay is never negative.
    """

    def __init__(self, upstream: Upstream, delay_s: float, jitter_s: float = 0.0) -> None:
        self._upstream, self._delay_s, self._jitter_s = upstream, delay_s, jitter_s
        self._hear: Callable[[Load], None] = _ignore
        self._random = random.Random(0)
        self._on_the_way: deque[tuple[float, Load]] = deque()  # reports, with when they were sent

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """See ``Upstream.infer``."""
        half_s = max(0.0, self._random.gauss(self._delay_s, self._jitter_s)) / 2
        await _travel(half_s, deadline)
        try:
            reply = await self._upstream.infer(body, None if deadline is None else deadline - half_s)
        finally:
            sent_at = time.monotonic()
        await _travel(half_s, deadline)
        self._arrive(sent_at)
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

    def follow(self, hear: Callable[[Load], None]) -> None:
        """See ``Upstream.follow``; reports travel half of the mean delay, or as long as the answer they came with."""
        self._hear = hear
        self._upstream.follow(self._sent)

    def _sent(self, load: Load) -> None:
        now = time.monotonic()
        self._on_the_way.append((now, load))
        asyncio.get_running_loop().call_later(self._delay_s / 2, self._arrive, now)

    def _arrive(self, sent_at: float) -> None:
        """The newest report that was sent by then arrives; older ones are of no use any more."""
        newest: Load | None = None
        while self._on_the_way and self._on_the_way[0][0] <= sent_at:
            _, newest = self._on_the_way.popleft()
        if newest is not None:
            self._hear(newest)


def _ignore(load: Load) -> None:
    """Nobody wants to hear it."""


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
        weight: Its share where a policy uses weights.
        breaker: Whether it may be asked.
        in_flight: Requests sent and not ended, by model; ``sent`` and ``ended`` change it.
        report: What it last said of its load; None where it never did.
    """

    name: str
    kind: str
    upstream: Upstream
    is_fixed: bool = True
    weight: float = 1.0
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: Counter[str] = field(default_factory=Counter)
    report: LoadReport | None = None
    _seen: Sequence[ModelState] = ()
    _by_model: dict[str, list[ModelState]] = field(default_factory=dict)
    _view: ServerView | None = None

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

    def sent(self, model: str) -> None:
        """A request is on its way."""
        self.in_flight[model] += 1
        self._view = None

    def ended(self, model: str) -> None:
        """A request has ended, whatever its end was."""
        self.in_flight[model] -= 1
        if self.in_flight[model] <= 0:
            del self.in_flight[model]
        self._view = None

    def heard(self, load: Load) -> None:
        """The server has said how busy it is."""
        now_s = time.monotonic()
        self.report = LoadReport(now_s, load.in_flight, load.slots, load.arrivals, load.clients)
        self._view = None

    def view(self) -> ServerView:
        """What a balancer may see; the same object until something of it changes."""
        view = self._view
        if view is None:
            counts = dict(self.in_flight)
            view = self._view = ServerView(
                self.name, self.kind, sum(counts.values()), counts, self.weight, self.report
            )
        return view


def _fits(wanted: str, version: str) -> bool:
    return not wanted or wanted == version or _HASH.fullmatch(wanted) is not None
