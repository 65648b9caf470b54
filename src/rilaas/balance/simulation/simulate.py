"""From a cluster, a load and a policy to what came of each request."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rilaas.balance.protocol import Balancer
from rilaas.balance.simulation.asking import begin, check_models
from rilaas.balance.simulation.cluster import Cluster
from rilaas.balance.simulation.engine import Engine
from rilaas.balance.simulation.load import Load
from rilaas.balance.simulation.run import Run
from rilaas.balance.simulation.state import Ask
from rilaas.core import InvalidInput

TIMEOUT_S = 10.0


def simulate(
    cluster: Cluster,
    load: Load,
    make: Callable[[int], Balancer],
    seed: int,
    *,
    interceptors: int = 1,
    report_interval_s: float | None = None,
    warm_up: bool = True,
    ledger_delay_s: float | None = None,
    timeout_s: float = TIMEOUT_S,
    deadline_s: float = math.inf,
) -> Run:
    """Send a load through a policy to the servers of a cluster.

    The same arguments give the same run, and what chance decides of a request depends on the seed and on its number
    only (in a closed loop: on its robot and on which of that robot's queries it is), never on the policy.

    Args:
        cluster: What is simulated.
        load: Open loop: all requests of ``duration_s`` are made, and waited for. Closed loop: the same with robots
            that stop asking then.
        make: The policy of interceptor number 0, 1, ...
        seed: Of what chance decides, 0 or more; policies that draw have seeds of their own.
        interceptors: How many; robots belong to them in turn, and so do rounds of requests in an open loop, as many
            as there are models: so each interceptor has all of them.
        report_interval_s: How often servers tell interceptors of themselves unasked [s]; None where never.
        warm_up: Whether each interceptor makes one inference of each model on each server that it first meets.
        ledger_delay_s: How late interceptors know of each other's requests in flight [s]; None where never.
        timeout_s: How long after a request was sent a silent server is noticed [s].
        deadline_s: A request without an answer by then is given up, and not tried again [s].

    Raises:
        InvalidInput: The cluster has not the models of the load, or a number makes no sense.
    """
    check_models(cluster, load)
    _check(interceptors, seed, report_interval_s, ledger_delay_s, timeout_s, deadline_s)
    engine = Engine(
        cluster,
        [make(index) for index in range(interceptors)],
        seed,
        timeout_s=timeout_s,
        deadline_s=deadline_s,
        report_interval_s=report_interval_s,
        ledger_delay_s=ledger_delay_s,
        warm_up=warm_up,
    )
    rows = begin(engine, load, seed, interceptors)
    engine.finish()
    return run_of(cluster, load, seed, rows, engine.decisions_s)


def run_of(cluster: Cluster, load: Load, seed: int, rows: Sequence[Ask], decisions_s: Sequence[float]) -> Run:
    """The requests of an engine as arrays."""

    def column(name: str, kind: Any) -> Any:
        return np.fromiter((getattr(row, name) for row in rows), kind, len(rows))

    whole = {name: column(name, np.int64) for name in ("robot", "interceptor", "model", "server", "attempts")}
    real = {name: column(name, np.float64) for name in ("at_s", "latency_s", "wait_s", "service_s")}
    decision_s = float(np.median(decisions_s)) if decisions_s else math.nan
    return Run(cluster, load, seed, ok=column("ok", np.bool_), decision_s=decision_s, **whole, **real)


def _check(
    interceptors: int,
    seed: int,
    report_interval_s: float | None,
    ledger_delay_s: float | None,
    timeout_s: float,
    deadline_s: float,
) -> None:
    if interceptors < 1:
        raise InvalidInput(f"{interceptors} interceptors; there is 1 or more.")
    if seed < 0:
        raise InvalidInput(f"Seed {seed}; a seed is 0 or more.")
    if report_interval_s is not None and not (math.isfinite(report_interval_s) and report_interval_s > 0.0):
        raise InvalidInput(f"Reports every {report_interval_s} s; the interval is above 0.")
    if ledger_delay_s is not None and not (math.isfinite(ledger_delay_s) and ledger_delay_s >= 0.0):
        raise InvalidInput(f"A ledger {ledger_delay_s} s late; the delay is 0 or more.")
    for what, value in (("timeout", timeout_s), ("deadline", deadline_s)):
        if not value > 0.0:
            raise InvalidInput(f"A {what} of {value} s; it is above 0.")
    if timeout_s == math.inf:
        raise InvalidInput("A timeout of inf s: nobody would ever notice that a server is silent.")
