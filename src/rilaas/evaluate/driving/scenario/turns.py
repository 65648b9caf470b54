"""Which episodes are driven where a suite is to be shorter or longer than it is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.scenario.suite import Suite


def with_episodes(suite: Suite, count: int) -> Suite:
    """A suite cut or extended to a number of episodes.

    Its worlds take turns, each with its own seeds and then with those that follow the highest.

    Args:
        suite: What to cut.
        count: Episodes, at least 1.
    """
    seeds = seeds_by_world(suite)
    worlds, scenarios = list(seeds), []
    for i in range(count):
        world, turn = worlds[i % len(worlds)], i // len(worlds)
        scenarios.append(replace(world, seed=seed_of_turn(seeds[world], turn)))
    return replace(suite, scenarios=tuple(scenarios))


def seeds_by_world(suite: Suite) -> dict[Scenario, list[int]]:
    """A suite's worlds, which are its scenarios without their seeds, each with its seeds."""
    seeds: dict[Scenario, list[int]] = defaultdict(list)
    for scenario in suite.scenarios:
        seeds[replace(scenario, seed=0)].append(scenario.seed)
    return dict(seeds)


def seed_of_turn(own: list[int], turn: int) -> int:
    """A world's own seeds first, then those that follow the highest.

    Args:
        own: The world's seeds, at least one.
        turn: How often the world was driven already.
    """
    return own[turn] if turn < len(own) else max(own) + 1 + turn - len(own)
