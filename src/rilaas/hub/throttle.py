"""Guessing passwords is slow: after some failures a name, and an address, has to wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from rilaas.core import RateLimited

_MAX_KEYS = 10_000


class Throttle:
    """Counts failures by key.

    Args:
        failures: So many are allowed ...
        window_s: ... within this time [s].
        clock: Monotonic seconds.
    """

    def __init__(self, failures: int, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures, self._window_s, self._clock = failures, window_s, clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def attempt(self, key: str) -> None:
        """Ask before a guess is looked at; it counts as a failure at once, so that many at a time are no way round.

        Raises:
            RateLimited: There were too many failures; says when to try again.
        """
        with self._lock:
            times, now = self._seen.setdefault(key, deque()), self._clock()
            while times and now - times[0] > self._window_s:
                times.popleft()
            if len(times) >= self._failures:
                wait_s = self._window_s - (now - times[0])
                raise RateLimited("There were too many wrong attempts.", f"Try again in {wait_s:.0f} s.")
            times.append(now)
            self._seen.move_to_end(key)
            while len(self._seen) > _MAX_KEYS:
                self._seen.popitem(last=False)

    def take_back(self, key: str) -> None:
        """The last guess was right: it is no failure; those before it stay."""
        with self._lock:
            if times := self._seen.get(key):
                times.pop()

    def forget(self, key: str) -> None:
        """A success clears a key."""
        with self._lock:
            self._seen.pop(key, None)
