"""Training of deep Q-learning: replay, a target network, double Q-targets.

Sources: Mnih et al., Human-level control through deep reinforcement learning, Nature 518, 2015 (replay, target
network, Huber loss); van Hasselt, Guez & Silver, Deep reinforcement learning with double Q-learning, AAAI 2016 (the
online network chooses, the target network values). State, actions and reward are those of ``balance.q_learning``.

Requests are simulated with the network in numpy, and gradients are taken between episodes: the simulator asks one
request at a time, for which torch is slow.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from rilaas.balance.counted_state import FEATURES, Counts, ServerSet
from rilaas.balance.deep_q import KIND, MOST, SCALE, DeepQ, QNetwork, inputs_of
from rilaas.balance.delayed_reward import Decision, DelayedRewards
from rilaas.balance.protocol import Balancer, Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.simulation.suite import LoadSuite
from rilaas.learn.balancing.episode import Learned, train_in_episodes
from rilaas.learn.balancing.trainer import Limit, Tell, Trained

STEPS = 300_000
POINTS = 20
DISCOUNT = 0.9
FIRST_EPSILON, LAST_EPSILON = 0.5, 0.02
HIDDEN = 64
CAPACITY, BATCH = 50_000, 128
STEPS_PER_UPDATE = 2  # decisions of an agent for each gradient
FIRST_RATE, LAST_RATE = 1e-3, 5e-5
TARGET_EVERY = 250  # gradients
REWARD_SCALE = 0.1  # rewards lie between -1 and -121; those of a network better near 1


class Replay:
    """Transitions of one agent; above ``CAPACITY`` the oldest go.

    Args:
        inputs: How many numbers a state has.
        seed: Of the batches.
    """

    def __init__(self, inputs: int, seed: Sequence[int]) -> None:
        self._state, self._next = (np.zeros((CAPACITY, inputs), np.float32) for _ in range(2))
        self._action, self._reward = np.zeros(CAPACITY, np.int64), np.zeros(CAPACITY, np.float32)
        self._rng = np.random.default_rng(seed)
        self.added = 0

    def add(self, step: Decision) -> None:
        """One more transition, which is complete."""
        assert step.reward is not None
        assert step.following is not None
        i = self.added % CAPACITY
        self._state[i], self._next[i] = inputs_of(step.state), inputs_of(step.following)
        self._action[i], self._reward[i] = step.action, REWARD_SCALE * step.reward
        self.added += 1

    def batch(self) -> tuple[torch.Tensor, ...]:
        """States (B, 2 N) float32, actions (B,) int64, scaled rewards (B,) float32, next states (B, 2 N) float32."""
        i = self._rng.integers(0, min(self.added, CAPACITY), BATCH)
        return tuple(torch.from_numpy(each[i]) for each in (self._state, self._action, self._reward, self._next))


class Agent:
    """Network, target network and replay of one model.

    Args:
        servers: How many.
        seed: Of weights and batches.
    """

    def __init__(self, servers: int, seed: Sequence[int]) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng(seed).integers(2**31)))
            self._online, self._target = (_network(servers) for _ in range(2))
        self._target.load_state_dict(self._online.state_dict())
        self._optimizer = torch.optim.Adam(self._online.parameters(), FIRST_RATE)
        self.replay = Replay(2 * servers, seed)
        self._learned_from, self._updates = 0, 0
        self.acting = self._in_numpy()

    def learn(self, share: float) -> None:
        """One gradient for every few decisions since the last time; then the new network acts.

        Args:
            share: Of the training, 0 to 1; the rate of learning falls with it, geometrically.
        """
        if self.replay.added < BATCH:
            return
        for group in self._optimizer.param_groups:
            group["lr"] = FIRST_RATE * (LAST_RATE / FIRST_RATE) ** share
        while self._learned_from + STEPS_PER_UPDATE <= self.replay.added:
            self._learned_from += STEPS_PER_UPDATE
            self._update()
        self.acting = self._in_numpy()

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases, copied."""
        linear = [layer for layer in self._online if isinstance(layer, nn.Linear)]
        return [(layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()) for layer in linear]

    def _update(self) -> None:
        state, action, reward, following = self.replay.batch()
        with torch.no_grad():
            best = self._online(following).argmax(1, keepdim=True)
            target = reward + DISCOUNT * self._target(following).gather(1, best).squeeze(1)
        value = self._online(state).gather(1, action[:, None]).squeeze(1)
        loss = nn.functional.smooth_l1_loss(value, target)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._updates += 1
        if self._updates % TARGET_EVERY == 0:
            self._target.load_state_dict(self._online.state_dict())

    def _in_numpy(self) -> QNetwork:
        return QNetwork(self.layers())


