"""Derivatives of sampled values, by polynomials fitted to a window about each sample.

Source: A. Savitzky and M. J. E. Golay, "Smoothing and Differentiation of Data by Simplified Least Squares
Procedures", Analytical Chemistry 36, 1964. At both ends the polynomial of the outermost full window is evaluated.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def local_polynomial(values: Floats, step_s: float, window_s: float, order: int, derivative: int) -> Floats:
    """A smoothed derivative; exact for polynomials up to ``order``.

    Args:
        values: (N,) samples at even steps; the window holds at most all of them.
        step_s: From each sample to the next [s].
        window_s: How much time a fit looks at [s]; at least so many samples as the fit needs.
        order: Of the polynomial, at least ``derivative``.
        derivative: How often it is derived; 0 smooths only.

    Returns:
        (N,) in the values' unit per second, ``derivative`` times.

    Raises:
        ValueError: There are too few samples for a polynomial of this order.
    """
    half = max(round(0.5 * window_s / step_s), math.ceil(order / 2))
    half = min(half, (len(values) - 1) // 2)
    if 2 * half < order:
        raise ValueError(f"{len(values)} samples do not determine a polynomial of order {order}")
    fit = _fit(half, order)
    scale = math.factorial(derivative) / step_s**derivative
    middle = np.convolve(values, fit[derivative][::-1], mode="valid") * scale
    ends = [
        _derived(fit @ window, np.arange(first, first + half), derivative) / step_s**derivative
        for window, first in ((values[: 2 * half + 1], -half), (values[-2 * half - 1 :], 1))
    ]
    return np.concatenate([ends[0], middle, ends[1]])


@lru_cache(maxsize=64)
def _fit(half: int, order: int) -> Floats:
    """(order + 1, 2 half + 1): from a window's samples to the polynomial's coefficients, in steps."""
    steps = np.arange(-half, half + 1, dtype=np.float64)
    return np.asarray(np.linalg.pinv(np.vander(steps, order + 1, increasing=True)))


def _derived(coefficients: Floats, steps: NDArray[np.int64], derivative: int) -> Floats:
    powers = np.arange(derivative, len(coefficients))
    factors = [math.perm(int(power), derivative) for power in powers]
    terms = coefficients[derivative:] * np.array(factors, np.float64)
    return np.asarray(np.vander(steps.astype(np.float64), len(terms), increasing=True) @ terms)
