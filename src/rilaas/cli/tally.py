"""What a server has done, as a report: written when it ends."""

from __future__ import annotations

from rilaas.observe import Registry
from rilaas.observe.histogram import Histogram
from rilaas.observe.metrics import Counter
from rilaas.report import Cell, Report, Table, provenance


def tally(kind: str, registry: Registry) -> Report:
    """The counters and latencies of a process.

    Args:
        kind: ``serve`` or ``route``.
        registry: Its metrics.
    """
    tables: list[Table] = []
    for family in registry.families():
        if isinstance(family, Counter):
            rows: list[tuple[Cell, ...]] = [(*labels, int(count)) for labels, count in family.items()]
            columns = (*family.labels, "count")
        elif isinstance(family, Histogram):
            rows = [_latencies(family, labels, n) for labels, n in family.items()]
            columns = (*family.labels, "p50 [s]", "p95 [s]", "p99 [s]", "n")
        else:
            continue
        tables.append(Table(family.name, columns, tuple(rows)))
    return Report(kind, "measured", {}, provenance(), tables=tuple(tables))


def _latencies(family: Histogram, labels: tuple[str, ...], n: int) -> tuple[Cell, ...]:
    named = dict(zip(family.labels, labels, strict=True))
    return (*labels, *(family.percentile(q, **named) for q in (50, 95, 99)), n)
