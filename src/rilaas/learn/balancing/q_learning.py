"""Training of the document's Q-learning: the policy that learns on line, let loose on simulated loads."""

from __future__ import annotations

from rilaas.balance.protocol import Balancer
from rilaas.balance.q_learning import EPSILON, KIND, QLearning
from rilaas.balance.simulation.suite import LoadSuite
from rilaas.learn.balancing.episode import Learned, train_in_episodes
from rilaas.learn.balancing.trainer import Limit, Tell, Trained

STEPS = 1_500_000
POINTS = 25
FIRST_EPSILON = 0.2


class _Learner:
    """Epsilon falls from ``FIRST_EPSILON`` to that of on-line use, linearly over the training."""

    kind = KIND

    def __init__(self, suite: LoadSuite, seed: int) -> None:
        self._policy = QLearning([server.name for server in suite.cluster.servers], seed=seed)

    def begin(self, share: float) -> Balancer:
        self._policy.forget_open()
        self._policy.epsilon = FIRST_EPSILON + share * (EPSILON - FIRST_EPSILON)
        return self._policy

    def end(self) -> None:
        """Everything was learned in the episode."""

    def frozen(self) -> Balancer:
        return self._policy.frozen()

    def learned(self) -> Learned:
        return self._policy.learned()

    def note(self) -> str:
        return f"exploring {100 * self._policy.epsilon:.0f} %"


def train_q_learning(suite: LoadSuite, *, seed: int, limit: Limit, tell: Tell) -> Trained:
    """See ``Trainer``; 1.5 million decisions where the limit names none."""
    return train_in_episodes(
        _Learner(suite, seed), suite, seed=seed, limit=limit, tell=tell, steps=STEPS, points=POINTS
    )
