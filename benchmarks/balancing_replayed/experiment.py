"""The same arrivals through every contender, on the real servers and in the simulator."""

import queue
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from rilaas.balance.comparison import REFERENCE, Comparison, digest
from rilaas.balance.simulation import Run, simulate
from rilaas.serve.load import TELL_S

from .calibration import Calibration, calibrate
from .load import recorded

SETTLE_S = 0.5  # from a balancer's start to the first request
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

    def cells(self, seed):
        """Load and contender in the order of running: neighbours in time are compared with each other."""
        for number, load in enumerate(self.loads):
            first = (seed + number) % len(self.contenders)
            for each in (*self.contenders[first:], *self.contenders[:first]):
                yield load, each


@dataclass(frozen=True)
class Found:
    """What the real servers did.

    Attributes:
        answers: (seed, load, contender) -> ``Replayed``.
        calibration: All of it, of all lanes and repetitions.
        busy: Share of the processors' time that was used, by anybody, while requests were replayed; by cell.
    """

    answers: dict
    calibration: Calibration
    busy: np.ndarray


def run_real(fleets, plan, calibrate_with, prepare, on_cell):
    """Replay everything, on several fleets at the same time, each of which has all the servers.

    Args:
        fleets: Running, and alike.
        plan: What to run; its policies are those that need no training.
        calibrate_with: Arguments of ``calibrate`` besides the fleet; it is done before each repetition.
        prepare: Called with the first calibration; returns the plan that is run.
        on_cell: Called after each replay, with how many there are.
    """
    answers, measured, busy, free = {}, [], [], queue.SimpleQueue()
    for fleet in fleets:
        free.put(fleet)

    def one(seed, cell):
        load, each = cell
        fleet = free.get()
        try:
            trace = recorded(load, seed)
            with each.started(fleet) as way:
                time.sleep(SETTLE_S)
                before = _jiffies()
                (answers[seed, load.name, each.name],) = fleet.client.replay((way, trace.at_s, trace.model))
                busy.append(_busy(before, _jiffies()))
        finally:
            free.put(fleet)
        on_cell(len(answers), plan.repetitions * len(plan.loads) * len(plan.contenders))

    with ThreadPoolExecutor(len(fleets)) as pool:
        for seed in range(plan.repetitions):
            measured += pool.map(partial(calibrate, **calibrate_with), fleets)
            if not seed:
                plan = prepare(Calibration.together(measured))
            list(pool.map(partial(one, seed), plan.cells(seed)))
    return plan, Found(answers, Calibration.together(measured), np.array(busy))


def measured_comparison(found, plan, cluster):
    """The answers in the form of a ``Comparison``."""
    digests = {}
    for seed in range(plan.repetitions):
        for load, each in plan.cells(seed):
            run = _run_of(cluster, load, seed, found.answers[seed, load.name, each.name])
            digests.setdefault((load.name, each.name), []).append(digest(run))
    return _comparison(cluster, plan, digests)


def simulated_comparison(plan, clusters):
    """The same arrivals through the simulator; returns a ``Comparison``.

    Servers tell of their load as often as the real ones do, and policies begin with nothing, as there.

    Args:
        plan: What to run.
        clusters: By way, ``route`` or ``nginx``.
    """
    digests = {}
    for seed in range(plan.repetitions):
        for load, each in plan.cells(seed):
            trace = recorded(load, seed)
            for luck in range(plan.luck):
                number = _SIMULATED_SEEDS * seed + luck
                make = partial(_balancer, each, number)
                cluster = clusters[each.through]
                run = simulate(cluster, trace, make, number, report_interval_s=TELL_S, warm_up=False)
                digests.setdefault((load.name, each.name), []).append(digest(run))
    return _comparison(clusters["route"], plan, digests)


def repetition_of(seed):
    """The repetition that a simulated run belongs to."""
    return seed // _SIMULATED_SEEDS


def _balancer(each, seed, interceptor):
    return each.balancer(seed + interceptor)


def _comparison(cluster, plan, digests):
    names = tuple(each.name for each in plan.contenders)
    reference = REFERENCE if REFERENCE in names else names[0]
    found = {key: tuple(parts) for key, parts in digests.items()}
    return Comparison(cluster, plan.loads, names, reference, 1, found)


def _run_of(cluster, load, seed, answers):
    """What came of a replay, in the form of a simulation's result."""
    trace, count = recorded(load, seed), len(answers.model)
    names = [server.name for server in cluster.servers]
    zeros = np.zeros(count, np.int64)
    return Run(
        cluster,
        load,
        seed,
        robot=zeros - 1,
        interceptor=zeros,
        model=np.asarray(answers.model, np.int64),
        at_s=np.asarray(trace.at_s),
        latency_s=answers.latency_s,
        wait_s=answers.queue_s,
        service_s=answers.service_s,
        server=np.array([names.index(name) for name in answers.server], np.int64),
        attempts=zeros + 1,
        ok=np.ones(count, bool),
    )


def _jiffies():
    """Idle and all time of the processors since they were started."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)


def _busy(before, after):
    return 1.0 - (after[0] - before[0]) / max(1, after[1] - before[1])
