"""What protects requests whose deadlines matter, and what it costs: copies, hedges, shedding.

Sources: Dean and Barroso, "The tail at scale", CACM 2013 (hedged requests after the 95th percentile, within a budget
of a few percent); Vulimiri et al., "Low latency via redundancy", CoNEXT 2013 (the first reply of several counts).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rilaas.core import DeadlineExceeded
from rilaas.observe import Registry
from rilaas.route.balancing import NO_PROTECTION, Protection
from rilaas.wire.peek import RESET

PROBE_EVERY = 100  # of the requests that would be shed one passes, so that estimates recover
FIRST_SAMPLES = 20  # latencies, before there is a 95th percentile
_SAMPLES, _REFRESH = 256, 16
_MOST_HEDGES_SAVED = 10.0
_MOST_SESSIONS = 10_000
_RESET = RESET.encode()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request is sent.

    Attributes:
        copies: Servers that are asked at once.
        hedge_after_s: When another one is asked [s]; None never.
    """

    copies: int = 1
    hedge_after_s: float | None = None


ALONE = Plan()


@dataclass(slots=True)
class _Model:
    """What is remembered of a model."""

    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    p95_s: float | None = None
    fresh: int = 0
    hedges: float = 1.0  # that may be sent
    doomed: int = 0  # requests that would have been shed


class Protecting:
    """Plans copies and refuses what comes too late, model by model.

    Args:
        models: By full name; others are not protected.
        registry: Where the cost is counted.
    """

    def __init__(self, models: Mapping[str, Protection], registry: Registry) -> None:
        self._models = models
        self._known: dict[str, _Model] = {}
        self._sessions: set[tuple[str, str]] = set()
        self._extra = registry.counter(
            "rilaas_route_extra_requests_total", "Copies sent beside the first.", ("model", "kind")
        )
        self._wins = registry.counter(
            "rilaas_route_extra_wins_total", "Copies that answered first.", ("model", "kind")
        )
        self._shed = registry.counter("rilaas_route_shed_total", "Refused: no server in time.", ("model",))

    def of(self, model: str) -> Protection:
        """What protects a model."""
        return self._models.get(model, NO_PROTECTION)

    def plan(self, model: str, robot: str, body: bytes) -> Plan:
        """How a request is sent; alone where its model may remember it.

        A robot that has ever told a model to forget (``rilaas_reset``) relies on what it remembers: two servers that
        both see its requests would remember different things.
        """
        protection = self.of(model)
        if not protection.copies or self._is_session(model, robot, body):
            return ALONE
        if protection.replicate > 1:
            return Plan(copies=protection.replicate)
        known = self._of(model)
        known.hedges = min(_MOST_HEDGES_SAVED, known.hedges + protection.hedge_budget)
        return Plan(hedge_after_s=known.p95_s if protection.hedge_at_p95 else protection.hedge_after_s)

    def may_hedge(self, model: str) -> bool:
        """Whether the budget has one more copy; it is taken."""
        known = self._of(model)
        if known.hedges < 1.0:
            return False
        known.hedges -= 1.0
        return True

    def sent(self, model: str, kind: str) -> None:
        """A copy was sent."""
        self._extra.inc(model=model, kind=kind)

    def won(self, model: str, kind: str) -> None:
        """A copy answered first."""
        self._wins.inc(model=model, kind=kind)

    def answered(self, model: str, latency_s: float) -> None:
        """Learn how long an answer took."""
        if not self.of(model).hedge_at_p95:
            return
        known = self._of(model)
        known.latencies_s.append(latency_s)
        known.fresh += 1
        if known.fresh >= _REFRESH and len(known.latencies_s) >= FIRST_SAMPLES:
            ordered = sorted(known.latencies_s)
            known.p95_s, known.fresh = ordered[int(0.95 * len(ordered))], 0

    def check(self, model: str, left_s: float, servers: int, expected_s: Mapping[str, float]) -> None:
        """Refuse a request that no server can answer in time; now and then one passes, to see whether that is true.

        Args:
            model: What is asked.
            left_s: How long the robot waits [s].
            servers: How many could be asked; where the estimate does not know one of them, it refuses nothing.
            expected_s: Until the answer, by server [s].

        Raises:
            DeadlineExceeded: Saying which server would be the first, and when.
        """
        if len(expected_s) < servers or not expected_s:
            return
        if not all(value > left_s for value in expected_s.values()):  # one that is no number refuses nothing
            return
        soonest = min(expected_s, key=lambda name: expected_s[name])
        known = self._of(model)
        known.doomed += 1
        if known.doomed % PROBE_EVERY == 0:
            return
        self._shed.inc(model=model)
        raise DeadlineExceeded(
            f"No server can answer {model!r} within {left_s:.3g} s: {soonest} would be the first, after "
            f"{expected_s[soonest]:.3g} s.",
            "Ask less often, wait longer, or add a server.",
        )

    def _is_session(self, model: str, robot: str, body: bytes) -> bool:
        if (robot, model) in self._sessions:
            return True
        if _RESET not in body:
            return False
        if len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.clear()
        self._sessions.add((robot, model))
        return True

    def _of(self, model: str) -> _Model:
        return self._known.setdefault(model, _Model())
