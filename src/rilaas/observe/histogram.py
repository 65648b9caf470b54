"""Histograms, in Prometheus' text format, with percentiles for our own pages."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from rilaas.observe.metrics import MAX_SERIES, Family, Labels, number_text

# Half a millisecond to ten seconds in steps of about two: robots' deadlines are between 10 ms and 1 s.
LATENCY_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Histogram(Family):
    """How often a quantity fell into each bucket.

    Args:
        name: With the base unit: ``..._seconds``, ``..._bytes``.
        help_text: One sentence.
        labels: Label names.
        buckets: Upper bounds, rising; +Inf is added.
        max_series: Bound on the label sets.
    """

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = LATENCY_BUCKETS_S,
        max_series: int = MAX_SERIES,
    ) -> None:
        super().__init__(name, help_text, labels, max_series=max_series)
        self.buckets = tuple(float(bound) for bound in buckets)
        if not self.buckets or list(self.buckets) != sorted(set(self.buckets)) or not math.isfinite(self.buckets[-1]):
            raise ValueError(f"the buckets of {name} have to be finite and rising")
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}  # counts per bucket; [sum]
        self._texts = [f'le="{number_text(bound)}"' for bound in (*self.buckets, math.inf)]

    def observe(self, value: float, **labels: str) -> None:
        """Count one value."""
        with self._lock:
            key = self._key(self._series, labels)  # type: ignore[arg-type]
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = ([0] * (len(self.buckets) + 1), [0.0])
            series[0][bisect_left(self.buckets, value)] += 1
            series[1][0] += value

    def items(self) -> list[tuple[Labels, int]]:
        """Label values, in the order of ``labels``, and how many values were counted; sorted."""
        with self._lock:
            return sorted((key, sum(counts)) for key, (counts, _) in self._series.items())

    def percentile(self, q: float, **labels: str) -> float | None:
        """An estimate of a percentile, linear inside its bucket as Prometheus' ``histogram_quantile``.

        Args:
            q: Between 0 and 100.
            labels: One label set.

        Returns:
            None before the first value; the highest finite bound where it lies above that.
        """
        with self._lock:
            series = self._series.get(tuple(str(labels[label]) for label in self.labels))
            counts = list(series[0]) if series else []
        if not counts:
            return None
        rank, below = q / 100.0 * sum(counts), 0
        for i, count in enumerate(counts[:-1]):
            if count and below + count >= rank:
                low = self.buckets[i - 1] if i else min(0.0, self.buckets[0])
                return low + (self.buckets[i] - low) * max(0.0, rank - below) / count
            below += count
        return self.buckets[-1]

    def lines(self) -> Iterator[str]:
        """See ``Family.lines``."""
        with self._lock:
            items = sorted((key, list(counts), total[0]) for key, (counts, total) in self._series.items())
        yield from self._head()
        for key, counts, total in items:
            for text, count in zip(self._texts, accumulate(counts), strict=True):
                yield f"{self.name}_bucket{self._label_text(key, text)} {count}\n"
            yield f"{self.name}_sum{self._label_text(key)} {number_text(total)}\n"
            yield f"{self.name}_count{self._label_text(key)} {sum(counts)}\n"
