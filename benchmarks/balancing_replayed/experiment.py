"""The same arrivals through every contender, on the real servers and in the simulator."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rilaas.balance.comparison import REFERENCE, Comparison, digest
from rilaas.balance.simulation import Run, simulate

from .load import recorded
from .replay import replay

SETTLE_S = 0.5  # from a balancer's start to the first request, besides its longest warm-up inference
_SIMULATED_SEEDS = 1000  # seeds of one repetition begin at so many times its own


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        loads: Profiles, with the times that the real servers see.
        contenders: Who balances.
        repetitions: How often each; every one has arrivals of its own, the same for all contenders.
        luck: How often each repetition is simulated, with service and network times of its own.
    """

    loads: tuple
    contenders: tuple
    repetitions: int
    luck: int

    def cells(self):
        """Repetition, load and contender in the order of running: neighbours in time are compared with each other."""
        for seed in range(self.repetitions):
            for number, load in enumerate(self.loads):
                first = (seed + number) % len(self.contenders)
                for each in (*self.contenders[first:], *self.contenders[:first]):
                    yield seed, load, each


def run_real(fleet, plan, cluster, on_cell):
    """Replay everything; returns a ``Comparison`` and how busy the processors were, by cell.

    Args:
        fleet: A running ``Fleet``.
        plan: What to run.
        cluster: The servers as the simulator knows them, in the fleet's order.
        on_cell: Called with seed, load and contender before each.
    """
    names = [server.name for server in cluster.servers]
    longest_s = max(each.mean_s for server in cluster.servers for each in server.service.values())
    longest_s += max(each.mean_s for server in cluster.servers for each in server.network.values())
    found, busy = {}, []
    for seed, load, each in plan.cells():
        on_cell(seed, load, each)
        trace = recorded(load, seed)
        with each.started(fleet) as way:
            time.sleep(SETTLE_S + longest_s)
            before = _jiffies()
            answers = replay(way, trace.at_s, trace.model)
            busy.append(_busy(before, _jiffies()))
        run = _run_of(cluster, load, seed, np.asarray(trace.at_s), answers, names)
        found.setdefault((load.name, each.name), []).append(digest(run))
    return _comparison(cluster, plan, found), np.array(busy)


def run_simulated(plan, clusters):
    """The same arrivals through the simulator; returns a ``Comparison``.

    Args:
        plan: What to run.
        clusters: By way, ``route`` or ``nginx``.
    """
    found = {}
    for seed, load, each in plan.cells():
        trace = recorded(load, seed)
        for luck in range(plan.luck):
            number = _SIMULATED_SEEDS * seed + luck
            run = simulate(clusters[each.through], trace, lambda _, n=number, c=each: c.balancer(n), number)
            found.setdefault((load.name, each.name), []).append(digest(run))
    return _comparison(clusters["route"], plan, found)


def repetition_of(seed):
    """The repetition that a simulated run belongs to."""
    return seed // _SIMULATED_SEEDS


def _comparison(cluster, plan, found):
    names = tuple(each.name for each in plan.contenders)
    reference = REFERENCE if REFERENCE in names else names[0]
    digests = {key: tuple(parts) for key, parts in found.items()}
    return Comparison(cluster, plan.loads, names, reference, 1, digests)


def _run_of(cluster, load, seed, at_s, answers, names):
    """What came of a replay, in the form of a simulation's result."""
    count = len(at_s)
    server = np.array([names.index(name) for name in answers.server], np.int64)
    zeros, ones = np.zeros(count, np.int64), np.ones(count, np.int64)
    return Run(
        cluster,
        load,
        seed,
        robot=zeros - 1,
        interceptor=zeros,
        model=np.asarray(answers.model, np.int64),
        at_s=at_s,
        latency_s=answers.latency_s,
        wait_s=answers.queue_s,
        service_s=answers.service_s,
        server=server,
        attempts=ones,
        ok=np.ones(count, bool),
    )


def _jiffies():
    """Idle and all time of the processors since they were started."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)


def _busy(before, after):
    return 1.0 - (after[0] - before[0]) / max(1, after[1] - before[1])
