"""Q-learning as the RILaaS document has it: one agent per model learns which server answers soonest.

Source: Tanwani et al., RILaaS, section V, eqs. 1 and 2. State: requests in flight of the agent's model and of all
models, for each of a fixed set of servers. Action: a server. Reward: -(1 + latency)^2. With a small probability
epsilon a random server is tried. The update is Watkins' (Q-learning, Machine Learning 8, 1992), made when both the
answer to a decision and the agent's next decision are there:

    Q(s, a) <- Q(s, a) + step (r + discount max_a' Q(s', a') - Q(s, a)).

What the document leaves open, and how it is read here: counts are put into bins (``q_table.EDGES``); Q begins at 0,
above every reward, so that each action of a state is tried once; a failed attempt counts as one of 10 s.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rilaas.balance.counted_state import FEATURES, Counts, ServerSet, check_card, check_trained_for, weigh_q
from rilaas.balance.delayed_reward import Decision, DelayedRewards
from rilaas.balance.learned_file import pack_learned, read_learned, unpack_learned
from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates
from rilaas.balance.q_table import EDGES, Bins, QFunction, StepSize, make_q, read_q
from rilaas.core import InvalidInput

if TYPE_CHECKING:
    from rilaas.balance.registry import Setting

KIND = "q_learning"
DISCOUNT = 0.85
EPSILON = 0.01  # on line; a training begins with more
LEAST_STEP = 0.01
_MOST_SERVERS, _MOST_AGENTS = 64, 256
_RULE = "The largest Q: reward to be expected from this placement and those that follow, of this model's agent."


class QLearning:
    """Tabular Q-learning, or linear in tiles for three servers and more; see the module.

    What it does where the table does not help is least connections among all servers, counted in ``fallbacks`` by
    its reason and told by ``weighing``: a server that it was not trained with (the document: "needs to be
    retrained"), a model without an agent, a state in which no server was ever tried. Without a file it begins with
    nothing, learns on line, and begins anew when a server joins. A server that fails or is silent earns the reward
    of a latency of at least 10 s, and is avoided in that state once that was learned; on line that takes many
    requests, so taking it out stays the interceptor's work. One that is gone counts as idle and is not chosen.

    Args:
        servers: Names of the servers that it is for; None takes those that it meets.
        seed: Of the exploration.
        online: Whether it goes on learning from outcomes, and exploring.
        epsilon: Probability of a random server while it learns.
        discount: Of future rewards, per decision of the same agent.
        least_step: Below this the step of an update does not fall.
        edges: Where the bins of the counts begin, after the first.

    Raises:
        InvalidInput: There are more than 64 servers, or the edges do not rise.
    """

    def __init__(
        self,
        servers: Sequence[str] | None = None,
        *,
        seed: int | None = None,
        online: bool = True,
        epsilon: float = EPSILON,
        discount: float = DISCOUNT,
        least_step: float = LEAST_STEP,
        edges: Sequence[int] = EDGES,
    ) -> None:
        self.epsilon, self.discount, self.online = epsilon, discount, online
        self.fallbacks: Counter[str] = Counter()
        self.agents: dict[str, QFunction] = {}
        if servers is not None and len(servers) > _MOST_SERVERS:
            raise InvalidInput(f"Q-learning is for at most {_MOST_SERVERS} servers; got {len(servers)}.")
        self.bins, self._step = Bins(edges), StepSize(least_step)
        self._takes_new, self._set = servers is None, ServerSet(servers or ())
        self._random = random.Random(seed)
        self._delayed = DelayedRewards()
        self._fallback = LeastConnections()
        self._last: tuple[Sequence[ServerView], Counts, QFunction] | None = None
        self._why = ""  # the last choice was least connections
        self._card: Mapping[str, Any] = {}
        self._origin = ""  # digest of the file that it began with

    @classmethod
    def of(cls, setting: Setting) -> QLearning:
        """As the registry makes it: the file's, or one that begins with nothing and learns on line."""
        if setting.path is None:
            return cls(seed=setting.seed)
        return cls.read(setting.path, seed=setting.seed, online=setting.online)

    @classmethod
    def read(cls, path: Path, *, seed: int | None = None, online: bool = False) -> QLearning:
        """One that was trained.

        Args:
            path: File of ``rilaas learn balancer --policy q_learning``.
            seed: Of the exploration.
            online: Whether it goes on learning.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It is not one of these, or was trained for other features.
        """
        arrays, card = read_learned(path, KIND)
        check_card(card, KIND, path)
        try:
            made = cls(
                card["servers"],
                seed=seed,
                online=online,
                discount=float(card["discount"]),
                least_step=float(card["least_step"]),
                edges=[int(edge) for edge in card["bin_edges"]],
            )
            made._take_agents(arrays, card)
        except (KeyError, TypeError, ValueError, IndexError, InvalidInput) as error:
            raise InvalidInput(
                f"{path} does not hold what its card says: {error}.",
                f"Train anew: rilaas learn balancer --policy {KIND} --out {path}.",
            ) from None
        made._card = card
        made._origin = hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()
        return made

    def check_servers(self, servers: Collection[str]) -> None:
        """Check that it was trained for these servers, before a deployment relies on it.

        Raises:
            InvalidInput: It was trained for others; the message says for which.
        """
        if self._card:
            check_trained_for(self._card, KIND, servers)

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = candidates(request, servers)
        state, agent = self._seen(request.model, servers)
        if state is None or agent is None:
            return self._fall_back(request, left)
        action = self._action(agent, state, left)
        if action < 0:
            return self._fall_back(request, left)
        self._last, self._why = (left, state, agent), ""
        if self.online:
            self._learn(self._delayed.decided(request, state, action))
        return self._set.names[action]

    def observe(self, outcome: Outcome) -> None:
        """See ``Balancer.observe``."""
        if self.online:
            self._learn(self._delayed.ended(outcome))

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``: p and q of the state, and Q."""
        if self._why:
            told = self._fallback.weighing()
            return told and Weighing(told.servers, told.figures, f"Least connections, because {self._why}.")
        if self._last is None:
            return None
        left, state, agent = self._last
        return weigh_q(self._set, left, state, agent.values(state), _RULE)

    def forget_open(self) -> None:
        """Forget decisions that wait for their reward: what comes next is another episode."""
        self._delayed.clear()

    def frozen(self) -> QLearning:
        """The same Q-functions in a policy that neither learns nor explores."""
        made = QLearning(self._set.names, online=False, discount=self.discount, edges=self.bins.edges)
        made.agents = self.agents
        return made

    def learned(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and card for ``write_learned``; whoever trained it adds where it comes from."""
        models = sorted(self.agents)
        arrays = {f"{i}.{n}": a for i, model in enumerate(models) for n, a in self.agents[model].arrays().items()}
        card = {
            "servers": list(self._set.names),
            "models": models,
            "features": list(FEATURES),
            "bin_edges": list(self.bins.edges),
            "discount": self.discount,
            "least_step": self._step.least,
        }
        return arrays, card

    def guard(self) -> dict[str, float]:
        """``fallback``: 1 where the last choice was least connections; ``fallbacks``: how many were."""
        return {"fallback": float(bool(self._why)), "fallbacks": float(sum(self.fallbacks.values()))}

    def state(self) -> bytes:
        """What it has learned until now, for ``restore``; nothing where it does not learn."""
        if not self.online:
            return b""
        arrays, card = self.learned()
        return pack_learned(KIND, arrays, {**card, "origin": self._origin})

    def restore(self, state: bytes) -> None:
        """Go on from a state; nothing happens where it does not learn, or had learned nothing.

        Raises:
            InvalidInput: It is no state, or that of a policy that began with another file.
        """
        if not state or not self.online:
            return
        arrays, card = unpack_learned(state, KIND, "the kept state")
        if card.get("origin") != self._origin or card.get("bin_edges") != list(self.bins.edges):
            raise InvalidInput("The kept state is of a policy that began with another file.")
        if not card.get("servers"):
            return
        check_card({**card, "models": card["models"] or ["none"]}, KIND, "the kept state")
        self._set = ServerSet(card["servers"])
        self.forget_open()
        self._take_agents(arrays, card)

    def _take_agents(self, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
        """Make the agents of a card from its arrays, which are called ``NUMBER.NAME``."""
        agents: dict[str, QFunction] = {}
        for i, model in enumerate(card["models"]):
            own = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{i}.")}
            agents[model] = read_q(own, self.bins, len(card["servers"]), self._step)
        self.agents = agents

    def _seen(self, model: str, servers: Sequence[ServerView]) -> tuple[Counts | None, QFunction | None]:
        """The state and the model's agent; None where there is none, and why."""
        state = self._set.counts(model, servers)
        if state is None:
            if not self._takes_new or not self._begin_anew(servers):
                self._why = "a server is there that it was not trained with"
                return None, None
            state = self._set.counts(model, servers)
        agent = self.agents.get(model)
        if agent is None:
            if not self.online or len(self.agents) >= _MOST_AGENTS:
                self._why = "this model has no agent"
                return None, None
            agent = self.agents[model] = make_q(self.bins, len(self._set.names), self._step)
        return state, agent

    def _begin_anew(self, servers: Sequence[ServerView]) -> bool:
        names = dict.fromkeys([*self._set.names, *(server.name for server in servers)])
        if len(names) > _MOST_SERVERS:
            return False
        self._set = ServerSet(tuple(names))
        self.agents.clear()
        self.forget_open()
        return True

    def _action(self, agent: QFunction, state: Counts, left: Sequence[ServerView]) -> int:
        """The number of a server; -1 where none of those that are left was ever tried in this state."""
        place = self._set.place
        actions = [place[server.name] for server in left]
        if self.online and self._random.random() < self.epsilon:
            return actions[int(self._random.random() * len(actions))]
        if not self.online:
            tried = agent.tried(state)
            actions = [action for action in actions if tried[action]]
            if not actions:
                self._why = "no server was tried in this state"
                return -1
        values = agent.values(state)
        return max(actions, key=lambda action: values[action])

    def _learn(self, step: Decision | None) -> None:
        if step is None or step.reward is None or step.following is None:
            return
        agent = self.agents[step.request.model]
        agent.learn(step.state, step.action, step.reward + self.discount * max(agent.values(step.following)))

    def _fall_back(self, request: Request, left: Sequence[ServerView]) -> str:
        self.fallbacks[self._why] += 1
        return self._fallback.choose(request, left)