class _Exploring:
    """The policy of an episode: epsilon-greedy, and everything is remembered."""

    def __init__(self, servers: ServerSet, agents: Mapping[str, Agent], epsilon: float, rng: random.Random) -> None:
        self._set, self._agents, self._epsilon, self._random = servers, agents, epsilon, rng
        self._delayed = DelayedRewards()

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        left = candidates(request, servers)
        state = self._set.counts(request.model, servers)
        assert state is not None, "a suite's cluster has the servers that it has"
        action = self._action(request.model, state, [self._set.place[server.name] for server in left])
        self._keep(self._delayed.decided(request, state, action))
        return self._set.names[action]

    def observe(self, outcome: Outcome) -> None:
        self._keep(self._delayed.ended(outcome))

    def weighing(self) -> Weighing | None:
        return None

    def _action(self, model: str, state: Counts, actions: Sequence[int]) -> int:
        if self._random.random() < self._epsilon:
            return self._random.choice(actions)
        values = self._agents[model].acting.values(state)
        return max(actions, key=lambda action: values[action])

    def _keep(self, step: Decision | None) -> None:
        if step is not None:
            self._agents[step.request.model].replay.add(step)


class _Learner:
    """Epsilon falls linearly over the first half of the training, then stays."""

    kind = KIND

    def __init__(self, suite: LoadSuite, seed: int) -> None:
        self._names = [server.name for server in suite.cluster.servers]
        models = dict.fromkeys(model for load in suite.train for model in load.models)
        self._agents = {model: Agent(len(self._names), [seed, i]) for i, model in enumerate(models)}
        self._random = random.Random(seed)
        self._share = 0.0

    @property
    def _epsilon(self) -> float:
        return max(LAST_EPSILON, FIRST_EPSILON + 2.0 * self._share * (LAST_EPSILON - FIRST_EPSILON))

    def begin(self, share: float) -> Balancer:
        self._share = share
        return _Exploring(ServerSet(self._names), self._agents, self._epsilon, self._random)

    def end(self) -> None:
        for agent in self._agents.values():
            agent.learn(self._share)

    def frozen(self) -> Balancer:
        return DeepQ(self._names, {model: agent.acting for model, agent in self._agents.items()})

    def learned(self) -> Learned:
        arrays: dict[str, np.ndarray] = {}
        for i, agent in enumerate(self._agents.values()):
            for k, (weight, bias) in enumerate(agent.layers()):
                arrays |= {f"{i}.weight{k}": weight, f"{i}.bias{k}": bias}
        card: dict[str, Any] = {
            "servers": self._names,
            "models": list(self._agents),
            "features": list(FEATURES),
            "discount": DISCOUNT,
            "scale": SCALE,
            "most": MOST,
        }
        return arrays, card

    def note(self) -> str:
        return f"exploring {100 * self._epsilon:.0f} %"


def _network(servers: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2 * servers, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, servers)
    )


def train_deep_q(suite: LoadSuite, *, seed: int, limit: Limit, tell: Tell) -> Trained:
    """See ``Trainer``; 300,000 decisions where the limit names none."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are small: a second thread costs more than it does
    try:
        return train_in_episodes(
            _Learner(suite, seed), suite, seed=seed, limit=limit, tell=tell, steps=STEPS, points=POINTS
        )
    finally:
        torch.set_num_threads(threads)
