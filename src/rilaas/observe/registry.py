"""All metrics of a process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeVar

from rilaas.observe.histogram import LATENCY_BUCKETS_S, Histogram
from rilaas.observe.metrics import Counter, Family, Gauge

_F = TypeVar("_F", bound=Family)


class Registry:
    """The families of one process, under unique names."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """The counter of this name, made on first use."""
        return self._add(Counter(name, help_text, labels))

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        """The gauge of this name, made on first use."""
        return self._add(Gauge(name, help_text, labels))

    def histogram(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = LATENCY_BUCKETS_S
    ) -> Histogram:
        """The histogram of this name, made on first use."""
        return self._add(Histogram(name, help_text, labels, buckets=buckets))

    def _add(self, family: _F) -> _F:
        with self._lock:
            known = self._families.setdefault(family.name, family)
        if type(known) is not type(family) or known.labels != family.labels:
            raise ValueError(f"{family.name} is already a {known.kind} with the labels {known.labels}")
        return known

    def families(self) -> list[Family]:
        """All families, by name."""
        with self._lock:
            return [self._families[name] for name in sorted(self._families)]

    def to_text(self) -> str:
        """Everything, in the text format 0.0.4."""
        families = self.families()
        overflow = Counter("rilaas_metrics_overflow_total", "Values counted under 'other'.", ("metric",))
        for family in families:
            if family.overflowed:
                overflow.inc(family.overflowed, metric=family.name)
        return "".join(line for family in (*families, overflow) for line in family.lines())
