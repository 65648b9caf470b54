"""Two policies on episode after episode, until it is clear which one is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rilaas.core import InvalidInput, NotFound, Policy, did_you_mean
from rilaas.evaluate.compare import BETTER, NO_DIFFERENCE, SCORE, WORSE, ConfidenceSequence, bounds_of
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.judge.judge import score_all
from rilaas.evaluate.driving.judge.runner import Runner
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode
from rilaas.evaluate.driving.judge.suite_report import build_report
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.scenario.suite import Suite
from rilaas.evaluate.driving.scenario.turns import seed_of_turn, seeds_by_world
from rilaas.evaluate.driving.world.simulator import SimulatorOf, simulator_name
from rilaas.evaluate.driving.world.world import tile_world
from rilaas.report import Report

Maker = Policy | Callable[[], Policy]

PAIRS = 200
"""How many pairs are driven at most, where nobody says."""

_WORLDS = 0xD0E1


@dataclass(frozen=True, slots=True)
class Pair:
    """One episode of both, and what is known after it.

    Attributes:
        number: Of the pair, from 1.
        most: How many there will be at most.
        first: The first policy's episode.
        second: The second one's, on the same scenario and seed.
        difference: First minus second; None where one of them has no value.
        low: Lower end of the interval of the mean difference, after this pair.
        high: Its upper end.
    """

    number: int
    most: int
    first: ScoredEpisode
    second: ScoredEpisode
    difference: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Duel:
    """What a duel showed.

    Attributes:
        metric: What was compared.
        first: The first policy's report.
        second: The second one's, over the same episodes.
        verdict: ``better`` or ``worse`` (the first than the second), or ``no measurable difference``.
        low: Lower end of the interval of the mean difference, valid at whatever pair one stops.
        high: Its upper end.
        mean: Of the differences; NaN where there is none.
        n: How many differences there are.
        is_whole: Whether it was decided, or all pairs were driven; not where it was interrupted.
    """

    metric: str
    first: Report
    second: Report
    verdict: str
    low: float
    high: float
    mean: float
    n: int
    is_whole: bool


def run_duel(
    first: Maker,
    second: Maker,
    suite: Suite,
    *,
    metric: str = SCORE,
    pairs: int = PAIRS,
    alpha: float = 0.05,
    latency: Latency | None = None,
    deadline_s: float | None = None,
    simulator: SimulatorOf = tile_world,
    workers: int = 1,
    on_pair: Callable[[Pair], None] | None = None,
    command: Sequence[str] | None = None,
) -> Duel:
    """Let two policies drive the same episodes until a difference of their mean scores is certain.

    After each pair a confidence sequence is asked whether it leaves out 0. It may be asked that often: it errs with a
    probability of at most ``alpha`` over all pairs together. The worlds of the suite are drawn at random, each as
    often as it has seeds there, with its own seeds first and then those that follow: independent draws are what the
    sequence needs, and worlds in turn would not be. Ctrl-C ends it with what is known by then.

    Args:
        first: Who is judged; with several workers a function that makes it.
        second: Against whom.
        suite: Where the worlds come from.
        metric: What is compared; a share, or a driving score.
        pairs: How many at most.
        alpha: How often a difference may be seen that is none.
        latency: See ``run_suite``; so are the others.
        deadline_s: An answer that takes longer is lost [s].
        simulator: Makes a fresh simulator.
        workers: Processes for each of the two.
        on_pair: Called after each pair.
        command: What the reports call the command line.

    Raises:
        NotFound: There is no such metric.
        InvalidInput: The metric has no bounds, or no direction.
        KeyboardInterrupt: Ctrl-C before the first pair was done.
    """
    if metric not in METRICS:
        raise NotFound(f"There is no metric {metric!r}. {did_you_mean(metric, METRICS)}")
    low, high = bounds_of(metric, METRICS[metric].unit)
    direction = METRICS[metric].direction
    if not direction:
        raise InvalidInput(f"{metric} has no better and no worse.", f"Take {SCORE}.")
    drawn = replace(suite, scenarios=drawn_scenarios(suite, pairs), thresholds=())  # they are for the whole suite
    latency = latency or Latency.none()
    contact_m = suite.constants.contact_m
    runners = [
        Runner(each, latency, deadline_s, simulator=simulator, contact_m=contact_m) for each in (first, second)
    ]
    sequence = ConfidenceSequence(low - high, high - low, alpha=alpha)
    done: list[Pair] = []
    try:
        for pair in _pairs(runners, drawn, metric, sequence, workers):
            done.append(pair)
            if on_pair is not None:
                on_pair(pair)
            if sequence.excludes(0.0):
                break
    except KeyboardInterrupt:
        if not done:
            raise
    driven = replace(drawn, scenarios=drawn.scenarios[: len(done)])
    world = simulator_name(simulator)
    build = partial(build_report, driven, latency=latency, deadline_s=deadline_s, command=command, simulator=world)
    reports = build([pair.first for pair in done]), build([pair.second for pair in done])
    differences = [pair.difference for pair in done if pair.difference is not None]
    mean = float(np.mean(differences)) if differences else float("nan")
    verdict = _verdict(sequence, direction)
    is_whole = verdict != NO_DIFFERENCE or len(done) == pairs
    return Duel(metric, *reports, verdict, *sequence.interval, mean, len(differences), is_whole)


def _verdict(sequence: ConfidenceSequence, direction: str) -> str:
    if not sequence.excludes(0.0):
        return NO_DIFFERENCE
    return BETTER if (sequence.interval[0] > 0.0) == (direction == "higher") else WORSE


def drawn_scenarios(suite: Suite, count: int, seed: int = 0) -> tuple[Scenario, ...]:
    """Scenarios whose worlds are drawn from a suite's, each as likely as it has seeds there; none comes twice.

    Args:
        suite: Where the worlds come from.
        count: How many.
        seed: Of the draw.
    """
    seeds = seeds_by_world(suite)
    worlds = list(seeds)
    weights = np.array([len(seeds[world]) for world in worlds], np.float64)
    picks = np.random.default_rng([seed, _WORLDS]).choice(len(worlds), count, p=weights / weights.sum())
    turns = dict.fromkeys(range(len(worlds)), 0)
    scenarios = []
    for pick in picks.tolist():
        scenarios.append(replace(worlds[pick], seed=seed_of_turn(seeds[worlds[pick]], turns[pick])))
        turns[pick] += 1
    return tuple(scenarios)


def _pairs(
    runners: Sequence[Runner], suite: Suite, metric: str, sequence: ConfidenceSequence, workers: int
) -> Iterator[Pair]:
    runs = [runner.run(suite.scenarios, workers=workers) for runner in runners]
    with closing(runs[0]), closing(runs[1]):
        both = zip(score_all(runs[0], suite), score_all(runs[1], suite), strict=True)
        for number, (first, second) in enumerate(both, 1):
            difference = None
            if metric in first.scores and metric in second.scores:
                difference = first.scores[metric] - second.scores[metric]
                sequence.add(difference)
            yield Pair(number, len(suite.scenarios), first, second, difference, *sequence.interval)
