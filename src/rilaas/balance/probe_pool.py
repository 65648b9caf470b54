"""PReQuaL's pool of probes, filled from the load reports that servers send anyway.

Source: Wydrowski et al., "Load is not what you should balance: Introducing Prequal", NSDI 2024, section 4: a pool of
16 probes at most; a probe leaves after 1 s, after its reuse budget, when the pool is full (the oldest), and for every
third probe that comes in, alternately, the worst or the oldest; a query that is sent by a probe adds 1 to the
requests in flight that the probe tells.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.balance.protocol import LoadReport, ServerView
from rilaas.balance.recent import Recent

SIZE = 16
AGE_S = 1.0
REMOVED_PER_PROBE = 1.0 / 3.0  # r_remove / r_probe, the paper's defaults
SURPLUS = 1.0  # delta of the reuse budget, the paper's default
HOT_QUANTILE = 2.0**-0.25  # Q_RIF, the paper's default: 0.84
_REMEMBERED = 128  # probes behind the quantile


@dataclass(slots=True)
class Probe:
    """What a server told last, and how often it was acted on.

    Attributes:
        in_flight: Requests on the server, with those sent by this probe.
        heard_s: When, on the interceptor's monotonic clock [s].
        uses: Requests sent by it.
    """

    in_flight: int
    heard_s: float
    uses: int = 0


class ProbePool:
    """At most 16 probes, one per server: a newer one takes the place of the older.

    How often reports come is up to the servers, so the paper's numbers per query are kept per probe: one in three
    that come in takes one out, and the reuse budget is max(1, (1 + delta) / r) for r reports heard per request. (The
    paper's (1 - m/n) r_probe - r_remove in the denominator corrects r for probes that replace each other; r counts
    only those that do not.)
    """

    def __init__(self) -> None:
        self._probes: dict[str, Probe] = {}
        self._heard: Recent[str, float] = Recent()
        self._told: deque[int] = deque()
        self._sorted: list[int] = []
        self._per_request = 1.0
        self._due = 0.0
        self._worst_next = True

    def hear(self, servers: Sequence[ServerView], at_s: float) -> None:
        """Take in reports that are news, and let go of probes that are too old.

        Args:
            servers: The candidates of a request.
            at_s: Now [s].
        """
        news, heard, probes = 0, self._heard, self._probes
        for server in servers:
            report = server.report
            if report is not None and report.heard_s > heard.get(server.name, float("-inf")):
                heard.keep(server.name, report.heard_s)
                news += self._add(server.name, report)
        self._per_request += 0.05 * (news - self._per_request)
        self._due += news * REMOVED_PER_PROBE
        for name in [name for name, probe in probes.items() if at_s - probe.heard_s > AGE_S]:
            del probes[name]
        while len(probes) > SIZE:
            del probes[min(probes, key=lambda name: probes[name].heard_s)]

    def get(self, name: str) -> Probe | None:
        """The probe of a server; None where it has none."""
        return self._probes.get(name)

    def heard_s(self, name: str) -> float:
        """When a server was last heard of [s]; -inf where it never was."""
        return self._heard.get(name, float("-inf"))

    def use(self, name: str) -> None:
        """A request goes to this server: count it, and take out what the rules want out."""
        probe = self._probes.get(name)
        if probe is not None:
            probe.in_flight += 1
            probe.uses += 1
            if probe.uses >= max(1, round((1.0 + SURPLUS) / max(self._per_request, 0.01))):
                del self._probes[name]
        if self._due >= 1.0:
            self._due -= 1.0
            self._remove()

    def hot_above(self) -> float:
        """Requests in flight above which a server is hot: a quantile of what was told lately; inf if nothing was."""
        told = self._sorted
        return told[min(int(HOT_QUANTILE * len(told)), len(told) - 1)] if told else float("inf")

    def tell(self, in_flight: int) -> None:
        """Count a number of requests in flight into the distribution behind ``hot_above``."""
        if len(self._told) >= _REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._told.popleft())]
        self._told.append(in_flight)
        insort(self._sorted, in_flight)

    def _add(self, name: str, report: LoadReport) -> bool:
        """Put a probe in; whether that is one more than there were."""
        is_new = name not in self._probes
        self._probes[name] = Probe(report.in_flight, report.heard_s)
        return is_new

    def _remove(self) -> None:
        """Take out the worst and the oldest in turn; two always stay, as nothing could be compared with one."""
        probes = self._probes
        if len(probes) <= 2:
            return
        if self._worst_next:
            del probes[max(probes, key=lambda name: probes[name].in_flight)]
        else:
            del probes[min(probes, key=lambda name: probes[name].heard_s)]
        self._worst_next = not self._worst_next
