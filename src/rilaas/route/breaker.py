"""A circuit breaker: a server that keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 3  # in a row, before the server is left alone
FIRST_REST_S = 1.0  # doubles with each failed trial
LAST_REST_S = 30.0


class Breaker:
    """Closed (all pass), open (none pass), half open (one trial)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._open_until: float | None = None
        self._trial = False

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half-open``."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    def allows(self) -> bool:
        """Whether a request may go now. Asking changes nothing."""
        state = self.state
        return state == "closed" or (state == "half-open" and not self._trial)

    def begin(self) -> bool:
        """A request goes.

        Returns:
            Whether it is the trial; to be told to ``ended``.
        """
        is_trial = self._open_until is not None
        self._trial = self._trial or is_trial
        return is_trial

    def ended(self, well: bool | None, *, is_trial: bool = False) -> None:
        """A request has ended.

        Args:
            well: True where the server answered, be it with the model's own error; False where it was not there;
                None where nobody knows (too late, or the caller left).
            is_trial: What ``begin`` said of it. Requests that were on their way when the breaker opened fail
                together with those that opened it: they do not make its rest longer.
        """
        if is_trial:
            self._trial = False
        if well:
            self._failures, self._rest_s, self._open_until, self._trial = 0, FIRST_REST_S, None, False
        elif well is False:
            self._failures += 1
            if is_trial:
                self._rest_s = min(LAST_REST_S, 2 * self._rest_s)
            if is_trial or (self._failures >= FAILURES and self._open_until is None):
                self._open_until = self._clock() + self._rest_s
