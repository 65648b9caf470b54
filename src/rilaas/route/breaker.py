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

    def begin(self) -> None:
        """A request goes."""
        if self._open_until is not None:
            self._trial = True

    def ended(self, well: bool | None) -> None:
        """A request has ended.

        Args:
            well: True where the server answered, be it with the model's own error; False where it was not there;
                None where nobody knows (too late, or the caller left).
        """
        self._trial = False
        if well is None:
            return
        if well:
            self._failures, self._rest_s, self._open_until = 0, FIRST_REST_S, None
            return
        self._failures += 1
        if self._open_until is not None:
            self._rest_s = min(LAST_REST_S, 2 * self._rest_s)  # the trial failed
        if self._failures >= FAILURES:
            self._open_until = self._clock() + self._rest_s
