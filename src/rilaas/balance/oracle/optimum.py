"""The exact optimum of a small case, and the exact latency of any fixed policy in it.

A Markov decision process with one decision per arrival; the aim is the smallest mean latency in the long run. By
Little's law that is the mean number of requests on the servers over the arrival rate, plus the network. Solved by
policy iteration: each policy's chain is solved to rounding (``chain.py``), then every state takes the server with the
smallest price ``network + h(n + e_i) - h(n)``, until no state gains more than 1e-8 of a service time.

Source: M. L. Puterman, Markov Decision Processes (1994), section 8.6 (Howard's policy iteration, average reward).

The box of states grows until the probability that some server stands at its edge is below ``CUT``. Only there does
a truncated policy differ from the one meant, so the mean latency is off by about that share; boxes twice as large
agree to 1e-8 (tests). Two models with different means are left out: first come, first served then needs the order
of each queue as state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.oracle.case import SmallCase
from rilaas.balance.oracle.chain import Array, Solution, solve_chain
from rilaas.balance.oracle.rule import Rule, route_past_full
from rilaas.balance.oracle.split import first_improvement
from rilaas.core import InvalidInput

CUT = 1e-10
_FIRST_CUT = 1e-5
_MOST_NUMBERS = 40_000_000  # float64 in all levels' inverses: 320 MB
_LONG = 150
_ENDLESS = "A queue grows for ever under this policy, or the load is so near 1 that it nearly does: lower it."
_TIED = 1e-8  # of the shortest service time: no policy can be better by more than what one decision gains
_ROUNDS = 100  # it has ended after 2 to 15 in all cases seen


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best that any policy can do that knows the rates and the counts.

    Attributes:
        case: What was solved.
        mean_latency_s: Mean of wait, service and network [s].
        policy: (K_0 + 1, ..., K_N-1 + 1) int8: index of the server that an arrival gets, by requests on each server.
        prices: (N, *policy.shape) [s]: what sending one arrival to each server costs all requests, this one
            included; inf at the edge of the box. The policy takes the smallest.
        solution: The chain under this policy.
    """

    case: SmallCase
    mean_latency_s: float
    policy: NDArray[np.int8]
    prices: Array
    solution: Solution


def solve_optimum(case: SmallCase, *, cut: float = CUT) -> Optimum:
    """The smallest possible mean latency and the policy that reaches it.

    Args:
        case: Two or three servers.
        cut: The box grows until the stationary probability of its edge is below this.

    Raises:
        InvalidInput: The box would need too much memory: the load is too close to 1.
    """
    shape = _first_box(case)
    policy = np.argmax(first_improvement()(case, shape), axis=0)
    while True:
        optimum = _iterate(case, policy)
        larger = _grown(shape, optimum.solution, cut)
        if larger == shape:
            return optimum
        policy = np.pad(optimum.policy, [(0, new - old) for new, old in zip(larger, shape, strict=True)], "edge")
        shape = larger


def evaluate_policy(case: SmallCase, rule: Rule, *, cut: float = CUT) -> Solution:
    """The exact long-run behaviour of a fixed policy; nothing is simulated.

    Args:
        case: Two or three servers.
        rule: One of ``rule.py``, or any function of the same form.
        cut: As ``solve_optimum``.

    Raises:
        InvalidInput: The policy lets a queue grow for ever, or so long that the box would need too much memory.
    """
    shape = _first_box(case)
    while True:
        routing = rule(case, shape)
        if not np.allclose(routing.sum(axis=0), 1.0) or (routing < 0.0).any():
            raise InvalidInput("A policy's probabilities are at least 0 and sum to 1 over the servers.")
        solution = solve_chain(case, route_past_full(routing))
        larger = _grown(shape, solution, cut)
        if larger == shape:
            return solution
        shape = larger


def prices_of(case: SmallCase, values: Array) -> Array:
    """(N, *shape) [s]: what one arrival costs by server, ``network + h(n + e_i) - h(n)``; inf at the box's edge."""
    prices = np.full((values.ndim, *values.shape), np.inf)
    for axis, station in enumerate(case.stations):
        inside = tuple(slice(None, -1) if i == axis else slice(None) for i in range(values.ndim))
        prices[(axis, *inside)] = np.diff(values, axis=axis) + station.network_s
    return prices


def _iterate(case: SmallCase, policy: NDArray[np.integer]) -> Optimum:
    """Policy iteration on one box, from this policy on."""
    servers = np.arange(policy.ndim).reshape(-1, *[1] * policy.ndim)
    tied = _TIED * min(station.service_s for station in case.stations)
    for _ in range(_ROUNDS):
        routing = route_past_full((policy[None] == servers).astype(np.float64))
        policy = np.argmax(routing, axis=0)
        solution = solve_chain(case, routing)
        prices = prices_of(case, solution.values)
        kept = np.take_along_axis(prices, policy[None], axis=0)[0]
        with np.errstate(invalid="ignore"):  # inf - inf where all servers are full
            changes = kept - prices.min(axis=0) > tied
        if not changes.any():
            return Optimum(case, solution.mean_latency_s, policy.astype(np.int8), prices, solution)
        policy = np.where(changes, np.argmin(prices, axis=0), policy)
    raise AssertionError("policy iteration did not end")


def _first_box(case: SmallCase) -> tuple[int, ...]:
    """Room for a common backlog, shared by capacity: small, so that most rounds are cheap."""
    backlog = np.log(_FIRST_CUT) / np.log(case.load)
    shape = tuple(int(s.slots + 6 + backlog * s.capacity_per_s / case.capacity_per_s) for s in case.stations)
    return _affordable(shape)


def _grown(shape: tuple[int, ...], solution: Solution, cut: float) -> tuple[int, ...]:
    """A box with more room for the servers that came to its edge; the same where none did."""
    if solution.cut <= cut:
        return shape
    larger = []
    for axis, size in enumerate(shape):
        others = tuple(other for other in range(len(shape)) if other != axis)
        larger.append(_needed(solution.stationary.sum(axis=others), size, cut / len(shape)))
    return _affordable(tuple(larger))


def _needed(marginal: Array, size: int, cut: float) -> int:
    """States of one server, from how its distribution falls off; 1.1 to 1.7 times as many as there are."""
    edge = float(marginal[-1])
    if edge <= cut:
        return size
    if size >= _LONG and edge > 2.0 / size:  # a queue that neither grows nor shrinks in the mean has 1 / size
        raise InvalidInput(_ENDLESS)
    near, far = size // 2, size - 1 - size // 8
    falls = np.log(max(float(marginal[near]), 1e-300) / max(float(marginal[far]), 1e-300)) / (far - near)
    more = np.log(edge / cut) / falls if falls > 0.0 else size
    return int(size + min(max(1.05 * more, 0.1 * size), 0.7 * size)) + 2


def _affordable(shape: tuple[int, ...]) -> tuple[int, ...]:
    block = int(np.prod(shape)) // max(shape)
    if max(shape) * block * block > _MOST_NUMBERS:
        raise InvalidInput(f"The exact solution would need {' x '.join(map(str, shape))} states.", _ENDLESS)
    return shape
