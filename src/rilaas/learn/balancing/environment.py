"""A Gymnasium environment in which an agent of yours learns to balance: ``LoadBalancing-v0``.

One step is one decision of one interceptor, in the very simulator that ``rilaas balance compare`` uses. Time passes
between two decisions as it does there, so that steps are not of the same length.

Source of the reward ``paper``: Tanwani et al., RILaaS, eq. 1, -(1 + latency)^2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from rilaas.balance.agent import FEATURES, REQUEST_FEATURES, AgentView, Observation
from rilaas.balance.simulation import Cluster, Load, Stepwise, read_cluster, read_load
from rilaas.core import InvalidInput, did_you_mean

ID = "LoadBalancing-v0"
REWARDS = ("sojourn", "paper")
_OPTIONS = ("cluster", "load", "run_seed")


class LoadBalancingEnv(gymnasium.Env[Observation, np.int64]):
    """Requests come, the agent says which server gets each.

    Observation: see ``rilaas.balance.agent.Observation``; it holds only what a real interceptor knows. Action: the
    place of a server. A place where no server may be chosen goes to the server with the fewest requests in flight,
    and ``info["was_masked"]`` says so; agents that can be masked ask ``action_masks()``.

    Reward ``sojourn``: minus what all requests together have waited since the last decision [s], so that an episode
    sums to minus the sum of all latencies. Reward ``paper``: -(1 + latency)^2, summed over the requests that ended
    since the last decision: it comes when the answer does, not with the decision that it is owed to.

    An episode ends when all requests of the load have ended; the last step's ``info`` then has ``mean_latency_s``,
    ``ok_share`` and ``run``, the simulation's rows.

    Args:
        cluster: A name or file that ``read_cluster`` takes, or a cluster.
        loads: Names or files that ``read_load`` takes, or loads: each episode draws one.
        reward: One of ``REWARDS``.
        max_servers: Places of the observation; the cluster's number of servers where None.
        warm_up: See ``simulate``.

    Raises:
        InvalidInput: There is no such cluster, load or reward, or there are too few places.
    """

    def __init__(
        self,
        cluster: str | Cluster = "rilaas-4-8",
        loads: Sequence[str | Load] = ("uniform-8", "spike", "poisson-8"),
        *,
        reward: str = "sojourn",
        max_servers: int | None = None,
        warm_up: bool = True,
    ) -> None:
        if reward not in REWARDS:
            raise InvalidInput(f"There is no reward {reward!r}.", did_you_mean(reward, REWARDS))
        if not loads:
            raise InvalidInput("An environment needs a load or more.")
        self._cluster = _cluster(cluster)
        self._loads = [_load(load) for load in loads]
        self._reward, self._warm_up = reward, warm_up
        self.max_servers = len(self._cluster.servers) if max_servers is None else max_servers
        self._check_places(self._cluster)
        seen = spaces.Dict(
            {
                "servers": spaces.Box(0.0, 1.0, (self.max_servers, len(FEATURES)), np.float32),
                "mask": spaces.MultiBinary(self.max_servers),
                "request": spaces.Box(0.0, 1.0, (len(REQUEST_FEATURES),), np.float32),
            }
        )
        self.observation_space = cast("spaces.Space[Observation]", seen)
        self.action_space = spaces.Discrete(self.max_servers)
        self._view = AgentView(self.max_servers)
        self._steps: Stepwise | None = None
        self._now: Observation = self._nothing()
        self._paid, self._ended = 0.0, 0

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: See Gymnasium; the same seed gives the same load and the same run.
            options: ``cluster`` and ``load`` for this episode (with the models of each other); ``run_seed``: the seed
                of ``simulate``, for a comparison with other policies on the same requests.

        Returns:
            The first decision, and ``info`` with ``load`` and ``run_seed``.
        """
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            if name not in _OPTIONS:
                raise InvalidInput(f"There is no option {name!r}.", did_you_mean(name, _OPTIONS))
        drawn, run_seed = int(self.np_random.integers(len(self._loads))), int(self.np_random.integers(2**31))
        load = _load(options["load"]) if "load" in options else self._loads[drawn]
        cluster = _cluster(options["cluster"]) if "cluster" in options else self._cluster
        self._check_places(cluster)
        run_seed = int(options.get("run_seed", run_seed))
        self._view = AgentView(self.max_servers)
        self._steps = Stepwise(cluster, load, run_seed, self._view.observe, warm_up=self._warm_up)
        if self._steps.question is None:
            raise InvalidInput(f"Load {load.name!r} with seed {run_seed} has no requests that a server could get.")
        self._paid, self._ended = self._steps.waiting_s, len(self._steps.ended_s)
        self._now = self._look()
        return self._now, {"load": load.name, "run_seed": run_seed}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Send the waiting request to a server, and let time pass until the next decision.

        Args:
            action: The server's place, from 0.
        """
        steps = self._steps
        if steps is None or steps.question is None:
            raise InvalidInput("The episode has not begun, or it is over.", "Call reset().")
        name = self._view.name_at(int(action)) if self._now["mask"][int(action)] else None
        was_masked = name is None
        if name is None:
            left = [server for server in steps.question.servers if server.name not in steps.question.request.excluded]
            name = min(left, key=lambda server: server.in_flight).name
        steps.answer(name)
        reward = self._earned(steps)
        info: dict[str, Any] = {"server": name, "was_masked": was_masked, "at_s": steps.now_s}
        over = steps.question is None
        self._now = self._nothing() if over else self._look()
        if over:
            run = steps.run()
            info |= {"run": run, "mean_latency_s": run.mean_s(), "ok_share": run.ok_share}
        return self._now, reward, over, False, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(max_servers,) bool: the places that may be chosen now, as ``MaskablePPO`` of sb3-contrib asks for them."""
        return self._now["mask"].astype(np.bool_)

    def _earned(self, steps: Stepwise) -> float:
        if self._reward == "sojourn":
            earned = self._paid - steps.waiting_s
            self._paid = steps.waiting_s
            return earned
        ended = np.asarray(steps.ended_s[self._ended :])
        self._ended = len(steps.ended_s)
        return -float(((1.0 + ended) ** 2).sum())

    def _look(self) -> Observation:
        assert self._steps is not None
        assert self._steps.question is not None
        return self._view.look(self._steps.question.request, self._steps.question.servers)

    def _nothing(self) -> Observation:
        return {
            "servers": np.zeros((self.max_servers, len(FEATURES)), np.float32),
            "mask": np.zeros(self.max_servers, np.int8),
            "request": np.zeros(len(REQUEST_FEATURES), np.float32),
        }

    def _check_places(self, cluster: Cluster) -> None:
        if len(cluster.servers) > self.max_servers:
            raise InvalidInput(
                f"Cluster {cluster.name!r} has {len(cluster.servers)} servers, more than {self.max_servers} places.",
                "Make the environment with a larger max_servers.",
            )


def _cluster(cluster: str | Cluster) -> Cluster:
    return cluster if isinstance(cluster, Cluster) else read_cluster(cluster)


def _load(load: str | Load) -> Load:
    return read_load(load) if isinstance(load, str) else load


if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point="rilaas.learn.balancing.environment:LoadBalancingEnv")
