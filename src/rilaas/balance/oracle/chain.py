"""The Markov chain of a case under one policy, solved exactly on a box of states.

A state is how many requests each server holds. Ordered by one server's count, the generator is block tridiagonal and
its outer blocks are diagonal, so that elimination level by level gives the stationary distribution and the relative
values to rounding, however slowly the chain mixes (value iteration needs 1/(1 - sqrt(load))^2 sweeps and more).

Source: G. Latouche and V. Ramaswami, Introduction to Matrix Analytic Methods in Stochastic Modeling (1999), chapter
12 (linear level reduction for level-dependent quasi-birth-and-death processes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.oracle.case import SmallCase

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Solution:
    """What the chain does in the long run.

    Attributes:
        mean_latency_s: Mean of wait, service and network over all requests [s].
        shares: (N,) share of the requests that each server gets.
        stationary: (K_0 + 1, ..., K_N-1 + 1) probability of each state.
        values: Same shape [s]: what starting in this state costs in request-seconds over all time to come, more than
            starting with all servers empty.
        cut: Probability that some server holds as many requests as the box lets it: what truncation can bend.
    """

    mean_latency_s: float
    shares: Array
    stationary: Array
    values: Array
    cut: float


def counts_of(shape: Sequence[int]) -> Array:
    """(N, *shape) float64: how many requests each server holds in each state."""
    return np.stack(np.meshgrid(*(np.arange(size, dtype=np.float64) for size in shape), indexing="ij"))


def solve_chain(case: SmallCase, routing: Array) -> Solution:
    """Solve the chain of a policy.

    Args:
        case: The servers and the arrivals.
        routing: (N, *shape) probabilities of sending an arrival to each server in each state; 0 where a server is
            full. Arrivals in the one state where all are full are lost.
    """
    shape = routing.shape[1:]
    level_axis = int(np.argmax(shape))
    order = [level_axis, *(axis for axis in range(len(shape)) if axis != level_axis)]
    stations = [case.stations[axis] for axis in order]
    routing_of = np.stack([np.transpose(routing[axis], order) for axis in order])
    box = routing_of.shape[1:]
    counts = counts_of(box)
    rates = np.stack([np.minimum(counts[i], s.slots) / s.service_s for i, s in enumerate(stations)])
    arrivals = case.arrival_per_s * routing_of
    network = np.array([station.network_s for station in stations])
    cost = counts.sum(axis=0) + np.tensordot(network, arrivals, 1)
    levels, block = box[0], int(np.prod(box[1:]))
    ups = arrivals[0].reshape(levels, block)
    downs = rates[0].reshape(levels, block)[:, 0]
    inverses, bottom = _eliminate(_within(arrivals, rates), ups, downs)
    stationary = _stationary(bottom, inverses, ups).reshape(box)
    cost_rate = float((stationary * cost).sum())
    relative = _values(bottom, inverses, ups, downs, (cost - cost_rate).reshape(levels, block)).reshape(box)
    entered = np.array([(stationary * arrivals[i]).sum() for i in range(len(stations))])
    full = np.zeros(box, dtype=bool)
    for axis, size in enumerate(box):
        full |= counts[axis] == size - 1
    back = np.argsort(order)
    return Solution(
        mean_latency_s=cost_rate / float(entered.sum()),
        shares=entered[back] / entered.sum(),
        stationary=np.transpose(stationary, back),
        values=np.transpose(relative, back),
        cut=float(stationary[full].sum()),
    )


def _within(arrivals: Array, rates: Array) -> list[Array]:
    """Minus the generator within each level, (b, b) each; the level is the count of the first server."""
    box = arrivals.shape[1:]
    levels, block = box[0], int(np.prod(box[1:]))
    states = np.arange(block).reshape(box[1:])
    out = (arrivals.sum(axis=0) + rates.sum(axis=0)).reshape(levels, block)
    blocks = []
    for level in range(levels):
        minus = np.zeros((block, block))
        for axis in range(1, len(box)):
            lower = np.take(states, range(box[axis] - 1), axis=axis - 1).ravel()
            upper = np.take(states, range(1, box[axis]), axis=axis - 1).ravel()
            minus[lower, upper] = -arrivals[axis, level].ravel()[lower]
            minus[upper, lower] = -rates[axis, level].ravel()[upper]
        minus[np.arange(block), np.arange(block)] = out[level]
        blocks.append(minus)
    return blocks


def _eliminate(blocks: list[Array], ups: Array, downs: Array) -> tuple[list[Array], Array]:
    """Inverses of the levels above the bottom, each with all higher levels folded in, and the bottom level itself."""
    inverses: list[Array] = [np.empty((0, 0))] * len(blocks)
    for level in range(len(blocks) - 1, 0, -1):
        inverses[level] = np.asarray(np.linalg.inv(blocks[level]), np.float64)
        blocks[level - 1] -= downs[level] * ups[level - 1][:, None] * inverses[level]
    return inverses, blocks[0]


def _stationary(bottom: Array, inverses: list[Array], ups: Array) -> Array:
    system = bottom.copy()
    system[:, 0] = 1.0
    first = np.zeros(len(bottom))
    first[0] = 1.0
    found = [np.linalg.solve(system.T, first)]
    for level in range(1, len(inverses)):
        found.append((found[-1] * ups[level - 1]) @ inverses[level])
    stationary = np.maximum(np.stack(found), 0.0)
    return np.asarray(stationary / stationary.sum())


def _values(bottom: Array, inverses: list[Array], ups: Array, downs: Array, excess: Array) -> Array:
    """Relative values h of Poisson's equation ``-Q h = cost - mean cost``, 0 where all servers are empty."""
    folded = excess.copy()
    for level in range(len(inverses) - 1, 0, -1):
        folded[level - 1] += ups[level - 1] * (inverses[level] @ folded[level])
    values = np.zeros_like(folded)
    values[0, 1:] = np.linalg.solve(bottom[1:, 1:], folded[0, 1:])
    for level in range(1, len(inverses)):
        values[level] = inverses[level] @ (folded[level] + downs[level] * values[level - 1])
    return values
