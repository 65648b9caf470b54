"""How long work will still take, told together with what is being done."""

from __future__ import annotations

import time

from rilaas.optimize.passes.contract import Tell

_SAY_AFTER_S = 2.0
_MARK = ", about "


class TimeLeft:
    """A ``Tell`` that adds an estimate to the words: what is left takes as long as what was done.

    Args:
        tell: Who listens.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._begun_s, self._from = time.monotonic(), 0.0

    def begin_at(self, share: float) -> None:
        """What was done up to here took no time: it came from the cache."""
        self._begun_s, self._from = time.monotonic(), share

    def __call__(self, share: float, words: str) -> None:
        """See ``Tell``; an estimate that the words had already is replaced."""
        spent_s, done = time.monotonic() - self._begun_s, share - self._from
        words = words.partition(_MARK)[0]
        if spent_s > _SAY_AFTER_S and done > 0.0 and share < 1.0:
            left_s = spent_s * (1.0 - share) / done
            words += f"{_MARK}{left_s:.0f} s left" if left_s < 120.0 else f"{_MARK}{left_s / 60.0:.0f} min left"
        self._tell(share, words)
