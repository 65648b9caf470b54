"""Policies on the same loads with the same random numbers, run here or in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from rilaas.balance.comparison.contender import Contender
from rilaas.balance.comparison.digest import Digest, digest
from rilaas.balance.comparison.result import Comparison
from rilaas.balance.protocol import Balancer
from rilaas.balance.registry import Setting
from rilaas.balance.simulation import Cluster, Load, simulate
from rilaas.core import InvalidInput, RilaasError, did_you_mean

REFERENCE = "least_connections"
MOST_WORKERS = 2
"""Processes where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which conditions loads are run; see ``simulate``.

    Attributes:
        interceptors: How many choose servers without knowing of each other.
        report_interval_s: How often servers tell them of themselves unasked [s]; None where never.
        ledger_delay_s: How late interceptors know of each other's requests in flight [s]; None where never.
        warm_up: Whether each makes one inference of each model on each server that it first meets.
    """

    interceptors: int = 1
    report_interval_s: float | None = None
    ledger_delay_s: float | None = None
    warm_up: bool = True

    def __post_init__(self) -> None:
        if self.interceptors < 1:
            raise InvalidInput(f"{self.interceptors} interceptors choose nothing.", "Give 1 or more.")


@dataclass(frozen=True, slots=True)
class Job:
    """One run.

    Attributes:
        load: What is asked for.
        contender: Who chooses.
        seed: Of the load's and the servers' random numbers.
    """

    load: Load
    contender: Contender
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a comparison is.

    Attributes:
        done: Runs.
        total: Runs.
        job: The last one.
        digest: What came of it.
    """

    done: int
    total: int
    job: Job
    digest: Digest


def compare(
    cluster: Cluster,
    loads: Sequence[Load],
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    *,
    reference: str = REFERENCE,
    conditions: Conditions = Conditions(),
    workers: int = 1,
    on_run: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Run every policy on every load with every seed; Ctrl-C ends it, and what was run is given back.

    Seeds come outermost, so that a comparison that is ended early has something of everything.

    Args:
        cluster: The servers, with what disturbs them.
        loads: With names of their own.
        contenders: The policies.
        seeds: Of which each stands for a run of the same requests with the same service and network times for all.
        reference: With whom the others are compared; the first where it is not among them.
        conditions: Under which all are run.
        workers: Processes; at most as many as there are cores.
        on_run: Called after each run.

    Raises:
        InvalidInput: Nothing to run, two loads of the same name, or a policy that cannot choose among these servers.
        KeyboardInterrupt: Ctrl-C before the first run was done.
    """
    _check(loads, contenders, seeds)
    check_servers(cluster, contenders)
    jobs = [Job(load, contender, seed) for seed in seeds for load in loads for contender in contenders]
    names = [contender.name for contender in contenders]
    found: dict[tuple[str, str], list[Digest]] = {(load.name, name): [] for load in loads for name in names}
    workers = max(1, min(workers, os.cpu_count() or 1, len(jobs)))
    results = _in_processes(cluster, jobs, conditions, workers) if workers > 1 else _here(cluster, jobs, conditions)
    done = 0
    try:
        for job, result in zip(jobs, results, strict=True):
            found[job.load.name, job.contender.name].append(result)
            done += 1
            if on_run is not None:
                on_run(Progress(done, len(jobs), job, result))
    except KeyboardInterrupt:
        if not done:
            raise
    return Comparison(
        cluster=cluster,
        loads=tuple(loads),
        policies=tuple(names),
        reference=reference if reference in names else names[0],
        interceptors=conditions.interceptors,
        digests={key: tuple(digests) for key, digests in found.items()},
        is_whole=done == len(jobs),
    )


def _check(loads: Sequence[Load], contenders: Sequence[Contender], seeds: Sequence[int]) -> None:
    if not loads or not contenders or not seeds:
        raise InvalidInput("A comparison needs a load, a policy and a seed.", "Name at least one of each.")
    for what, names in (("load", [load.name for load in loads]), ("policy", [each.name for each in contenders])):
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise InvalidInput(f"Two are called {twice!r}, a {what}'s name.", "Give each a name of its own.")
    if len(set(seeds)) < len(seeds):
        raise InvalidInput("A seed is given twice; the same run twice says nothing new.", "Give each once.")


def check_servers(cluster: Cluster, contenders: Sequence[Contender]) -> None:
    """Refuse a policy that was trained for other servers: it would fall back, and be compared as what it is not.

    Args:
        cluster: What policies are compared on.
        contenders: The policies; those that have ``check_servers`` are asked.

    Raises:
        InvalidInput: One was trained for others.
    """
    names = [server.name for server in cluster.servers]
    for contender in contenders:
        check = getattr(contender.make(Setting(seed=0)), "check_servers", None)
        if check is not None:
            try:
                check(names)
            except InvalidInput as error:
                raise InvalidInput(f"{contender.name} on {cluster.name}: {error.message}", error.hint) from None


def check_reference(reference: str, contenders: Sequence[Contender], role: str = "reference") -> None:
    """Raise ``InvalidInput`` where a policy that somebody named for a role is not compared."""
    names = [contender.name for contender in contenders]
    if reference not in names:
        raise InvalidInput(f"The {role} {reference!r} is not among the policies.", did_you_mean(reference, names))


def _here(cluster: Cluster, jobs: Sequence[Job], conditions: Conditions) -> Iterator[Digest]:
    for job in jobs:
        yield _run(cluster, job, conditions)


def _run(cluster: Cluster, job: Job, conditions: Conditions) -> Digest:
    def make(index: int) -> Balancer:
        return job.contender.make(Setting(seed=1000 * job.seed + index, interceptors=conditions.interceptors))

    try:
        run = simulate(
            cluster,
            job.load,
            make,
            job.seed,
            interceptors=conditions.interceptors,
            report_interval_s=conditions.report_interval_s,
            ledger_delay_s=conditions.ledger_delay_s,
            warm_up=conditions.warm_up,
        )
    except RilaasError as error:
        words = f"{job.contender.name} cannot do {job.load.name}: {error.message}"
        raise InvalidInput(words, error.hint) from error
    return digest(run)


def _in_processes(cluster: Cluster, jobs: Sequence[Job], conditions: Conditions, workers: int) -> Iterator[Digest]:
    # Spawned, not forked: a forked process inherits locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(cluster, conditions))
    try:
        yield from pool.map(_run_in_worker, jobs)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_in_worker: list[tuple[Cluster, Conditions]] = []


def _begin(cluster: Cluster, conditions: Conditions) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    _in_worker.append((cluster, conditions))


def _run_in_worker(job: Job) -> Digest:
    cluster, conditions = _in_worker[0]
    return _run(cluster, job, conditions)
