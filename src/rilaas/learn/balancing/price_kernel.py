"""Queues, beliefs and rollouts for the training of a price, compiled: ten million decisions in a minute.

The formulas of what a policy believes and of the network's inputs are those of ``rilaas.balance.marginal_cost``
(``queue.py``, ``feature.py``), written as loops for the compiler; a test holds the two together.

Arrays are float64. A fleet is ``up``, ``service``, ``down`` (K, N) [s] for K models on N servers, ``slots`` (N,)
int64 and ``theta``, the squared coefficient of variation of service times; ``rates`` (K,) are arrivals [1/s]. A
state is ``jobs`` (5, N, Q), what is outstanding in the order of sending; ``counts`` (N,) int64; ``free`` (N, C),
when the real slots come free [s]; and ``flow`` (3, N): work placed lately, when it was counted, and over which
window [s].
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

ROOM = 128  # outstanding jobs per server that a state holds
MOST_SLOTS = 16
ARRIVES, SIZE, STARTS, ENDS, DOWN = range(5)
FIGURES = 4  # of a placement: wait, wait of the next one, idle slots after, work per slot after
INPUTS = 16
WINDOW, LEAST_WINDOW_S = 15.0, 4.0  # of the work placed lately: in mean service times, and at least; see ``table.py``


@njit(cache=True)
def answer(now, jobs, counts):
    """Take out what has been answered by now; whoever waited longest starts where a job ended."""
    for i in range(counts.shape[0]):
        k = 0
        while k < counts[i]:
            if jobs[ENDS, i, k] + jobs[DOWN, i, k] > now:
                k += 1
                continue
            ended = jobs[ENDS, i, k]
            counts[i] -= 1
            for j in range(k, counts[i]):
                for row in range(5):
                    jobs[row, i, j] = jobs[row, i, j + 1]
            for j in range(counts[i]):
                if jobs[STARTS, i, j] == math.inf:
                    jobs[STARTS, i, j] = max(jobs[ARRIVES, i, j], ended)
                    break


@njit(cache=True)
def believe(now, jobs, n, slots, theta, i, free, out):
    """Fill ``out`` with what is believed of server i now, as ``queue.Queue.believe`` has it.

    The two earliest times at which a slot is free, when the work ahead will have drained at full rate down to a free
    slot, the number of jobs and the work [s].
    """
    busy, work, mean = 0, 0.0, 0.0
    free[:slots] = now
    for k in range(n):
        size, start = jobs[SIZE, i, k], jobs[STARTS, i, k]
        if start == math.inf:
            work += size
            at = np.argmin(free[:slots])
            free[at] = max(free[at], jobs[ARRIVES, i, k]) + size
            continue
        if start > now:
            rest = start - now + size
        else:
            rest = (1.0 - theta) * max(start + size - now, 0.0) + theta * size
        work += rest
        mean += size
        if busy < slots:
            free[busy] = max(start + size, now)
        busy += 1
    first, second = math.inf, math.inf
    for k in range(slots):
        if free[k] < first:
            first, second = free[k], first
        elif free[k] < second:
            second = free[k]
    mean = mean / busy if busy else 0.0
    out[0], out[1] = first, second
    out[2] = now + work / slots - (slots - 1.0) / slots * mean
    out[3], out[4] = n, work


@njit(cache=True)
def foresee(now, belief, slots, theta, up, service, figures):
    """Fill ``figures``: wait, wait of the next one, idle slots after, work per slot after."""
    arrives = now + up
    first, second, drained, n, work = belief[0], belief[1], belief[2], belief[3], belief[4]
    wait = (1.0 - theta) * max(first - arrives, 0.0)
    if n >= slots:
        wait += theta * max(drained - arrives, 0.0)
    after = min(second, max(first, arrives) + service)
    wait_after = (1.0 - theta) * max(after - arrives, 0.0)
    if n + 1 >= slots:
        wait_after += theta * max(drained + service / slots - arrives, 0.0)
    figures[0], figures[1] = wait, wait_after
    figures[2], figures[3] = max(slots - n - 1.0, 0.0), (work + service) / slots


@njit(cache=True)
def prefer(i, rates, base, waits, service, tau, next_wait):
    """Who would want to be on server i: arrivals [1/s], what they gain [s], their work, what they would suffer."""
    share, gained, load, suffers = 0.0, 0.0, 0.0, 0.0
    for m in range(base.shape[0]):
        best = math.inf
        for j in range(base.shape[1]):
            if j != i:
                best = min(best, base[m, j] + waits[m, j])
        gain = min(best - base[m, i], 20.0 * tau)
        if gain > 0.0:
            share += rates[m]
            gained += rates[m] * gain
            load += rates[m] * service[m, i]
            suffers += rates[m] * min(next_wait, gain)
    return share, gained / share if share > 0.0 else 0.0, load, suffers


@njit(cache=True)
def fleet_load(rates, service, slots):
    """Offered work over capacity, with each model's mean time over all slots."""
    return min((rates * (service * slots).sum(axis=1)).sum() / slots.sum() / slots.sum(), 3.0)


