"""Training of the price that ``marginal_cost`` goes by: measured, fitted, measured again with what was fitted.

The first round measures placements under shortest expected delay, each further one under the price of all rounds
before, and the network is fitted to everything measured so far (policy iteration with aggregated data). It is trained
on random fleets, never on a suite: the suite's training loads only show how good it has become.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.marginal_cost import MarginalCost, Price
from rilaas.balance.marginal_cost.feature import NAMES, VERSION
from rilaas.balance.marginal_cost.price import KIND, LAYERS
from rilaas.balance.protocol import Balancer
from rilaas.balance.simulation import simulate
from rilaas.balance.simulation.suite import LoadSuite
from rilaas.learn.balancing.price_data import Network, Samples, measure
from rilaas.learn.balancing.price_fit import blank, fit
from rilaas.learn.balancing.trainer import (
    VALIDATION_SEED,
    Clock,
    CurvePoint,
    Limit,
    Progress,
    Tell,
    Trained,
    check_trainable,
    origin,
)

STEPS = 60_000  # placements measured
ROUNDS = 4
_OF_FLEET = 20  # of each random fleet
_FLEETS = 5  # measured between two looks at the clock


def train_marginal_cost(suite: LoadSuite, *, seed: int, limit: Limit, tell: Tell) -> Trained:
    """See ``Trainer``; 60,000 measured placements in four rounds where the limit names none."""
    check_trainable(suite)
    clock = Clock(limit, STEPS)
    training = _Training(suite, seed, clock, tell)
    try:
        for round_ in range(ROUNDS):
            training.round(round_, (round_ + 1) / ROUNDS)
    except KeyboardInterrupt:
        if not training.curve:
            raise
        return training.result(is_whole=False)
    return training.result(is_whole=True)


class _Training:
    def __init__(self, suite: LoadSuite, seed: int, clock: Clock, tell: Tell) -> None:
        self._suite, self._seed, self._clock, self._tell = suite, seed, clock, tell
        self._steps = 0
        self._samples: Samples | None = None
        self._network, self._strength = blank(), 0.0
        self._best, self._best_s, self._best_steps = self._network, float("inf"), 0
        self._reference_s = validated(suite, LeastConnections)
        self.curve: list[CurvePoint] = []

    def round(self, round_: int, until: float) -> None:
        """Measure until a share of the way, fit, validate."""
        fleet = 0
        while fleet == 0 or self._clock.share(self._steps) < until:
            found = measure(_FLEETS, _OF_FLEET, self._network, self._strength, (self._seed, round_, fleet))
            self._samples = found if self._samples is None else self._samples + found
            self._steps += _FLEETS * _OF_FLEET
            fleet += 1
            self._say(f"round {round_ + 1} of {ROUNDS}: measuring")
        assert self._samples is not None
        self._network = fit(self._samples, self._seed, lambda epoch, loss: self._say(f"fitting, loss {loss:.3f}"))
        self._strength = 1.0
        price = price_of(self._network)
        point = CurvePoint(self._steps, validated(self._suite, lambda: MarginalCost(price)))
        self.curve.append(point)
        if point.mean_s < self._best_s:
            self._best, self._best_s, self._best_steps = self._network, point.mean_s, point.steps
        self._say("", point)

    def result(self, *, is_whole: bool) -> Trained:
        """The best network so far."""
        card = {**origin(self._suite, self._seed, self._best_steps), "features": VERSION, "names": list(NAMES)}
        return Trained(KIND, arrays_of(self._best), card, tuple(self.curve), self._reference_s, self._seed, is_whole)

    def _say(self, note: str, point: CurvePoint | None = None) -> None:
        share = self._clock.share(self._steps)
        self._tell(Progress(self._steps, share, self._clock.elapsed_s, point, self._reference_s, note))


def arrays_of(network: Network) -> dict[str, np.ndarray]:
    """A network as ``write_learned`` takes it."""
    return dict(zip(LAYERS, network, strict=True))


def price_of(network: Network) -> Price:
    """A network as the policy takes it."""
    return Price(arrays_of(network), {"features": VERSION})


def validated(suite: LoadSuite, make: Callable[[], Balancer]) -> float:
    """Mean latency of fresh policies over a suite's training loads, with a seed that no training sees [s]."""
    runs = [simulate(suite.cluster, load, lambda index: make(), VALIDATION_SEED) for load in suite.train]
    return float(np.mean([np.mean([run.mean_s(model) for model in run.load.models]) for run in runs]))
