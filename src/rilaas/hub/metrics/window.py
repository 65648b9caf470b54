"""The hub's own memory of metrics: what it scraped itself, for a day, bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rilaas.hub.metrics.exposition import Pairs, read_exposition
from rilaas.hub.metrics.series import Points, Series, growths
from rilaas.hub.metrics.source import KIND, NAME, Span, Values, Where
from rilaas.hub.metrics.target import Target

MAX_SERIES = 10_000
_PREFIX = "rilaas_"  # nothing else is looked at
_THIN_EVERY_S = 60.0
_FRESH_S = 15.0  # gauges of a target that was not read for longer are not shown
_FORGET_S = 24 * 3600.0


class Window:
    """A ``MetricsSource`` that is fed with scrapes; thread safe.

    Args:
        max_series: Label sets that are kept; further ones are not, and counted in ``dropped``.
        clock: Seconds since 1970.
    """

    name = "what this hub read itself"

    def __init__(self, *, max_series: int = MAX_SERIES, clock: Callable[[], float] = time.time) -> None:
        self._max_series, self._clock = max_series, clock
        self._lock = threading.Lock()
        self._families: dict[str, dict[tuple[Target, Pairs], Series]] = {}
        self._read_s: dict[Target, float] = {}  # when each target was last read
        self._count, self._thinned_s = 0, 0.0
        self._since_s: float | None = None
        self.dropped = 0  # readings of series for which there was no room

    @property
    def since_s(self) -> float | None:
        """From when on it knows something."""
        return self._since_s

    @property
    def series_count(self) -> int:
        """Label sets in memory."""
        return self._count

    def add(self, target: Target, text: str, at_s: float) -> None:
        """Take in one page of metrics.

        A counter that appears on a target which was read before began at 0. On a target that is read for the first
        time nobody knows since when it counts, so that only its growth from now on is shown.
        """
        readings = list(read_exposition(text))
        with self._lock:
            before_s = self._read_s.get(target)
            if before_s is not None and at_s <= before_s:
                return  # the clock was set back: wait until it has caught up
            for family, labels, value, grows in readings:
                if family.startswith(_PREFIX):
                    series = self._series(family, (target, labels), grows, before_s)
                    if series is not None:
                        series.add(at_s, value)
            self._read_s[target] = at_s
            self._since_s = at_s if self._since_s is None else self._since_s
            if at_s - self._thinned_s > _THIN_EVERY_S:
                self._thin(at_s)

    def increases(
        self, family: str, by: Sequence[str], span: Span, where: Where | None = None
    ) -> dict[Values, NDArray[np.float64]]:
        """See ``MetricsSource.increases``."""
        keys: list[Values] = []
        points: list[Points] = []
        with self._lock:
            if self._since_s is None:
                return {}
            since_s = self._since_s
            for (target, labels), series in self._families.get(family, {}).items():
                if len(series) and (key := _key(target, labels, by, where)) is not None:
                    keys.append(key)
                    points.append(series.points())
        if not keys:
            return {}
        places: dict[Values, int] = {}
        rows = [places.setdefault(key, len(places)) for key in keys]
        edges = span.edges
        grown = growths(points, edges, rows)
        is_moving = grown.sum(axis=1, where=(known := edges[1:] > since_s)) > 0
        grown[:, ~known] = np.nan
        return {key: grown[row] for key, row in places.items() if is_moving[row]}

    def latest(self, family: str, by: Sequence[str], where: Where | None = None) -> dict[Values, float]:
        """See ``MetricsSource.latest``."""
        found: dict[Values, float] = {}
        now_s = self._clock()
        with self._lock:
            for (target, labels), series in self._families.get(family, {}).items():
                read_s = self._read_s.get(target, 0.0)
                key = _key(target, labels, by, where)
                if key is not None and now_s - read_s <= _FRESH_S and series.last_s == read_s:
                    found[key] = found.get(key, 0.0) + series.value
        return found

    def read_at(self) -> dict[Target, float]:
        """When each target was last read."""
        with self._lock:
            return dict(self._read_s)

    def _series(self, family: str, key: tuple[Target, Pairs], grows: bool, before_s: float | None) -> Series | None:
        known = self._families.setdefault(family, {})
        series = known.get(key)
        if series is None:
            if self._count >= self._max_series:
                self.dropped += 1
                return None
            self._count += 1
            series = known[key] = Series(grows=grows)
            if grows and before_s is not None:
                series.add(before_s, 0.0)
        return series

    def _thin(self, now_s: float) -> None:
        self._thinned_s = now_s
        for family in list(self._families):
            known = self._families[family]
            for key, series in list(known.items()):
                if now_s - series.last_s > _FORGET_S:
                    del known[key]
                    self._count -= 1
                else:
                    series.thin(now_s)
            if not known:
                del self._families[family]
        self._read_s = {target: at_s for target, at_s in self._read_s.items() if now_s - at_s <= _FORGET_S}


def _key(target: Target, labels: Pairs, by: Sequence[str], where: Where | None) -> Values | None:
    """The values of the labels asked for, or None where the series is not let through."""
    values = {KIND: target.kind, NAME: target.name}
    values.update(labels)
    if where:
        for label, allowed in where.items():
            if values.get(label, "") not in allowed:
                return None
    return tuple([values.get(label, "") for label in by])
