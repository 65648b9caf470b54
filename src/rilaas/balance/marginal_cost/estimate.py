"""What an interceptor estimates from answers alone: a mean that follows changes, and a rate."""

from __future__ import annotations

import math

WINDOW_S = 6.0  # of rates and of the work placed lately
_WINDOW = 30  # answers that a settled mean looks back on
_FLOOR = 0.02  # of the mean: the smallest standard deviation believed
_SURPRISE = 3.0  # standard deviations
_SURPRISES = 2  # in a row, on the same side: the mean has changed
_SETTLED = 6  # answers before surprises count


class Mean:
    """A running mean that is plain at first, then looks back on some thirty values, and jumps where things change.

    Two values in a row that are more than three standard deviations off on the same side are taken for a change:
    the mean starts again from those two.

    Attributes:
        value: The mean; nan before the first value.
        count: Values since the start or the last change, up to the window.
        variance: Of the values around the mean.
        jumped: What the last change multiplied the mean by; 1 where the last value brought none.
    """

    __slots__ = ("_surprise", "_surprises", "count", "jumped", "value", "variance")

    def __init__(self) -> None:
        self.value = math.nan
        self.variance = 0.0
        self.count = 0
        self.jumped = 1.0
        self._surprises = 0
        self._surprise = 0.0

    @property
    def deviation(self) -> float:
        """Standard deviation, at least two percent of the mean."""
        return max(math.sqrt(self.variance), _FLOOR * abs(self.value))

    def add(self, value: float) -> None:
        """Learn one value."""
        self.jumped = 1.0
        if self.count == 0:
            self.value, self.count = value, 1
            return
        error = value - self.value
        if self.count >= _SETTLED and abs(error) > _SURPRISE * self.deviation:
            same_side = error * self._surprise > 0.0
            self._surprises = self._surprises + 1 if same_side else 1
            if self._surprises >= _SURPRISES:
                before = self.value
                self.value = (value + self._surprise + before) / 2.0
                self.jumped = self.value / before if before > 0.0 else 1.0
                self.count, self._surprises, self._surprise = 2, 0, 0.0
                self.variance = (value - self.value) ** 2
                return
            self._surprise = error
        else:
            self._surprises, self._surprise = 0, 0.0
        self.count = min(self.count + 1, _WINDOW)
        gain = 1.0 / self.count
        self.value += gain * error
        self.variance += gain * (error * (value - self.value) - self.variance)

    def scale(self, factor: float) -> None:
        """Something else says that the mean has changed; a few values will decide."""
        self.value *= factor
        self.variance *= factor * factor
        self.count = min(self.count, 3)


class Rate:
    """Events per second over an exponential window [s]."""

    __slots__ = ("_at_s", "_since_s", "_weight", "_window_s")

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._weight = 0.0
        self._at_s = self._since_s = math.nan

    def add(self, now: float, count: float = 1.0) -> None:
        """Count events at a time that never goes back [s]."""
        if math.isnan(self._at_s):
            self._at_s = self._since_s = now
        self._weight = self._weight * math.exp(-(now - self._at_s) / self._window_s) + count
        self._at_s = now

    def per_s(self, now: float) -> float:
        """The rate [1/s]."""
        if math.isnan(self._at_s):
            return 0.0
        seen = 1.0 - math.exp(-max(now - self._since_s, 0.5 * self._window_s) / self._window_s)
        return self._weight * math.exp(-(now - self._at_s) / self._window_s) / (self._window_s * seen)
