"""What a placement costs the requests to come, measured: the data that a price is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.learn.balancing import price_kernel as kernel
from rilaas.learn.balancing.price_system import System, draw_factors, draw_requests, random_system

Floats = NDArray[np.float64]
Network = tuple[Floats, ...]
_FUTURES = 6
_MOST_SERVERS = 8
_ELSEWHERE = 0.3  # share of states after a placement that the policy would not have made
_NOISE = 0.15  # of the rates that a policy believes in, which a real one only estimates


@dataclass(frozen=True, slots=True)
class Samples:
    """S placements that could be made, on up to M servers.

    Attributes:
        inputs: (S, M, F) what the network sees of each server.
        own_s: (S, M) the request's own expected delay [s]; inf where there is no such server.
        size_s: (S, M) its mean service time there [s].
        cost_s: (S, M) total latency of the requests to come [s], up to a constant of the row.
    """

    inputs: Floats
    own_s: Floats
    size_s: Floats
    cost_s: Floats

    def __add__(self, other: Samples) -> Samples:
        return Samples(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__))


def measure(systems: int, per_system: int, network: Network, strength: float, seed: Sequence[int]) -> Samples:
    """Sample states along the policy of a network and measure every placement by rollouts of the same policy.

    Args:
        systems: How many random fleets.
        per_system: States of each.
        network: Weights of the price that the policy goes by.
        strength: 0 ignores it: shortest expected delay.
        seed: Of all draws.
    """
    parts: list[list[Floats]] = [[], [], [], []]
    for index in range(systems):
        random = np.random.default_rng((*seed, index))
        rows = _of_system(random_system(random), per_system, network, strength, random)
        for part, found in zip(parts, rows, strict=True):
            part.append(found)
    return Samples(*(np.concatenate(part) for part in parts))


class _Trajectory:
    """One random fleet under a policy, from one state to the next."""

    def __init__(self, system: System, network: Network, strength: float, random: np.random.Generator) -> None:
        n, k = len(system.slots), len(system.rates)
        self._system, self._network, self._strength, self._random = system, network, strength, random
        self._fleet = (system.up, system.service, system.down, system.slots, system.theta)
        self._believed = system.rates * np.exp(random.normal(0.0, _NOISE, k))
        flow = np.zeros((3, n))
        flow[2] = np.maximum(kernel.LEAST_WINDOW_S, kernel.WINDOW * system.service.mean(0))
        self._state = (
            np.zeros((5, n, kernel.ROOM)),
            np.zeros(n, np.int64),
            np.full((n, kernel.MOST_SLOTS), -1e9),
            flow,
        )
        self._now, self._model = 0.0, 0

    def go_on(self, least: int) -> None:
        """Serve some requests, until another asks; the first sometimes where the policy would not place it."""
        system, random = self._system, self._random
        steps = int(random.integers(least, 2 * least))
        times, models = draw_requests(system, steps + 1, self._now, random)
        forced = int(random.integers(len(system.slots))) if random.random() < _ELSEWHERE else -1
        factors = draw_factors(system, steps, random)
        kernel.run(
            times[:-1],
            models[:-1],
            factors,
            forced,
            self._believed,
            self._fleet,
            self._state,
            self._network,
            self._strength,
        )
        self._now, self._model = float(times[-1]), int(models[-1])
        kernel.answer(self._now, self._state[0], self._state[1])

    def look(self) -> tuple[Floats, Floats]:
        """The network's inputs (N, F) and the own delays (N,) of the request that asks."""
        x = np.zeros((len(self._system.slots), kernel.INPUTS))
        own = kernel.weigh(self._now, self._model, self._believed, self._fleet, self._state, x)
        return x, own

    def cost(self) -> Floats:
        """(N,) total latency of the requests to come, by where the one that asks is placed [s]: a mean of futures."""
        system, random, horizon = self._system, self._random, _horizon(self._system)
        futures = [draw_requests(system, horizon, self._now, random) for _ in range(_FUTURES)]
        totals = np.zeros((_FUTURES, len(system.slots)))
        kernel.label(
            self._now,
            self._model,
            np.stack([times for times, _ in futures]),
            np.stack([models for _, models in futures]),
            draw_factors(system, (_FUTURES, horizon), random),
            draw_factors(system, _FUTURES, random),
            self._believed,
            self._fleet,
            self._state,
            self._network,
            self._strength,
            totals,
        )
        mean: Floats = totals.mean(0)
        return mean

    def sizes(self) -> Floats:
        """(N,) mean service time of the request that asks [s]."""
        sizes: Floats = self._system.service[self._model]
        return sizes


def _of_system(
    system: System, states: int, network: Network, strength: float, random: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    n = len(system.slots)
    trajectory = _Trajectory(system, network, strength, random)
    rows = (
        np.zeros((states, _MOST_SERVERS, kernel.INPUTS)),
        np.full((states, _MOST_SERVERS), np.inf),
        np.zeros((states, _MOST_SERVERS)),
        np.zeros((states, _MOST_SERVERS)),
    )
    apart = max(8, int(system.slots.sum()))
    for state in range(states):
        trajectory.go_on(apart if state else 4 * apart)
        rows[0][state, :n], rows[1][state, :n] = trajectory.look()
        rows[2][state, :n], rows[3][state, :n] = trajectory.sizes(), trajectory.cost()
    return rows


def _horizon(system: System) -> int:
    """Requests until a placement is forgotten: some longest services, more near overload."""
    rate, longest = float(system.rates.sum()), float(system.service.max())
    return int(np.clip(rate * 5.0 * longest, 40, 160))
