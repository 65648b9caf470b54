"""What came of a simulation: one row per request."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rilaas.balance.simulation.cluster import Cluster
from rilaas.balance.simulation.load import Load
from rilaas.core import NotFound, did_you_mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The requests of one simulation, in the order in which they were asked; all arrays have shape (N,).

    Attributes:
        cluster: What was simulated.
        load: What was asked of it.
        seed: Of what chance decided.
        robot: Who asked; -1 in an open loop.
        interceptor: Through whom.
        model: Index into ``cluster.models``.
        at_s: When it was asked [s].
        latency_s: From then to the answer, over all attempts, or to the failure [s].
        wait_s: In the server's queue, on the last attempt [s]; nan where there was no answer.
        service_s: Inference, on the last attempt [s]; nan where there was no answer.
        server: Index into ``cluster.servers`` of the last attempt; -1 where no server could be asked.
        attempts: How many servers were asked.
        ok: Whether there was an answer.
        decision_s: Median time that the policy took to choose, on this machine's clock [s]; nan where it never did.
    """

    cluster: Cluster
    load: Load
    seed: int
    robot: Ints
    interceptor: Ints
    model: Ints
    at_s: Floats
    latency_s: Floats
    wait_s: Floats
    service_s: Floats
    server: Ints
    attempts: Ints
    ok: Bools
    decision_s: float = field(default=float("nan"))

    def __len__(self) -> int:
        return len(self.at_s)

    @property
    def ok_share(self) -> float:
        """Share of the requests that were answered; nan where there were none."""
        return float(self.ok.mean()) if len(self) else float("nan")

    def of(self, model: str | int | None = None) -> Bools:
        """Which rows are answered requests of a model, given by name or index, or of any."""
        if model is None:
            return self.ok
        if isinstance(model, str):
            if model not in self.cluster.models:
                raise NotFound(f"No model {model!r} was asked for.", did_you_mean(model, self.cluster.models))
            model = self.cluster.models.index(model)
        return np.asarray(self.ok & (self.model == model))

    def mean_s(self, model: str | int | None = None) -> float:
        """Mean latency of the answered requests of a model [s].

        Without a model it is the mean over the models of each one's mean, as the document's figures are read: not
        the mean over requests, where the models' numbers differ. nan where nothing was answered.
        """
        if model is None:
            means = [self.mean_s(index) for index in np.unique(self.model[self.ok]).tolist()]
            return float(np.mean(means)) if means else float("nan")
        found = self.latency_s[self.of(model)]
        return float(found.mean()) if len(found) else float("nan")

    def quantile_s(self, q: float, model: str | int | None = None) -> float:
        """Quantile of the latency of the answered requests of a model, or of all requests together [s]."""
        found = self.latency_s[self.of(model)]
        return float(np.quantile(found, q)) if len(found) else float("nan")
