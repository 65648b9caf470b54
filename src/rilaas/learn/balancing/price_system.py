"""Random fleets, on which a price is learned that holds for fleets it never saw."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class System:
    """A fleet and who asks it.

    Attributes:
        rates: (K,) arrivals of each model [1/s].
        up: (K, N) mean time until a request is on the server [s].
        service: (K, N) mean time in the model [s].
        down: (K, N) mean time until the answer is back [s].
        slots: (N,) int64, inferences at once.
        theta: Squared coefficient of variation of service times, from 0 (constant) to 1 (exponential).
        arrivals: ``poisson``, ``alternating`` (evenly spaced, the models in turns) or ``bursty``.
        load: Offered work over capacity.
    """

    rates: Floats
    up: Floats
    service: Floats
    down: Floats
    slots: NDArray[np.int64]
    theta: float
    arrivals: str
    load: float


def random_system(random: np.random.Generator) -> System:
    """A fleet of 2 to 8 servers, 1 to 12 slots each, for 1 to 3 models of 20 ms to 2 s, at loads of 0.1 to 1.15."""
    servers, models = int(random.choice([2, 2, 2, 3, 4, 6, 8])), int(random.choice([1, 1, 2, 2, 3]))
    slots = np.rint(np.exp(random.uniform(0.0, math.log(12.4), servers))).astype(np.int64).clip(1, 12)
    means = np.exp(random.uniform(math.log(0.02), math.log(2.0), models))
    spread = 0.0 if random.random() < 0.2 else 0.35
    service = means[:, None] * np.exp(random.normal(0.0, spread, servers))[None, :]
    service = service * np.exp(random.normal(0.0, 0.3 * spread, (models, servers)))
    if random.random() < 0.25:
        network = np.zeros((models, servers))
    else:
        network = np.exp(random.uniform(math.log(0.005), math.log(0.8), servers))[None, :] * np.ones((models, 1))
        network = network * np.exp(random.normal(0.0, 0.1, (models, servers)))
    up = network * random.uniform(0.4, 0.8)
    mix = np.full(models, 1.0 / models) if random.random() < 0.5 else random.dirichlet(np.full(models, 2.0))
    load = float(
        random.choice(
            [random.uniform(0.1, 0.5), random.uniform(0.4, 0.95), random.uniform(0.9, 1.15)], p=[0.25, 0.65, 0.1]
        )
    )
    work = float((mix[:, None] * service * slots).sum() / slots.sum())
    rates = mix * load * slots.sum() / work
    theta = float(random.choice([0.0, 0.01, random.uniform(0.02, 0.5), 1.0], p=[0.25, 0.2, 0.2, 0.35]))
    arrivals = str(random.choice(["poisson", "poisson", "alternating", "bursty"]))
    return System(rates, up, service, network - up, slots, theta, arrivals, load)


def draw_requests(
    system: System, count: int, start_s: float, random: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Times (count,) [s] after ``start_s`` and models (count,) of the requests to come."""
    total, models = float(system.rates.sum()), len(system.rates)
    share = system.rates / total
    if system.arrivals == "alternating":
        turns = np.rint(share / share.min()).astype(int).clip(1, 20)
        cycle = np.concatenate([np.full(turns[m], m) for m in range(models)])
        drawn = np.resize(random.permutation(cycle), count)
        even: Floats = start_s + (np.arange(count, dtype=np.float64) + float(random.random())) / total
        return even, drawn.astype(np.int64)
    gaps = random.exponential(1.0 / total, count)
    if system.arrivals == "bursty":  # rates of twice and two thirds the mean, changing every 20 requests or so
        fast = np.cumsum(random.random(count) < 0.05) % 2 == random.integers(2)
        gaps = gaps * np.where(fast, 0.5, 1.5)
    times: Floats = start_s + np.cumsum(gaps)
    return times, random.choice(models, count, p=share).astype(np.int64)


def draw_factors(system: System, shape: int | tuple[int, ...], random: np.random.Generator) -> Floats:
    """Service times over their mean: gamma distributed with the system's variation."""
    if system.theta <= 0.0:
        return np.ones(shape)
    return random.gamma(1.0 / system.theta, system.theta, shape)
