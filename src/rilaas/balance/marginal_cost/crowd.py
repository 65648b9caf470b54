"""What other interceptors have on a server, as far as its own reports tell."""

from __future__ import annotations

import math

from rilaas.balance.protocol import LoadReport

_WINDOW_S = 10.0  # of the average


class Crowd:
    """Others' requests on one server.

    Attributes:
        last: As the newest report showed them.
        mean: Their average.
        heard_s: When the newest report was heard [s].
    """

    __slots__ = ("heard_s", "last", "mean")

    def __init__(self) -> None:
        self.last = self.mean = 0.0
        self.heard_s = -math.inf

    def hear(self, report: LoadReport, own: int) -> None:
        """A server said what it has.

        Args:
            report: What it said.
            own: Requests of this interceptor among those in flight there.
        """
        passed = report.heard_s - self.heard_s
        self.last = max(0.0, float(report.in_flight - own))
        self.mean += (self.last - self.mean) * (1.0 - math.exp(-passed / _WINDOW_S))
        self.heard_s = report.heard_s
