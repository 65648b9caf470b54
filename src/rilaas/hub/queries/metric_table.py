"""Growth of counters, as rows and as lines of a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.hub.metrics.percentile import by_bound, percentile, share_above
from rilaas.hub.queries.metric_sight import Growth

LINES = 8  # of a chart; further groups are in its table
ROWS = 50
QUANTILES = (50, 95, 99)
STAGES = ("wire", "queue", "batch", "compute")
_Array = NDArray[np.float64]


def grouped(found: Growth, *positions: int) -> Growth:
    """Added up over all labels but those at these positions."""
    sums: Growth = {}
    for key, growth in found.items():
        group = tuple(key[i] for i in positions)
        sums[group] = sums[group] + growth if group in sums else growth
    return sums


def query_rows(found: Growth) -> list[dict[str, Any]]:
    """Queries by group.

    Args:
        found: By group and outcome.

    Returns:
        ``group``, ``sent``, ``answered``, ``limited``, ``failures`` (by kind), the busiest group first.
    """
    counts: dict[str, dict[str, float]] = {}
    for (group, outcome), growth in found.items():
        counts.setdefault(group, {})[outcome] = float(np.nansum(growth))
    rows: list[dict[str, Any]] = []
    for group, outcomes in counts.items():
        failures = {kind: round(n) for kind, n in sorted(outcomes.items()) if kind != "ok" and round(n)}
        answered, sent = round(outcomes.get("ok", 0.0)), round(sum(outcomes.values()))
        limited = failures.get("rate_limited", 0)
        rows.append({"group": group, "sent": sent, "answered": answered, "limited": limited, "failures": failures})
    return sorted(rows, key=lambda row: -row["sent"])[:ROWS]


def latency_rows(buckets: Growth, deadline_s: float | None) -> list[dict[str, Any]]:
    """Percentiles by group over the whole span.

    Args:
        buckets: By group and ``le``.
        deadline_s: To say which share came later, or None.
    """
    rows = []
    for group, found in _by_group(buckets).items():
        upto = [(bound, float(np.nansum(counts))) for bound, counts in by_bound(found)]
        if upto[-1][1] >= 0.5:
            row: dict[str, Any] = {"group": group, "n": round(upto[-1][1])}
            row |= {f"p{q}_s": short(percentile(upto, q)) for q in QUANTILES}
            late = None if deadline_s is None else share_above(upto, deadline_s)
            row["late_share"] = short(late)
            row["late"] = "" if late is None else f"{100 * late:.2g} %" if late < 0.99 else f"{100 * late:.3g} %"
            rows.append(row)
    return sorted(rows, key=lambda row: -row["n"])[:ROWS]


def latency_lines(buckets: Growth, q: float) -> dict[str, list[float | None]]:
    """A percentile in each step, by group; None for a step without values."""
    lines = {}
    for group, found in _by_group(buckets).items():
        columns = by_bound(found)
        bounds, table = [bound for bound, _ in columns], np.nan_to_num(np.array([counts for _, counts in columns]))
        lines[group] = [
            short(percentile(list(zip(bounds, table[:, i], strict=True)), q)) if table[-1, i] >= 0.5 else None
            for i in range(table.shape[1])
        ]
    return lines


def stage_rows(buckets: Growth, sums: Growth) -> list[dict[str, Any]]:
    """Where the time goes, over the whole span; by stage in the order in which a query passes them."""
    total = {key[0]: float(np.nansum(growth)) for key, growth in sums.items()}
    rows = {row["group"]: row for row in latency_rows(buckets, None)}
    return [
        {**rows[stage], "mean_s": short(total.get(stage, 0.0) / rows[stage]["n"])}
        for stage in STAGES
        if stage in rows and rows[stage]["n"]
    ]


def stage_lines(buckets: Growth, sums: Growth) -> dict[str, list[float | None]]:
    """The mean of each stage in each step."""
    lines = {}
    for stage in STAGES:
        columns = by_bound(_by_group(buckets).get(stage, {}))
        if columns and (stage,) in sums:
            counts = columns[-1][1]
            with np.errstate(divide="ignore", invalid="ignore"):
                lines[stage] = numbers(np.where(counts >= 0.5, sums[stage,] / counts, np.nan))
    return lines


def rate_lines(found: Mapping[str, _Array], step_s: float) -> dict[str, list[float | None]]:
    """Growth per second, the busiest first."""
    busiest = sorted(found, key=lambda name: -float(np.nansum(found[name])))[:LINES]
    return {name: numbers(found[name] / step_s) for name in busiest}


def chart(
    name: str,
    title: str,
    unit: str,
    lines: Mapping[str, Sequence[float | None]],
    *,
    kind: str = "lines",
    deadline: float | None = None,
) -> dict[str, Any]:
    """A chart as the page's script draws it.

    Args:
        name: Its id on the page.
        title: What it shows.
        unit: Of its values.
        lines: By label; a line called ``failed`` is red, nothing else is.
        kind: ``lines`` and ``stack`` begin at 0, ``free`` lines do not.
        deadline: Drawn as a line, in ``unit``.
    """
    series = [{"label": label, "values": values} for label, values in list(lines.items())[:LINES]]
    return {"name": name, "title": title, "unit": unit, "kind": kind, "deadline": deadline, "series": series}


def in_ms(lines: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
    """Seconds as milliseconds."""
    return {
        name: [None if value is None else short(value * 1e3) for value in values] for name, values in lines.items()
    }


def numbers(values: _Array) -> list[float | None]:
    """An array as JSON: four digits that count, null where nothing is known."""
    return [short(float(value)) for value in values]


def short(value: float | None) -> float | None:
    """A number with four digits that count."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")


def _by_group(buckets: Growth) -> dict[str, dict[str, _Array]]:
    groups: dict[str, dict[str, _Array]] = {}
    for (group, le), growth in buckets.items():
        groups.setdefault(group, {})[le] = growth
    return groups
