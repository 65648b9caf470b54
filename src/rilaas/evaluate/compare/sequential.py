"""A confidence sequence: an interval for a mean that holds at every moment, so that one may look and stop."""

from __future__ import annotations

import math

import numpy as np

from rilaas.core import InvalidInput

_TRUNCATION = 0.75  # of the largest bet that cannot lose everything; 1/2 or 3/4 in the paper


class ConfidenceSequence:
    """The mean of bounded values, known ever better; with 95 % confidence at all times together.

    Args:
        low: No value is below.
        high: No value is above.
        alpha: How often, at most, the interval ever leaves out the mean.
        points: How finely candidates for the mean are tried.

    Each candidate m for the mean is bet against, upwards and downwards. Where m is the mean, a bettor's capital is a
    martingale of mean 1, which ever reaches 1/alpha with a probability of at most alpha (Ville's inequality); a
    candidate against which that was reached is given up for good. What is left is the interval.

    Values are independent, or at least have the same mean given those before.

    Source: Waudby-Smith & Ramdas, Estimating means of bounded random variables by betting, JRSS B 86(1), 2024: the
    hedged capital process with theta = 1/2 and predictable plug-in bets.

    Example:
        >>> sequence = ConfidenceSequence(-1.0, 1.0)
        >>> for _ in range(40):
        ...     sequence.add(0.5)
        >>> sequence.excludes(0.0)
        True
    """

    def __init__(self, low: float, high: float, *, alpha: float = 0.05, points: int = 2001) -> None:
        if not low < high:
            raise ValueError(f"values are from {low} to {high}, which is no range")
        self._low, self._high, self._alpha = low, high, alpha
        self._means = np.linspace(0.0, 1.0, points)
        self._up, self._down = np.zeros(points), np.zeros(points)  # logarithms of the capitals
        self._alive = np.ones(points, bool)
        self._sum, self._squares, self._variance, self.n = 0.5, 0.25, 0.25, 0

    def add(self, value: float) -> None:
        """One more value.

        Raises:
            ValueError: It is out of bounds.
        """
        if not self._low - 1e-9 <= value <= self._high + 1e-9:
            raise ValueError(f"{value} is not from {self._low} to {self._high}")
        x = min(1.0, max(0.0, (value - self._low) / (self._high - self._low)))
        self.n += 1
        # The bet knows only what came before.
        bet = math.sqrt(2.0 * math.log(2.0 / self._alpha) / (self._variance * self.n * math.log(self.n + 1.0)))
        m = self._means
        with np.errstate(divide="ignore"):
            up, down = np.minimum(bet, _TRUNCATION / m), np.minimum(bet, _TRUNCATION / (1.0 - m))
        self._up += np.log1p(up * (x - m))
        self._down += np.log1p(-down * (x - m))
        still = self._alive & (np.maximum(self._up, self._down) + math.log(0.5) < -math.log(self._alpha))
        if still.any():  # none is left only where the values had no common mean
            self._alive = still
        self._sum += x
        self._squares += (x - self._sum / (self.n + 1)) ** 2
        self._variance = self._squares / (self.n + 1)

    @property
    def interval(self) -> tuple[float, float]:
        """All candidates that are left, and one step more on either side."""
        left = np.flatnonzero(self._alive)
        ends = self._means[max(0, left[0] - 1)], self._means[min(len(self._means) - 1, left[-1] + 1)]
        low, high = (self._low + (self._high - self._low) * float(end) for end in ends)
        return low, high

    def excludes(self, mean: float) -> bool:
        """Whether the interval leaves out a candidate."""
        low, high = self.interval
        return not low <= mean <= high


def bounds_of(metric: str, unit: str) -> tuple[float, float]:
    """From where to where a metric goes.

    Raises:
        InvalidInput: It has no bounds.
    """
    if unit == "1" and metric.endswith("_share"):
        return 0.0, 1.0
    if metric.endswith("driving_score"):
        return 0.0, 100.0
    raise InvalidInput(
        f"{metric} has no bounds, so that nobody can say when there is enough evidence.",
        "Take driving_score, which is from 0 to 100, or a share.",
    )
