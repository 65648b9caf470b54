"""PReQuaL: among servers that are not crowded the fastest, among crowded ones the least crowded.

Source: Wydrowski et al., "Load is not what you should balance: Introducing Prequal", NSDI 2024: the hot/cold
lexicographic rule on requests in flight (RIF) and latency at that RIF, over a pool of probes. What differs here:

- No probes are sent. A server's load report, which comes with an answer or is pushed, is the probe (``ProbePool``).
- A report tells RIF but no latency, so latency is that of this interceptor's own answers, per model and server, the
  median of those sent at the RIF nearest to the present one. The network is in it, as edge and cloud demand.
- The paper chooses at random where fewer than two probes are left, as its clients then know nothing. Here the
  requests that this interceptor has in flight are always known, and they stand in for RIF.
- The paper probes servers at random, so none is forgotten. Without push only requests bring reports: a server that
  has nothing in flight and was not heard of for 1 s may be chosen beside those in the pool.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from statistics import median

from rilaas.balance.least_cost import least_cost
from rilaas.balance.probe_pool import AGE_S, SIZE, ProbePool
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.recent import Recent, Sent
from rilaas.balance.suspects import Suspects

FORGOTTEN_S = 60.0  # an answer older than this says nothing of a server
PROBED = 3  # servers a request whose RIF counts for what is hot; r_probe, the paper's default
_ANSWERS = 9  # recent answers at one RIF, of which the median counts
_LOADS = 16  # different RIF above which those that are forgotten are dropped
_CROWDED = 63  # RIF above which all answers are one


class LatencyByLoad:
    """Median latency of the recent answers to requests that were sent at about the same RIF."""

    def __init__(self) -> None:
        self._latencies: dict[int, deque[float]] = {}
        self._medians: dict[int, tuple[float, float]] = {}  # median [s], newest answer [s]

    def add(self, in_flight: int, latency_s: float, at_s: float) -> None:
        """Count an answer in.

        Args:
            in_flight: Requests on the server before this one.
            latency_s: Its round trip.
            at_s: When it came, on the interceptor's monotonic clock [s].
        """
        load = min(in_flight, _CROWDED)
        latencies = self._latencies.setdefault(load, deque(maxlen=_ANSWERS))
        if load in self._medians and at_s - self._medians[load][1] > FORGOTTEN_S:
            latencies.clear()
        latencies.append(latency_s)
        self._medians[load] = median(latencies), at_s
        if len(self._medians) > _LOADS:
            for other in [other for other, (_, heard_s) in self._medians.items() if at_s - heard_s > FORGOTTEN_S]:
                del self._medians[other], self._latencies[other]

    def __len__(self) -> int:
        return len(self._medians)

    def at(self, in_flight: int, at_s: float) -> float | None:
        """Latency to expect [s]; None if there was no answer for a minute.

        Args:
            in_flight: Requests on the server now.
            at_s: Now [s].
        """
        load = min(in_flight, _CROWDED)
        exact = self._medians.get(load)
        if exact is not None and at_s - exact[1] <= FORGOTTEN_S:
            return exact[0]
        found, nearest = None, float("inf")
        for other, (latency_s, heard_s) in self._medians.items():
            if abs(other - load) < nearest and at_s - heard_s <= FORGOTTEN_S:
                found, nearest = latency_s, abs(other - load)
        return found


class Prequal:
    """Hot is who has more requests in flight than 84 % of the reports of late; cold and fast is best.

    A new server, and one without an answer for a minute, gets one request of each model at a time until it answers.
    A slow one loses by its latency, a silent one as soon as what it holds makes it hot; a timeout counts as an answer
    of that length. A failing one is held back (``Suspects``), the paper's "error aversion to avoid sinkholing". One
    that is gone leaves the pool within 1 s and is not looked at.

    Args:
        seed: Of the draws among more than 16 servers; None takes one from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._pool = ProbePool()
        self._latencies: Recent[tuple[str, str], LatencyByLoad] = Recent()
        self._sent: Sent[int] = Sent()
        self._suspects = Suspects()
        self._left: Sequence[ServerView] = ()
        self._in_flight: Sequence[int] = ()
        self._expected_s: Sequence[float | None] = ()
        self._hot_above = float("inf")

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        model, at_s = request.model, request.at_s
        trusted = self._suspects.trusted(candidates(request, servers), at_s)
        self._pool.hear(trusted, at_s)
        self._left = left = self._compared(trusted, at_s)
        self._in_flight = loads = [self._load(server) for server in left]
        self._expected_s = expected = [
            self._expect(server.name, model, load, at_s) for server, load in zip(left, loads, strict=True)
        ]
        self._hot_above = hot_above = self._pool.hot_above()
        index = least_cost(left, lexicographic(loads, expected, hot_above), model)
        for load in loads if len(loads) <= PROBED else self._random.choices(loads, k=PROBED):
            self._pool.tell(load)
        self._sent.note(request, loads[index])
        self._pool.use(left[index].name)
        return left[index].name

    def observe(self, outcome: Outcome) -> None:
        """Count an answer in at the load that it was sent at; hold a failing server back."""
        self._suspects.observe(outcome)
        load = self._sent.take(outcome.request)
        if outcome.status not in ("ok", "timeout"):
            return
        key = (outcome.server, outcome.request.model)
        latencies = self._latencies.get(key) or LatencyByLoad()
        latencies.add(load or 0, outcome.latency_s, outcome.at_s)
        self._latencies.keep(key, latencies)

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        if not self._left:
            return None
        figures = {
            "in_flight": [float(load) for load in self._in_flight],
            "is_hot": [float(load > self._hot_above) for load in self._in_flight],
            "latency_s": [one or 0.0 for one in self._expected_s],
            "known": [float(one is not None) for one in self._expected_s],
        }
        rule = "Of the cold ones the shortest latency; if all are hot, the fewest requests in flight."
        return Weighing([server.name for server in self._left], figures, rule)

    def _compared(self, servers: Sequence[ServerView], at_s: float) -> Sequence[ServerView]:
        """Those in the pool and those that only a request could bring news of; all where that is fewer than two."""
        pool = self._pool
        left = [
            server
            for server in servers
            if pool.get(server.name) or (not server.in_flight and at_s - pool.heard_s(server.name) > AGE_S)
        ]
        if len(left) < 2:
            left = list(servers)
        return self._random.sample(left, SIZE) if len(left) > SIZE else left

    def _load(self, server: ServerView) -> int:
        probe = self._pool.get(server.name)
        return server.in_flight if probe is None else max(server.in_flight, probe.in_flight)

    def _expect(self, name: str, model: str, load: int, at_s: float) -> float | None:
        latencies = self._latencies.get((name, model))
        return None if latencies is None else latencies.at(load, at_s)


def lexicographic(
    loads: Sequence[int], latencies_s: Sequence[float | None], hot_above: float
) -> Sequence[float | None]:
    """The hot/cold lexicographic order as a cost: cold before hot, cold by latency, hot by RIF.

    Args:
        loads: RIF of each server.
        latencies_s: Latency to expect at that RIF [s]; None stays None.
        hot_above: A server with more RIF than this is hot.

    Returns:
        Latency [s] where cold; 1e6 + RIF where hot, as no latency is 1e6 s long.
    """
    return [
        latency_s if latency_s is None or load <= hot_above else 1e6 + load
        for load, latency_s in zip(loads, latencies_s, strict=True)
    ]
