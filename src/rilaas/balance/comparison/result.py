"""What came of a comparison: means with intervals, paired differences, where requests went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.comparison.capacity import offered_load
from rilaas.balance.comparison.digest import BINS, Digest
from rilaas.balance.simulation import Cluster, Load
from rilaas.report import Metric, Percentiles, summarize

Values = NDArray[np.float64]

OVERLOADED = 1.1
"""From this use of a server on its queue grows until the end of a run; less above 1 is what always waits there."""

SAME_WITHIN = 0.01
"""Policies whose means are nearer than this share do not differ in a way that anybody would notice."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Runs of several policies on the same loads with the same seeds.

    Attributes:
        cluster: The servers.
        loads: In the order given.
        policies: In the order given.
        reference: The one with which the others are compared.
        interceptors: How many chose servers.
        digests: One per seed that was run, by the names of load and policy, in the order of seeds.
        is_whole: Whether all was run that was to be; not where it was interrupted.
    """

    cluster: Cluster
    loads: tuple[Load, ...]
    policies: tuple[str, ...]
    reference: str
    interceptors: int
    digests: Mapping[tuple[str, str], tuple[Digest, ...]] = field(repr=False)
    is_whole: bool = True

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of which there is a run."""
        return tuple(sorted({digest.seed for digests in self.digests.values() for digest in digests}))

    def models_of(self, load: Load) -> list[tuple[str, int]]:
        """The models that a load asks for, each with its index in the cluster."""
        return [(name, self.cluster.models.index(name)) for name in load.models]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of servers, ``edge`` before ``cloud`` before others."""
        order = ("edge", "cloud")
        found = dict.fromkeys(server.kind for server in self.cluster.servers)
        return tuple(sorted(found, key=lambda kind: order.index(kind) if kind in order else len(order)))

    def mean(self, load: str | None, policy: str, model: int | None = None) -> Metric:
        """Mean latency [s] with its 95 % interval over seeds.

        Args:
            load: Its name; None for the mean over all loads.
            policy: Its name.
            model: Its index in the cluster; None for the mean of the models' means.
        """
        seeds = self._paired(load, (policy,), model)
        return summarize([self._mean_s(seed, load, policy, model) for seed in seeds], "s", "lower")

    def difference(self, load: str | None, policy: str, model: int | None = None, *, to: str = "") -> Metric:
        """Mean over seeds of (own mean / the reference's mean - 1) with its 95 % interval; n=0 where none is paired.

        Args:
            load: Its name; None for the mean over all loads.
            policy: Its name.
            model: Its index in the cluster; None for the mean of the models' means.
            to: Compared with this policy; with the reference where ''.
        """
        other = to or self.reference
        shares = [
            self._mean_s(seed, load, policy, model) / self._mean_s(seed, load, other, model) - 1.0
            for seed in self._paired(load, (policy, other), model)
        ]
        return summarize(shares, "1", "lower")

    def percentiles(self, load: str, policy: str, model: int) -> Percentiles:
        """Of the latencies of all seeds together [s]."""
        parts = [digest.latency_s[model] for digest in self.digests[load, policy]]
        values = np.concatenate(parts) if parts else np.empty(0, np.float32)
        return Percentiles.of(values[np.isfinite(values)])

    def share(self, load: str, policy: str, servers: Sequence[int], model: int | None = None) -> float:
        """Which share of the answers came from some servers, by their indices; NaN where there was no answer."""
        counts = sum(digest.bin_count.sum(axis=2) for digest in self.digests[load, policy])
        if not isinstance(counts, np.ndarray):
            return float("nan")
        rows = counts if model is None else counts[[model]]
        return float(rows[:, list(servers)].sum() / rows.sum()) if rows.sum() else float("nan")

    def servers_of(self, kind: str) -> list[int]:
        """Indices of the servers of a kind."""
        return [i for i, server in enumerate(self.cluster.servers) if server.kind == kind]

    def failed(self, load: str, policy: str) -> int:
        """Requests that nobody answered, all seeds together."""
        return sum(digest.failed for digest in self.digests[load, policy])

    def busiest(self, load: str, policy: str) -> float:
        """The largest mean use of a server; see ``Digest.use``."""
        uses = [digest.use for digest in self.digests[load, policy]]
        return float(np.mean(uses, axis=0).max()) if uses else float("nan")

    def overloads(self, load: str, policy: str) -> bool:
        """Whether a policy sends a server more than that can do: its means then grow with the length of the run."""
        return self.busiest(load, policy) >= OVERLOADED

    def rate_per_s(self, load: Load) -> dict[str, float]:
        """Requests per second by model, as the reference met them; robots in closed loop wait for their answers."""
        counts = [digest.bin_rate.sum(axis=1) for digest in self.digests[load.name, self.reference]]
        mean = np.mean(counts, axis=0) / load.duration_s if counts else np.zeros(len(self.cluster.models))
        return dict(zip(self.cluster.models, mean.tolist(), strict=True))

    def offered(self, load: Load) -> float:
        """The load's share of what the servers can do; above 1 no policy is stable."""
        return offered_load(self.cluster, self.rate_per_s(load))

    def standings(self) -> list[str]:
        """Policies by their mean over all loads, the best first; those without a whole seed last."""
        means = dict.fromkeys(self.policies, np.inf)
        for policy in self.policies:
            if seeds := self._paired(None, (policy,), None):
                means[policy] = float(np.mean([self._mean_s(seed, None, policy, None) for seed in seeds]))
        return sorted(self.policies, key=lambda name: means[name])

    def decision_s(self, policy: str) -> float:
        """Median over the runs of the median time of a decision [s]; NaN where nothing was run."""
        times = [d.decision_s for load in self.loads for d in self.digests[load.name, policy]]
        return float(np.median(times)) if times else float("nan")

    def over_time(self, load: str, policy: str, model: int) -> tuple[Values, dict[str, Values]]:
        """Mean latency [s] and share by kind of server in each bin of time, all seeds together.

        Returns:
            (B,) and (B,) by kind; NaN where no request came.
        """
        digests = self.digests[load, policy]
        if not digests:
            none = np.full(BINS, np.nan)
            return none, dict.fromkeys(self.kinds, none)
        count = np.sum([digest.bin_count[model] for digest in digests], axis=0).astype(np.float64)
        total = np.sum([digest.bin_latency_s[model] for digest in digests], axis=0)
        every = np.where(count.sum(axis=0) > 0, count.sum(axis=0), np.nan)
        return total / every, {kind: count[self.servers_of(kind)].sum(axis=0) / every for kind in self.kinds}

    def rate_over_time(self, load: Load, model: int) -> Values:
        """(B,) requests per second in each bin, as the reference met them."""
        counts = [digest.bin_rate[model] for digest in self.digests[load.name, self.reference]]
        rate: Values = np.mean(counts, axis=0) * (BINS / load.duration_s) if counts else np.zeros(BINS)
        return rate

    def _names(self, load: str | None) -> list[str]:
        return [each.name for each in self.loads] if load is None else [load]

    def _paired(self, load: str | None, policies: Sequence[str], model: int | None) -> list[int]:
        """Seeds with which all of some policies ran a load, or all loads, and had an answer."""
        runs = [
            {digest.seed for digest in self.digests[name, policy] if np.isfinite(digest.mean_s(model))}
            for name in self._names(load)
            for policy in policies
        ]
        return sorted(set.intersection(*runs))

    def _mean_s(self, seed: int, load: str | None, policy: str, model: int | None) -> float:
        def of(name: str) -> float:
            return next(digest.mean_s(model) for digest in self.digests[name, policy] if digest.seed == seed)

        return float(np.mean([of(name) for name in self._names(load)]))


def differs(difference: Metric) -> bool:
    """Whether a difference is more than chance and more than ``SAME_WITHIN``."""
    return difference.n > 0 and not difference.low <= 0.0 <= difference.high and abs(difference.mean) >= SAME_WITHIN