@njit(cache=True)
def inputs(now, model, rates, base, waits, service, slots, theta, figures, flow, x):
    """Fill ``x`` (N, INPUTS) with the network's inputs, as ``feature.View.inputs`` has them."""
    total = max(rates.sum(), 1e-9)
    offered = fleet_load(rates, service, slots)
    for i in range(slots.shape[0]):
        tau = max((rates * service[:, i]).sum() / total, 1e-6)
        share, advantage, load, suffers = prefer(i, rates, base, waits, service, tau, figures[i, 1])
        size, c = service[model, i], float(slots[i])
        x[i, 0] = figures[i, 2] / c
        x[i, 1] = min(figures[i, 2], 4.0) / 4.0
        x[i, 2] = math.log1p(figures[i, 0] / tau)
        x[i, 3] = math.log1p(figures[i, 1] / tau)
        x[i, 4] = math.log1p(figures[i, 3] / tau)
        x[i, 5] = min(max(math.log(size / tau), -4.0), 4.0)
        x[i, 6] = 1.0 / c
        x[i, 7] = share / total
        x[i, 8] = math.log1p(advantage / tau)
        x[i, 9] = min(load / c, 3.0)
        x[i, 10] = offered
        x[i, 11] = math.log1p(suffers)
        x[i, 12] = math.log1p(share * size)
        x[i, 13] = theta
        x[i, 14] = math.log1p(figures[i, 1] / max(advantage, 0.05 * tau))
        placed = flow[0, i] * math.exp((flow[1, i] - now) / flow[2, i]) / flow[2, i]
        x[i, 15] = min(placed / c, 3.0)


@njit(cache=True)
def price(x, w1, b1, w2, b2, w3, b3, hidden):
    """The network for one server: ``max(0, w3 relu(w2 relu(w1 x + b1) + b2) + b3)``."""
    width = w1.shape[1]
    for j in range(width):
        total = b1[j]
        for k in range(x.shape[0]):
            total += x[k] * w1[k, j]
        hidden[0, j] = max(total, 0.0)
    result = b3[0]
    for j in range(width):
        total = b2[j]
        for k in range(width):
            total += hidden[0, k] * w2[k, j]
        if total > 0.0:
            result += total * w3[j, 0]
    return max(result, 0.0)


@njit(cache=True)
def weigh(now, model, rates, fleet, state, x):
    """Own expected delay of a placement on each server (N,) [s]; the network's inputs are filled into ``x``."""
    up, service, down, slots, theta = fleet
    jobs, counts, _, flow = state
    models, servers = up.shape
    belief, free = np.zeros(5), np.zeros(MOST_SLOTS)
    figures, waits = np.zeros((servers, FIGURES)), np.zeros((models, servers))
    for i in range(servers):
        believe(now, jobs, counts[i], slots[i], theta, i, free, belief)
        for m in range(models):
            foresee(now, belief, slots[i], theta, up[m, i], service[m, i], figures[i])
            waits[m, i] = figures[i, 0]
        foresee(now, belief, slots[i], theta, up[model, i], service[model, i], figures[i])
    base = up + service + down
    inputs(now, model, rates, base, waits, service, slots, theta, figures, flow, x)
    return base[model] + waits[model]


@njit(cache=True)
def place(now, model, i, factor, fleet, state):
    """Send a job to server i whose real service takes ``factor`` times the mean; returns its latency [s]."""
    up, service, down, slots, _ = fleet
    jobs, counts, free, flow = state
    arrives = now + up[model, i]
    at = np.argmin(free[i, : slots[i]])
    end = max(arrives, free[i, at]) + service[model, i] * factor
    free[i, at] = end
    flow[0, i] = flow[0, i] * math.exp((flow[1, i] - now) / flow[2, i]) + service[model, i]
    flow[1, i] = now
    n = counts[i]
    if n < ROOM:
        jobs[ARRIVES, i, n] = arrives
        jobs[SIZE, i, n] = service[model, i]
        jobs[STARTS, i, n] = arrives if n < slots[i] else math.inf
        jobs[ENDS, i, n] = end
        jobs[DOWN, i, n] = down[model, i]
        counts[i] += 1
    return end + down[model, i] - now


@njit(cache=True)
def choose(own, x, size, network, hidden, strength):
    """Server with the smallest own delay plus ``strength`` times its price."""
    best, least = 0, math.inf
    for i in range(own.shape[0]):
        cost = own[i]
        if strength > 0.0:
            cost += strength * size[i] * price(x[i], *network, hidden)
        if cost < least:
            best, least = i, cost
    return best


@njit(cache=True)
def run(times, models, factors, forced, rates, fleet, state, network, strength):
    """Place requests one after the other, the first on server ``forced`` if that is one; returns their latencies."""
    service = fleet[1]
    x, hidden = np.zeros((service.shape[1], INPUTS)), np.zeros((1, network[0].shape[1]))
    latencies = np.zeros(times.shape[0])
    for r in range(times.shape[0]):
        now, model = times[r], models[r]
        answer(now, state[0], state[1])
        if r == 0 and forced >= 0:
            i = forced
        else:
            own = weigh(now, model, rates, fleet, state, x)
            i = choose(own, x, service[model], network, hidden, strength)
        latencies[r] = place(now, model, i, factors[r], fleet, state)
    return latencies


@njit(cache=True)
def label(now, model, times, models, factors, own_factors, rates, fleet, state, network, strength, totals):
    """Total latency of the requests to come, for each server that the one that asks now may be placed on.

    Every row of ``factors`` (R, H) is a future that all placements share (common random numbers); ``totals`` (R, N)
    is filled [s]. The request's own latency is not part of it.
    """
    jobs, counts, free, flow = state
    for r in range(factors.shape[0]):
        for i in range(totals.shape[1]):
            theirs = (jobs.copy(), counts.copy(), free.copy(), flow.copy())
            place(now, model, i, own_factors[r], fleet, theirs)
            latencies = run(times[r], models[r], factors[r], -1, rates, fleet, theirs, network, strength)
            totals[r, i] = latencies.sum()
