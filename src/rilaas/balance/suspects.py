"""Servers that failed and have not answered since: held back, so that failing fast never looks like being fast."""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.protocol import Outcome, ServerView
from rilaas.balance.recent import Recent

HOLD_S = 0.5
LONGEST_HOLD_S = 8.0


class Suspects:
    """Who is passed over after an error or a timeout, by the interceptor's clock.

    The first failure holds a server back for 0.5 s, each further one after a hold for twice as long, 8 s at most.
    After a hold it gets one request at a time until it answers, which clears it. Several requests that fail together
    count once. A cancelled request says nothing about its server. If only suspects are left, all of them may be
    chosen: a policy never refuses.
    """

    def __init__(self) -> None:
        self._failures: Recent[str, tuple[int, float]] = Recent()

    def observe(self, outcome: Outcome) -> None:
        """Learn how an attempt ended."""
        server, status = outcome.server, outcome.status
        if status == "ok":
            if self._failures:
                self._failures.pop(server, None)
        elif status != "cancelled":
            times, until_s = self._failures.get(server, (0, -1.0))
            if outcome.at_s >= until_s:
                hold_s = min(HOLD_S * 2.0**times, LONGEST_HOLD_S)
                self._failures.keep(server, (min(times + 1, 16), outcome.at_s + hold_s))

    def trusted(self, servers: Sequence[ServerView], at_s: float) -> Sequence[ServerView]:
        """Those that may be chosen, in the order given; all of them if it were none.

        Args:
            servers: The candidates.
            at_s: Now, on the interceptor's clock [s].
        """
        failures = self._failures
        if not failures:
            return servers
        left = []
        for server in servers:
            failed = failures.get(server.name)
            if failed is None or (at_s >= failed[1] and server.in_flight == 0):
                left.append(server)
        return left or servers
