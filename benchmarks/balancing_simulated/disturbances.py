"""What befalls servers and loads: how much it costs by policy, and how soon each has coped with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from balancing_simulated.bench import FIELD, Bench, bold_best, markdown
from rilaas.balance.comparison import Comparison, offered_load, recovery_s
from rilaas.balance.simulation import Cluster, Disturbance, Load
from rilaas.balance.simulation.document import MODELS, cluster, poisson

AT_S, DURATION_S, SHARE = 30.0, 90.0, 0.5
SERVERS = cluster("two-edges-two-clouds", (4, 4), (8, 8))
BEFALLS = (
    ("an edge server takes three times as long", Disturbance(AT_S, np.inf, "edge-1", "slow", 3.0)),
    ("a cloud server takes three times as long", Disturbance(AT_S, np.inf, "cloud-1", "slow", 3.0)),
    ("an edge server refuses", Disturbance(AT_S, np.inf, "edge-1", "refuse")),
    ("an edge server is silent", Disturbance(AT_S, np.inf, "edge-1", "silent")),
    ("an edge server leaves", Disturbance(AT_S, np.inf, "edge-1", "leave")),
    ("an edge server joins", Disturbance(AT_S, np.inf, "edge-2", "join")),
    ("the way to an edge server jitters by 0.3 s", Disturbance(AT_S, np.inf, "edge-1", "jitter", 0.3)),
)


@dataclass(frozen=True, slots=True)
class ChangedMix:
    """Poisson requests whose mix of models changes at ``AT_S``.

    Attributes:
        name: For tables.
        models: Two.
        per_s: Requests per second before and after.
        shares: Share of the second model before and after.
        duration_s: How long requests come [s].
    """

    name: str
    models: tuple[str, ...]
    per_s: tuple[float, float]
    shares: tuple[float, float]
    duration_s: float

    def arrivals(self, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See ``OpenLoad``."""
        rng = np.random.default_rng([11, seed])
        times, models = [], []
        for per_s, share, start, end in zip(
            self.per_s, self.shares, (0.0, AT_S), (AT_S, self.duration_s), strict=True
        ):
            at_s = np.sort(rng.uniform(start, end, rng.poisson(per_s * (end - start))))
            times.append(at_s)
            models.append((rng.random(len(at_s)) < share).astype(np.int64))
        return np.concatenate(times), np.concatenate(models)


def run(bench: Bench) -> dict[str, str]:
    """Mean, p99 and recovery by policy."""
    per_s = SHARE / offered_load(SERVERS, dict.fromkeys(MODELS, 0.5))
    load = replace(poisson(per_s), name="poisson", duration_s=DURATION_S)
    cases: list[tuple[str, Cluster, Load]] = [
        (words, replace(SERVERS, name=f"{SERVERS.name}, {each.kind}", disturbances=(each,)), load)
        for words, each in BEFALLS
    ]
    mix = ChangedMix("changed mix", MODELS, (per_s, per_s), (0.2, 0.6), DURATION_S)
    cases.append(("grasp planning becomes 60 % of the requests, from 20 %", SERVERS, mix))
    rows = []
    for words, servers, asked in cases:
        found = bench.run("disturbances", servers, [asked], FIELD)
        rows.append([words, *_cells(found, bench).values()])
    names = [each.name for each in bench.policies(SERVERS, FIELD)]
    return {"disturbances": markdown(["at 30 s", *names], rows)}


def _cells(found: Comparison, bench: Bench) -> dict[str, str]:
    """``905 (2310) 1.2 s``: mean of both from the disturbance on [ms], p99 of then [ms], time until recovered."""
    load, cells, means = found.loads[0].name, {}, {}
    for policy in found.policies:
        digests = found.digests[load, policy]
        since = [
            [values[at >= AT_S] for values, at in zip(digest.latency_s, digest.at_s, strict=True)]
            for digest in digests
        ]
        means[policy] = float(np.mean([np.mean([np.nanmean(v) for v in each]) for each in since]))
        p99 = float(np.nanpercentile(np.concatenate([v for each in since for v in each]), 99))
        after_s = recovery_s(digests, AT_S, DURATION_S)
        recovered = f"{after_s:.1f} s" if np.isfinite(after_s) else "never"
        failed = f", {found.failed(load, policy)} failed" if found.failed(load, policy) else ""
        cells[policy] = f"{1e3 * means[policy]:.0f} ({1e3 * p99:.0f}) {recovered}{failed}"
        bench.rows.append(
            {
                "experiment": "recovery",
                "servers": found.cluster.name,
                "load": load,
                "policy": policy,
                "mean_since_s": means[policy],
                "p99_since_s": p99,
                "recovery_s": after_s if np.isfinite(after_s) else None,
            }
        )
    return bold_best(cells, means)
