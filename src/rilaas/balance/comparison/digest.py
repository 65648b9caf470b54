"""What a comparison keeps of one run: small enough for thousands of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.simulation import Run

BINS = 40
"""Into how many parts a run's time is cut for figures."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Digest:
    """One run of one policy; K models of the cluster, N servers, B bins of the time in which requests come.

    Attributes:
        seed: Of the run.
        at_s: (n,) float32 when each request came [s], by model.
        latency_s: (n,) float32 how long its answer took, attempts that failed included [s], by model; NaN where none
            came.
        means_s: (K,) mean latency of each model [s]; NaN where nothing was answered.
        bin_latency_s: (K, B) sum of the latencies of the requests that came in each bin and were answered [s].
        bin_count: (K, N, B) how many of them each server answered.
        bin_rate: (K, B) requests that came in each bin, answered or not.
        use: (N,) work that was sent to each server while requests came, as a share of what it can do in that time.
            What is in the queue at the end is part of it: a busy server may be a little above 1 and still stable.
        retries: Attempts beyond the first, all requests together.
        decision_s: Median time of a decision [s].
    """

    seed: int
    at_s: tuple[NDArray[np.float32], ...]
    latency_s: tuple[NDArray[np.float32], ...]
    means_s: Floats
    bin_latency_s: Floats
    bin_count: Counts
    bin_rate: Counts
    use: Floats
    retries: int
    decision_s: float

    @property
    def failed(self) -> int:
        """Requests that nobody answered."""
        return sum(int(np.isnan(values).sum()) for values in self.latency_s)

    def mean_s(self, model: int | None = None) -> float:
        """Mean latency of one model, or the mean of the models' means: "mean of both" where there are two [s].

        Args:
            model: Its index; None for the mean over the models that were asked for.

        Returns:
            NaN where nothing was answered.
        """
        if model is not None:
            return float(self.means_s[model])
        asked = [mean for mean, values in zip(self.means_s.tolist(), self.latency_s, strict=True) if len(values)]
        return sum(asked) / len(asked) if asked else float("nan")


def digest(run: Run) -> Digest:
    """What is kept of a run."""
    models, servers = len(run.cluster.models), len(run.cluster.servers)
    duration_s = run.load.duration_s
    ok, model, server = run.ok, run.model, run.server
    latency = np.where(ok, run.latency_s, np.nan)
    bins = np.clip((run.at_s / duration_s * BINS).astype(np.int64), 0, BINS - 1)
    count = np.zeros((models, servers, BINS), np.int64)
    np.add.at(count, (model[ok], server[ok], bins[ok]), 1)
    total, rate = np.zeros((models, BINS)), np.zeros((models, BINS), np.int64)
    np.add.at(total, (model[ok], bins[ok]), latency[ok])
    np.add.at(rate, (model, bins), 1)
    by_model = [latency[model == k] for k in range(models)]
    return Digest(
        seed=run.seed,
        at_s=tuple(run.at_s[model == k].astype(np.float32) for k in range(models)),
        latency_s=tuple(values.astype(np.float32) for values in by_model),
        means_s=np.array([v[np.isfinite(v)].mean() if np.isfinite(v).any() else np.nan for v in by_model]),
        bin_latency_s=total,
        bin_count=count,
        bin_rate=rate,
        use=_use(run),
        retries=int((run.attempts - 1).clip(0).sum()),
        decision_s=run.decision_s,
    )


def _use(run: Run) -> Floats:
    """(N,) see ``Digest.use``; of a server with stations of its own for each model that of the busiest."""
    use = np.zeros(len(run.cluster.servers))
    for i, server in enumerate(run.cluster.servers):
        there = run.ok & (run.server == i)
        for pool, slots in server.slots_by_model.items():
            mine = there & (run.model == run.cluster.models.index(pool)) if pool else there
            use[i] = max(use[i], run.service_s[mine].sum() / (slots * run.load.duration_s))
    return use
