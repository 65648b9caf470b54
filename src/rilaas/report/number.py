"""Numbers as a person reads them: as many digits as the interval allows, and a unit that fits their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from rilaas.report.document import Cell, Table
from rilaas.report.metric import Metric

MISSING = "-"
_LATENCY_MS_BELOW_S = 1.0
_DURATION_MS_BELOW_S = 0.1


def shown_unit(unit: str, size: float) -> tuple[str, float]:
    """The unit to show and the factor to get there: shares in percent, short times in milliseconds.

    Args:
        unit: Of the value; ``1`` for a share.
        size: The largest value that will be shown in it.
    """
    if unit == "1":
        return "%", 100.0
    if unit == "s" and abs(size) < _LATENCY_MS_BELOW_S:
        return "ms", 1000.0
    return unit, 1.0


def metric_unit(metric: Metric) -> tuple[str, float]:
    """The unit in which a metric and its episodes are shown, and the factor; latencies in milliseconds up to 1 s."""
    if metric.unit == "s" and not metric.servers:
        return ("ms", 1000.0) if 0 < metric.high < _DURATION_MS_BELOW_S else ("s", 1.0)
    return shown_unit(metric.unit, metric.high)


def mean_text(metric: Metric) -> str:
    """``87 %``: the mean alone, for places where the interval stands right beside it."""
    if metric.n == 0 or not math.isfinite(metric.mean):
        return MISSING
    unit, factor = metric_unit(metric)
    return f"{metric.mean * factor:.{_decimals(metric, factor)}f} {unit}".rstrip()


def interval_text(metric: Metric) -> str:
    """``[79-93], n=100``; one value has no interval, and that is said."""
    if metric.n == 0:
        return "n=0"
    if metric.n == 1:
        return "n=1, no interval"
    _, factor = metric_unit(metric)
    decimals = _decimals(metric, factor)
    low, high = f"{metric.low * factor:.{decimals}f}", f"{metric.high * factor:.{decimals}f}"
    return f"[{low}{' to ' if metric.low < 0 else '-'}{high}], n={metric.n}"


def percent_text(metric: Metric) -> str:
    """``-13.7 % [-14.0 to -13.4]``: a signed share with its interval; ``-`` where there is none."""
    if not metric.n:
        return MISSING
    mean = f"{100 * metric.mean:+.1f} %"
    return mean if metric.n == 1 else f"{mean} [{100 * metric.low:+.1f} to {100 * metric.high:+.1f}]"


def spread_texts(metric: Metric) -> tuple[str, str]:
    """Median, and smallest to largest value, in the unit in which the mean is shown; ``-`` where nobody knows."""
    _, factor = metric_unit(metric)
    median, low, high = (_in_unit(v, "", factor) for v in (metric.median, metric.minimum, metric.maximum))
    return median, low if low == high else f"{low} to {high}"


def metric_text(metric: Metric) -> str:
    """``87 % [79-93], n=100``."""
    return (
        f"{mean_text(metric)} {interval_text(metric)}"
        if metric.n > 1
        else f"{mean_text(metric)} ({interval_text(metric)})"
    )


def value_text(value: float, unit: str = "") -> str:
    """A single value with three significant digits in a unit that fits: ``12.3 ms``."""
    return _in_unit(value, *shown_unit(unit, value))


def bytes_text(size_bytes: int) -> str:
    """``460 kB``, ``6.11 MB``: a size in powers of 1000 with three digits."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    power = 1 if size_bytes < 999_500 else 2 if size_bytes < 999_500_000 else 3  # 999.5 kB is 1.00 MB
    value = float(f"{size_bytes / 1000.0**power:.3g}")
    return f"{value:.{_significant(value)}f} {('', 'kB', 'MB', 'GB')[power]}"


def episode_text(value: float, metric: Metric) -> str:
    """One episode's value in the unit of the whole metric."""
    return _in_unit(value, *metric_unit(metric))


def table_texts(table: Table) -> list[list[str]]:
    """A table's cells by row: floats of a column with the same decimals, as many as three significant digits need."""
    columns = [_column_texts(column) for column in zip(*table.rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _column_texts(cells: Sequence[Cell]) -> list[str]:
    floats = [cell for cell in cells if isinstance(cell, float) and math.isfinite(cell)]
    decimals = max((len(f"{Decimal(f'{value:.3g}'):f}".partition(".")[2]) for value in floats), default=0)
    return [_cell_text(cell, min(6, decimals)) for cell in cells]


def _cell_text(cell: Cell, decimals: int) -> str:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return MISSING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.{decimals}f}"
    return f"{cell:,}" if isinstance(cell, int) and abs(cell) >= 10_000 else str(cell)


def _in_unit(value: float, unit: str, factor: float) -> str:
    if not math.isfinite(value):
        return MISSING
    return f"{value * factor:.{_significant(value * factor)}f} {unit}".rstrip()


def _decimals(metric: Metric, factor: float) -> int:
    half = (metric.high - metric.low) / 2 * factor
    if not 1e-12 < half < math.inf or metric.n < 2:
        return _significant(metric.mean * factor)
    # Half the interval is shown with one digit, or two where the first one is small.
    return min(6, max(0, -math.floor(math.log10(half / 2.99))))


def _significant(value: float, digits: int = 3) -> int:
    if value == 0 or not math.isfinite(value):
        return 0
    return min(6, max(0, digits - 1 - math.floor(math.log10(abs(value)))))
