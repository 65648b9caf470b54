"""Token buckets: at most ``rate`` requests a second on average, ``burst`` at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from rilaas.core import RateLimited
from rilaas.route.access import Grant


class TokenBucket:
    """One bucket.

    Args:
        rate_per_s: Tokens that flow in each second.
        burst: Tokens that it holds at most; it starts full.
        clock: Monotonic seconds.
    """

    __slots__ = ("_burst", "_clock", "_filled", "_rate", "_tokens")

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate_per_s, float(burst), clock
        self._tokens, self._filled = self._burst, clock()

    def take(self) -> float:
        """Take a token.

        Returns:
            0 where there was one; else the seconds until there will be.
        """
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate


class RateLimits:
    """A bucket for each robot and model that asked; a changed grant starts a fresh one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[Grant, TokenBucket]] = {}

    def check(self, robot: str, model: str, grant: Grant) -> None:
        """Count a request.

        Raises:
            RateLimited: One too many; says when to try again.
        """
        if grant.rate_per_s is None:
            return
        known = self._buckets.get((robot, model))
        if known is None or known[0] != grant:
            known = (grant, TokenBucket(grant.rate_per_s, grant.burst, self._clock))
            self._buckets[robot, model] = known
        wait_s = known[1].take()
        if wait_s > 0.0:
            raise RateLimited(
                f"Robot {robot!r} may ask {model!r} {grant.rate_per_s:g} times a second, {grant.burst} at once.",
                f"Try again in {wait_s:.3g} s.",
            )
