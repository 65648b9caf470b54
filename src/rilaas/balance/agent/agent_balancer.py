"""A user's own agent as a policy, with a safe one behind it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from rilaas.balance.agent.agent_view import AgentView, Observation, flatten
from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates

_log = logging.getLogger("rilaas.balance")


class Agent(Protocol):
    """What has learned to choose, for example a model of stable-baselines3."""

    def predict(self, observation: Any, *, deterministic: bool) -> Any:
        """The action, an integer, alone or as the first of a tuple."""
        ...


class AgentBalancer:
    """Asks an agent, and goes by least connections where the agent fails.

    It fails when it raises an error, when what it says is no integer, and when that is the place of no server that
    may be chosen, or where there are more servers than places. Routing goes on; ``failures`` counts, and the first
    failure of a row of them is logged.

    Args:
        agent: Has ``predict(observation, deterministic=True)``; it was trained in ``LoadBalancing-v0``.
        max_servers: Places of the environment that it was trained in.
        flat: Whether it takes the observation as one vector (``FlattenObservation``) instead of by name.
    """

    def __init__(self, agent: Agent, max_servers: int, *, flat: bool = False) -> None:
        self._agent, self._flat = agent, flat
        self._view = AgentView(max_servers)
        self._fallback = LeastConnections()
        self._weighing: Weighing | None = None
        self._is_failing = False
        self.failures = 0

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = candidates(request, servers)
        try:
            observation = self._view.look(request, servers)
            name = self._ask(observation)
        except Exception as error:  # somebody else's code: whatever it raises, the request has to go on
            self._fail(error)
            name = self._fallback.choose(request, servers)
            self._weighing = self._fallback.weighing()
            return name
        self._is_failing = False
        in_flight = [float(server.in_flight) for server in left]
        chosen = [float(server.name == name) for server in left]
        self._weighing = Weighing(
            [server.name for server in left],
            {"in_flight": in_flight, "chosen": chosen},
            "What the agent says; it does not say why.",
        )
        return name

    def observe(self, outcome: Outcome) -> None:
        """See ``Balancer.observe``."""
        self._view.observe(outcome)

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``."""
        return self._weighing

    def _ask(self, observation: Observation) -> str:
        said = self._agent.predict(flatten(observation) if self._flat else observation, deterministic=True)
        action = np.asarray(said[0] if isinstance(said, tuple) else said)
        if action.size != 1 or not np.issubdtype(action.dtype, np.integer):
            raise ValueError(f"the agent says {said!r}, which is no server's place")
        place = int(action.reshape(()))
        name = self._view.name_at(place)
        if name is None or not (0 <= place < len(observation["mask"]) and observation["mask"][place]):
            raise ValueError(f"the agent says {place}, where no server may be chosen")
        return name

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        if not self._is_failing:
            _log.warning("the agent fails, least connections goes on: %s", error)
        self._is_failing = True
