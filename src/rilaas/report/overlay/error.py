"""How far outputs are from what was expected."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def error_of(outputs: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Mean absolute error, root mean square error and largest error, by name, in the tensor's own unit.

    Args:
        outputs: What a model answered.
        expected: What it should have answered.

    Returns:
        ``{name: {"mae": ..., "rmse": ..., "max": ...}}`` for numbers whose shapes agree but for axes of length 1.
        Values that are not finite on either side make an error infinite, unless both are the same; nothing to
        compare gives NaN.
    """
    errors = {}
    for name in sorted(outputs.keys() & expected.keys()):
        pair = comparable(outputs[name], expected[name])
        if pair is None:
            continue
        got, wanted = pair
        with np.errstate(all="ignore"):
            off = np.abs(got - wanted)
            same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
            off = np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
            errors[name] = {
                "mae": float(off.mean()) if off.size else float("nan"),
                "rmse": float(np.sqrt(np.mean(off**2))) if off.size else float("nan"),
                "max": float(off.max()) if off.size else float("nan"),
            }
    return errors


def comparable(got: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Both as float64 of one shape; None where they are no numbers or of different shapes."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.dtype.kind not in "biuf" or wanted.dtype.kind not in "biuf":
        return None
    if tuple(n for n in got.shape if n != 1) != tuple(n for n in wanted.shape if n != 1):
        return None
    return got.astype(np.float64).ravel(), wanted.astype(np.float64).ravel()
