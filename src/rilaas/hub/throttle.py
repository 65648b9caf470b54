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

    def check(self, key: str) -> None:
        """Ask before a guess is looked at.

        Raises:
            RateLimited: There were too many failures; says when to try again.
        """
        with self._lock:
            times = self._seen.get(key)
            if times is None:
                return
            now = self._clock()
            while times and now - times[0] > self._window_s:
                times.popleft()
            if len(times) >= self._failures:
                wait_s = self._window_s - (now - times[0])
                raise RateLimited("There were too many wrong attempts.", f"Try again in {wait_s:.0f} s.")

    def failed(self, key: str) -> None:
        """Count a failure."""
        with self._lock:
            self._seen.setdefault(key, deque(maxlen=self._failures)).append(self._clock())
            self._seen.move_to_end(key)
            while len(self._seen) > _MAX_KEYS:
                self._seen.popitem(last=False)

    def forget(self, key: str) -> None:
        """A success clears a key."""
        with self._lock:
            self._seen.pop(key, None)
