"""What an interceptor estimates from answers alone: a mean that follows changes, and a rate."""

from __future__ import annotations

import math

_WINDOW = 400  # answers that a settled mean looks back on
_RECENT = 8  # answers that are compared with it
_FLOOR = 0.02  # of the mean: the smallest standard deviation believed
_SURPRISE = 3.0  # standard deviations; more where values scatter as exponential ones do
_DRIFTED = 5.0  # standard errors of the recent mean
_SETTLED = 6  # answers before surprises count
_RATE_EVENTS, _LEAST_WINDOW_S, _MOST_WINDOW_S = 25.0, 4.0, 60.0


class Mean:
    """A running mean, plain at first, then over some hundred values, that jumps where things change.

    Two values in a row that are far off on the same side are taken for a change, and so is a mean of the last eight
    or so that is: the first finds changes of what hardly scatters at once, the second those of what does.

    Attributes:
        value: The mean; nan before the first value.
        count: Values since the start or the last change, up to the window.
        variance: Of the values around the mean.
        jumped: What the last change multiplied the mean by; 1 where the last value brought none.
    """

    __slots__ = ("_recent", "_surprise", "count", "jumped", "value", "variance")

    def __init__(self) -> None:
        self.value = math.nan
        self.variance = 0.0
        self.count = 0
        self.jumped = 1.0
        self._surprise = 0.0
        self._recent = 0.0  # mean error of the last values

    @property
    def deviation(self) -> float:
        """Standard deviation, at least two percent of the mean."""
        return max(math.sqrt(self.variance), _FLOOR * abs(self.value))

    @property
    def hoped(self) -> float:
        """The mean less one standard error: who is hardly known is tried, and so known better (optimism)."""
        if self.count < 2:
            return self.value
        return max(self.value - math.sqrt(self.variance / self.count), 0.5 * self.value)

    @property
    def is_sure(self) -> bool:
        """Whether the mean is known to within a tenth (one standard error)."""
        return self.count > 1 and self.deviation <= 0.1 * abs(self.value) * math.sqrt(self.count)

    def add(self, value: float) -> None:
        """Learn one value."""
        self.jumped = 1.0
        if self.count == 0:
            self.value, self.count = value, 1
            return
        if self.count >= _SETTLED and self._is_change(value - self.value):
            return
        if self._surprise:  # a single one: it counts as any other
            surprise, self._surprise = self._surprise, 0.0
            self._count(self.value + surprise)
        self._count(value)

    def _count(self, value: float) -> None:
        error = value - self.value
        self.count = min(self.count + 1, _WINDOW)
        gain = 1.0 / self.count
        self.value += gain * error
        self.variance += gain * (error * (value - self.value) - self.variance)

    def _is_change(self, error: float) -> bool:
        """Whether all is said of a value that is so far off: it was a change, or has to wait for the next one."""
        deviation = self.deviation
        limit = (_SURPRISE + 4.0 * min(deviation / abs(self.value), 1.0)) * deviation if self.value else 0.0
        self._recent += (min(max(error, -limit), limit) - self._recent) / _RECENT  # cut: one alone is no change
        if abs(error) > limit:
            if error * self._surprise > 0.0:
                self._restart((error + self._surprise) / 2.0, 2)
                return True
            if not self._surprise:
                self._surprise = error  # not counted before the next one: it would hide it
                return True
            return False
        error_of_recent = deviation / math.sqrt(2.0 * _RECENT - 1.0)
        if self.count >= 2 * _RECENT and abs(self._recent) > _DRIFTED * error_of_recent:
            self._restart(self._recent, _RECENT // 2)
            return True
        return False

    def _restart(self, error: float, count: int) -> None:
        before = self.value
        self.value = max(before + error, 1e-9)
        self.jumped = self.value / before if before > 0.0 else 1.0
        self.variance *= self.jumped * self.jumped
        self.count, self._surprise, self._recent = count, 0.0, 0.0

    def scale(self, factor: float) -> None:
        """Something else says that the mean has changed; a few values will decide."""
        self.value *= factor
        self.variance *= factor * factor
        self.count = min(self.count, 3)


class Rate:
    """Events per second over an exponential window, which is longer where events are rare: some 25 of them."""

    __slots__ = ("_at_s", "_since_s", "_weight", "_window_s")

    def __init__(self) -> None:
        self._window_s = _LEAST_WINDOW_S
        self._weight = 0.0
        self._at_s = self._since_s = math.nan

    def add(self, now: float) -> None:
        """Count an event at a time that never goes back [s]."""
        if math.isnan(self._at_s):
            self._at_s = self._since_s = now
        rate = self.per_s(now)
        window = min(max(_RATE_EVENTS / max(rate, 1e-6), _LEAST_WINDOW_S), _MOST_WINDOW_S)
        kept = math.exp(-(now - self._at_s) / self._window_s)
        self._weight = self._weight * kept * (1.0 + 0.1 * (window / self._window_s - 1.0)) + 1.0
        self._window_s += 0.1 * (window - self._window_s)
        self._at_s = now

    def per_s(self, now: float) -> float:
        """The rate [1/s]."""
        if math.isnan(self._at_s):
            return 0.0
        seen = 1.0 - math.exp(-max(now - self._since_s, 0.5 * self._window_s) / self._window_s)
        return self._weight * math.exp(-(now - self._at_s) / self._window_s) / (self._window_s * seen)
