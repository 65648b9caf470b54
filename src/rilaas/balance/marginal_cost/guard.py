"""The guard-rail: a learned policy is believed only while what it expects comes true."""

from __future__ import annotations

import math

_WINDOW = 50  # answers
_LEAST = 20  # answers before anything is judged
_PRICE_OFF, _PRICE_ON = 0.5, 0.3
_OWN_OFF, _OWN_ON = 1.2, 0.8

PRICED, SELFISH, COUNTING = 0, 1, 2


class Guard:
    """Compares expected with measured latencies and says how far the policy may trust itself.

    The figure is ``|log(mean measured / mean expected)|`` over some fifty answers: a bias, for single answers may
    scatter as much as they like. Above 0.5 the price is left out, above 1.2 even the expected delays are and least
    connections chooses; both come back when the figure has fallen below 0.3 and 0.8.

    Attributes:
        level: ``PRICED``, ``SELFISH`` (own delay alone) or ``COUNTING`` (least connections).
    """

    __slots__ = ("_count", "_expected_s", "_measured_s", "level")

    def __init__(self) -> None:
        self.level = PRICED
        self._count = 0
        self._expected_s = self._measured_s = 0.0

    @property
    def error(self) -> float:
        """The figure; 0 before anything is known."""
        if self._count == 0 or self._expected_s <= 0.0 or self._measured_s <= 0.0:
            return 0.0
        return abs(math.log(self._measured_s / self._expected_s))

    def compare(self, expected_s: float, measured_s: float) -> None:
        """Learn how long an answer took that was expected to take so long."""
        self._count = min(self._count + 1, _WINDOW)
        gain = 1.0 / self._count
        self._expected_s += gain * (expected_s - self._expected_s)
        self._measured_s += gain * (measured_s - self._measured_s)
        if self._count < _LEAST:
            return
        error = self.error
        if error > _OWN_OFF:
            self.level = COUNTING
        elif error > _PRICE_OFF:
            self.level = max(self.level, SELFISH) if error > _OWN_ON else SELFISH
        elif error < _PRICE_ON:
            self.level = PRICED
        elif self.level == COUNTING:
            self.level = SELFISH
