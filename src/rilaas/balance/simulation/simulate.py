"""From a cluster, a load and a policy to what came of each request."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rilaas.balance.protocol import Balancer
from rilaas.balance.simulation.chance import Chance
from rilaas.balance.simulation.cluster import Cluster
from rilaas.balance.simulation.engine import Engine
from rilaas.balance.simulation.load import MAX_REQUESTS, Load, OpenLoad, Robots
from rilaas.balance.simulation.run import Run
from rilaas.balance.simulation.state import Ask
from rilaas.core import InvalidInput, did_you_mean

TIMEOUT_S = 10.0
_REQUESTS, _THINKING = 1, 2  # names of streams of random numbers


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
    for model in load.models:
        if model not in cluster.models:
            raise InvalidInput(
                f"Load {load.name!r} asks for model {model!r}, which cluster {cluster.name!r} has not.",
                did_you_mean(model, cluster.models),
            )
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
    models = [cluster.models.index(model) for model in load.models]
    if isinstance(load, Robots):
        rows = _closed_loop(engine, load, models, seed, interceptors)
    elif isinstance(load, OpenLoad):
        rows = _open_loop(engine, load, models, seed, interceptors)
    else:
        raise InvalidInput(f"Load {load.name!r} is neither of robots nor has it arrivals.")
    return _run_of(cluster, load, seed, rows, engine.decisions_s)


def _open_loop(engine: Engine, load: OpenLoad, models: list[int], seed: int, interceptors: int) -> list[Ask]:
    at_s, which = load.arrivals(seed)
    luck = Chance(seed, _REQUESTS)
    rows = []
    for row, (now, model) in enumerate(zip(at_s.tolist(), which.tolist(), strict=True)):
        ask = Ask(row, -1, 0, row // len(models) % interceptors, models[model], now, luck[row])
        rows.append(ask)
        engine.run_until(now)
        engine.ask(ask)
    engine.finish()
    return rows


def _closed_loop(engine: Engine, load: Robots, models: list[int], seed: int, interceptors: int) -> list[Ask]:
    luck, thinking = Chance(seed, _REQUESTS), Chance(seed, _THINKING)
    think, steps = load.think.drawer(), [models[step] for step in load.steps]
    rows: list[Ask] = []
    queries, cycles = [0] * load.count, [0] * load.count
    at_step = [0] * load.count

    def due(now: float, robot: int) -> None:
        if len(rows) == MAX_REQUESTS:
            raise InvalidInput(f"Load {load.name!r} makes more than {MAX_REQUESTS:,} requests.", "Let robots think.")
        step = at_step[robot]
        its_luck = luck[queries[robot] * load.count + robot]
        queries[robot] += 1
        ask = Ask(len(rows), robot, step, robot % interceptors, steps[step], now, its_luck)
        rows.append(ask)
        engine.ask(ask)

    def ended(ask: Ask, now: float) -> None:
        robot, next_s = ask.robot, now
        at_step[robot] = ask.step + 1 if ask.ok else len(steps)
        if at_step[robot] == len(steps):
            at_step[robot] = 0
            cycles[robot] += 1
            drawn = thinking[cycles[robot] * load.count + robot]
            next_s = now + think(drawn[0], drawn[1])
        if next_s < load.duration_s:
            engine.push_ask(next_s, robot)

    engine.asked, engine.ended = due, ended
    for robot in range(load.count):
        engine.push_ask(thinking[robot][0] * load.think.mean_s, robot)
    engine.run_until(load.duration_s)
    engine.finish()
    return rows


def _run_of(cluster: Cluster, load: Load, seed: int, rows: list[Ask], decisions_s: list[float]) -> Run:
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
