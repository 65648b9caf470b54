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


def _of_system(
    system: System, states: int, network: Network, strength: float, random: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    n, k = len(system.slots), len(system.rates)
    fleet = (system.up, system.service, system.down, system.slots, system.theta)
    jobs, counts = np.zeros((5, n, kernel.ROOM)), np.zeros(n, np.int64)
    free, flow = np.full((n, kernel.MOST_SLOTS), -1e9), np.zeros((3, n))
    flow[2] = np.maximum(kernel.LEAST_WINDOW_S, kernel.WINDOW * system.service.mean(0))
    believed = system.rates * np.exp(random.normal(0.0, _NOISE, k))
    gap = max(8, int(system.slots.sum()))
    horizon = _horizon(system)
    rows = (
        np.zeros((states, _MOST_SERVERS, kernel.INPUTS)),
        np.full((states, _MOST_SERVERS), np.inf),
        np.zeros((states, _MOST_SERVERS)),
        np.zeros((states, _MOST_SERVERS)),
    )
    now = 0.0
    for state in range(states):
        steps = int(random.integers(gap, 2 * gap)) * (4 if state == 0 else 1)
        times, models = draw_requests(system, steps + 1, now, random)
        forced = int(random.integers(n)) if random.random() < 0.3 else -1  # states that the policy itself avoids
        kernel.run(
            times[:-1],
            models[:-1],
            draw_factors(system, steps, random),
            forced,
            believed,
            *fleet,
            jobs,
            counts,
            free,
            flow,
            network,
            strength,
        )
        now, model = float(times[-1]), int(models[-1])
        kernel.answer(now, jobs, counts, system.slots)
        figures, x = np.zeros((n, kernel.FIGURES)), np.zeros((n, kernel.INPUTS))
        waits, scratch = np.zeros((k, n)), np.zeros(kernel.MOST_SLOTS)
        own = kernel.weigh(now, model, believed, *fleet, jobs, counts, figures, flow, x, waits, scratch)
        futures = [draw_requests(system, horizon, now, random) for _ in range(_FUTURES)]
        totals = np.zeros((_FUTURES, n))
        kernel.label(
            now,
            model,
            np.stack([times for times, _ in futures]),
            np.stack([models for _, models in futures]),
            draw_factors(system, (_FUTURES, horizon), random),
            draw_factors(system, _FUTURES, random),
            believed,
            *fleet,
            jobs,
            counts,
            free,
            flow,
            network,
            strength,
            totals,
        )
        rows[0][state, :n], rows[1][state, :n] = x, own
        rows[2][state, :n], rows[3][state, :n] = system.service[model], totals.mean(0)
    return rows


def _horizon(system: System) -> int:
    """Requests until a placement is forgotten: some longest services, more near overload."""
    rate, longest = float(system.rates.sum()), float(system.service.max())
    return int(np.clip(rate * 5.0 * longest, 40, 160))
