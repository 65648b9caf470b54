"""The numbers of a run, from the lines of its journal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from rilaas.hub.queries.tensor import plain_number

STEPS = ("total", "preprocess", "compute", "postprocess")
_PERCENTILES = (50, 95, 99)

Row = Mapping[str, Any]


def summarize(rows: Collection[Row]) -> dict[str, Any]:
    """What a page shows of a run.

    Returns:
        ``samples``, ``failed``, ``failures`` (count by code), ``latency_s`` (by step: ``p50``, ``p95``, ``p99``,
        ``max``, ``n``), ``errors`` (by output: ``mae``, ``rmse``, ``max`` over all ``n`` numbers, and ``samples``).
    """
    good = [row for row in rows if "error" not in row]
    failures = Counter(str(row["error"]["code"]) for row in rows if "error" in row)
    return {
        "samples": len(rows),
        "failed": len(rows) - len(good),
        "failures": dict(failures.most_common()),
        "latency_s": {step: _percentiles([row[f"{step}_s"] for row in good]) for step in STEPS} if good else {},
        "errors": _errors(good),
    }


def worst_first(rows: Collection[Row], summary: Mapping[str, Any]) -> list[int]:
    """Samples as people want to look at them: failed ones, then those with the largest error, then the rest.

    Outputs have different units, so an error counts by how much larger it is than that of the whole run.
    """
    finite = {name: float(each["rmse"]) for name, each in summary["errors"].items()}
    scale = {name: rmse if math.isfinite(rmse) else 1.0 for name, rmse in finite.items() if rmse}

    def badness(row: Row) -> float:
        if "error" in row:
            return math.inf
        ratios = [float(row["errors"][name]["rmse"]) / scale[name] for name in scale if name in row["errors"]]
        return sum(ratios) / len(ratios) if ratios else -1.0

    return [int(row["i"]) for row in sorted(rows, key=lambda row: (-badness(row), row["i"]))]


def _percentiles(seconds: list[float]) -> dict[str, float]:
    values = np.asarray(seconds)
    found = {f"p{percent}": float(np.percentile(values, percent)) for percent in _PERCENTILES}
    return {**found, "max": float(values.max()), "n": len(seconds)}


def _errors(rows: Collection[Row]) -> dict[str, dict[str, float]]:
    names = sorted({name for row in rows for name in row["errors"]})
    return {name: _joined([row["errors"][name] for row in rows if name in row["errors"]]) for name in names}


def _joined(errors: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    counts = np.array([each["n"] for each in errors], np.float64)
    mae, rmse, most = (np.array([float(each[key]) for each in errors]) for key in ("mae", "rmse", "max"))
    return {
        "mae": plain_number((mae * counts).sum() / counts.sum()),
        "rmse": plain_number(np.sqrt((rmse**2 * counts).sum() / counts.sum())),
        "max": plain_number(most.max()),
        "n": int(counts.sum()),
        "samples": len(errors),
    }
