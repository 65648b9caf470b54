"""Training in episodes: one simulated load after another, with a look at held-out seeds now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.protocol import Balancer
from rilaas.balance.simulation import Load, simulate
from rilaas.balance.simulation.suite import LoadSuite
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
    training_seed,
)

_VALIDATION_SEEDS = 2
_TELL_EVERY_S = 0.2

Learned = tuple[dict[str, np.ndarray], dict[str, Any]]


class Learner(Protocol):
    """What learns in episodes."""

    @property
    def kind(self) -> str:
        """The policy's name in the registry."""
        ...

    def begin(self, share: float) -> Balancer:
        """The policy of the next episode, which explores as much as befits this share of the training."""
        ...

    def end(self) -> None:
        """The episode is over."""
        ...

    def frozen(self) -> Balancer:
        """What it has learned, without exploration."""
        ...

    def learned(self) -> Learned:
        """Arrays and card, copied."""
        ...

    def note(self) -> str:
        """What there is to say of its state."""
        ...


def train_in_episodes(
    learner: Learner, suite: LoadSuite, *, seed: int, limit: Limit, tell: Tell, steps: int, points: int
) -> Trained:
    """Let a learner see the training loads, each as often as the others, and keep its best policy.

    Args:
        learner: That learns.
        suite: Its training loads are seen with seeds of the training, and validated with others.
        seed: See ``Trainer``.
        limit: See ``Trainer``.
        tell: See ``Trainer``.
        steps: Where the limit names none.
        points: Of the curve, equally far from each other on the way.

    Raises:
        InvalidInput: The suite has no load to train on.
        KeyboardInterrupt: Ctrl-C before the first point of the curve.
    """
    check_trainable(suite)
    reference_s = validate(suite, LeastConnections)
    clock, curve = Clock(limit, steps), list[CurvePoint]()
    best: Learned | None = None
    is_whole, told_s = True, -_TELL_EVERY_S
    try:
        for done in _episodes(learner, suite, seed, clock):
            share, point = clock.share(done), None
            if share >= (len(curve) + 1) / points or share >= 1.0:
                point = CurvePoint(done, validate(suite, learner.frozen))
                if point.mean_s <= min((each.mean_s for each in curve), default=np.inf):
                    best = learner.learned()
                curve.append(point)
            if point is not None or clock.elapsed_s - told_s >= _TELL_EVERY_S:
                told_s = clock.elapsed_s
                tell(Progress(done, share, told_s, point, reference_s, learner.note()))
    except KeyboardInterrupt:
        if best is None:
            raise
        is_whole = False
    assert best is not None, "the last episode is followed by a point of the curve"
    arrays, card = best
    kept = min(curve, key=lambda each: each.mean_s)
    card = {**card, **origin(suite, seed, kept.steps), "curve": [[each.steps, each.mean_s] for each in curve]}
    return Trained(learner.kind, arrays, card, tuple(curve), reference_s, seed, is_whole)


def validate(suite: LoadSuite, make: Callable[[], Balancer]) -> float:
    """Mean latency over the training loads, each with seeds that no training sees [s].

    Args:
        suite: Whose loads.
        make: A fresh policy for each.
    """
    means = [
        simulate(suite.cluster, load, lambda _: make(), VALIDATION_SEED + k).mean_s()
        for load in suite.train
        for k in range(_VALIDATION_SEEDS)
    ]
    return float(np.mean(means))


def _episodes(learner: Learner, suite: LoadSuite, seed: int, clock: Clock) -> Iterator[int]:
    """Steps done after each episode."""
    steps, number = 0, 0
    for load in _in_turn(suite.train, seed):
        balancer = learner.begin(clock.share(steps))
        run = simulate(suite.cluster, load, lambda _, policy=balancer: policy, training_seed(seed, number))  # type: ignore[misc]
        learner.end()
        steps, number = steps + len(run), number + 1
        yield steps
        if clock.share(steps) >= 1.0:
            return


def _in_turn(loads: Sequence[Load], seed: int) -> Iterator[Load]:
    """All of them in a random order, again and again."""
    rng = np.random.default_rng([seed, len(loads)])
    while True:
        for i in rng.permutation(len(loads)):
            yield loads[i]
