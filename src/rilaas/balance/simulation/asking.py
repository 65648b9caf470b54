"""Who asks an engine, and when: requests that come whatever happens, or robots that wait for their answers."""

from __future__ import annotations

from rilaas.balance.simulation.chance import Chance
from rilaas.balance.simulation.cluster import Cluster
from rilaas.balance.simulation.engine import Engine
from rilaas.balance.simulation.load import MAX_REQUESTS, Load, OpenLoad, Robots
from rilaas.balance.simulation.state import Ask
from rilaas.core import InvalidInput, did_you_mean

_REQUESTS, _THINKING = 1, 2  # names of streams of random numbers


def check_models(cluster: Cluster, load: Load) -> None:
    """Check that the cluster has what the load asks for.

    Raises:
        InvalidInput: It has not.
    """
    for model in load.models:
        if model not in cluster.models:
            raise InvalidInput(
                f"Load {load.name!r} asks for model {model!r}, which cluster {cluster.name!r} has not.",
                did_you_mean(model, cluster.models),
            )


def begin(engine: Engine, load: Load, seed: int, interceptors: int) -> list[Ask]:
    """Have a load asked from now on; the engine's next events are its requests.

    Args:
        engine: Of a cluster with all models of the load.
        load: What is asked.
        seed: Of what chance decides of each request.
        interceptors: How many the engine has.

    Returns:
        The requests, to which those that are made later are added.

    Raises:
        InvalidInput: It is no load that can be asked.
    """
    models = [engine.models.index(model) for model in load.models]
    if isinstance(load, Robots):
        return _closed_loop(engine, load, models, seed, interceptors)
    if isinstance(load, OpenLoad):
        return _open_loop(engine, load, models, seed, interceptors)
    raise InvalidInput(f"Load {load.name!r} is neither of robots nor has it arrivals.")


def _open_loop(engine: Engine, load: OpenLoad, models: list[int], seed: int, interceptors: int) -> list[Ask]:
    at_s, which = (column.tolist() for column in load.arrivals(seed))
    luck = Chance(seed, _REQUESTS)
    rows: list[Ask] = []

    def due(now: float, row: int) -> None:
        if row + 1 < len(at_s):
            engine.push_ask(at_s[row + 1], row + 1)
        ask = Ask(row, -1, 0, row // len(models) % interceptors, models[which[row]], now, luck[row])
        rows.append(ask)
        engine.ask(ask)

    engine.asked = due
    if at_s:
        engine.push_ask(at_s[0], 0)
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
    return rows
