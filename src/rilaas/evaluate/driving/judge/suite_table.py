"""The tables of a suite's report: by map and scenario, infractions, thresholds, infrastructure, calls, the suite."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.evaluate.driving.scenario.suite import Suite, Threshold
from rilaas.report import Cell, Metric, Table, metric_text, summarize

_COLUMNS = ("driving_score", "driven_lane_m", "lane_time_share", "traffic_law_cost", "lateral_deviation_m_s")
_COLUMNS_SHOWN = 4
_REASONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Check:
    """A threshold, applied.

    Attributes:
        threshold: What is needed.
        place: Over which episodes.
        metric: What was reached.
    """

    threshold: Threshold
    place: str
    metric: Metric

    @property
    def is_met(self) -> bool:
        """Whether it is reached; not where nothing was measured."""
        return self.metric.n > 0 and self.threshold.is_met(self.metric.mean)


def mean_of(episodes: Iterable[ScoredEpisode], name: str, group: str = "") -> Metric:
    """A metric over those episodes that have it."""
    values = [episode.scores[name] for episode in episodes if name in episode.scores]
    return summarize(values, METRICS[name].unit, METRICS[name].direction, group=group)


def checks_of(
    suite: Suite, episodes: Sequence[ScoredEpisode], by_map: Mapping[str, Sequence[ScoredEpisode]]
) -> list[Check]:
    """A suite's thresholds, each applied to all episodes or to those of each map."""
    return [
        Check(threshold, place, mean_of(part, threshold.metric))
        for threshold in suite.thresholds
        for place, part in (by_map if threshold.over == "each_map" else {"all episodes": episodes}).items()
    ]


def tables(
    suite: Suite,
    episodes: Sequence[ScoredEpisode],
    by_map: Mapping[str, Sequence[ScoredEpisode]],
    checks: Sequence[Check],
    conditions: Mapping[str, str],
) -> Iterator[Table]:
    """All of them, in a report's order; one that would say nothing is left away.

    Args:
        suite: What was to be run.
        episodes: What was run.
        by_map: The same by the name of their map.
        checks: The thresholds, applied.
        conditions: Under which was driven, apart from the suite: ``simulator``, ``latency``, ...
    """
    by_scenario: dict[str, list[ScoredEpisode]] = defaultdict(list)
    for episode in episodes:
        by_scenario[episode.result.scenario.name].append(episode)
    is_same = _parts(by_scenario) == _parts(by_map)
    if not is_same and len(by_scenario) > 1:
        yield _places_table("By scenario", "scenario", by_scenario)
    if is_same or len(by_map) > 1 or len(by_scenario) == 1:
        yield _places_table("By map", "map", by_map)
    if broken := _infraction_table(episodes):
        yield broken
    if checks:
        rows = [(c.threshold.metric, c.place, str(c.threshold), metric_text(c.metric), c.is_met) for c in checks]
        columns = ("metric", "over", "needed", "reached", "met")
        yield Table("Thresholds", columns, tuple((*row[:-1], "yes" if row[-1] else "no") for row in rows))
    if lost := _infrastructure_table(episodes):
        yield lost
    calls: Counter[str] = Counter()
    for episode in episodes:
        calls.update(episode.result.counts)
    if set(calls) - {"answers"}:
        yield Table(
            "Calls", ("outcome", "calls"), tuple(calls.most_common()), "A lost call keeps the command before."
        )
    yield _suite_table(suite, episodes, conditions)


def _parts(places: Mapping[str, Sequence[ScoredEpisode]]) -> set[tuple[int, ...]]:
    return {tuple(id(episode) for episode in part) for part in places.values()}


def _places_table(title: str, column: str, places: Mapping[str, Sequence[ScoredEpisode]]) -> Table:
    every = [episode for part in places.values() for episode in part]
    names = [name for name in _COLUMNS if any(name in episode.scores for episode in every)][:_COLUMNS_SHOWN]
    names = names or ["driven_lane_m"]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (place, len(part), sum(episode.failed for episode in part), *(metric_text(mean_of(part, n)) for n in names))
        for place, part in places.items()
    )
    return Table(title, (column, "episodes", "failed", *names), rows, "Means with 95 % bootstrap intervals.")


def _infraction_table(episodes: Sequence[ScoredEpisode]) -> Table | None:
    """Each kind: how often, in how many episodes, per episode and per km of the way that was driven."""
    scored = [episode for episode in episodes if episode.result.is_scored]
    kinds = Counter(each.kind for episode in scored for each in episode.infractions)
    if not kinds:
        return None
    way_km = 1e-3 * sum(episode.way_m for episode in scored)
    rows: list[tuple[Cell, ...]] = []
    for kind, count in kinds.most_common():
        touched = sum(any(each.kind == kind for each in episode.infractions) for episode in scored)
        cost = sum(each.cost for episode in scored for each in episode.infractions if each.kind == kind)
        rows.append((kind, count, touched, count / len(scored), count / way_km if way_km > 0.0 else None, cost))
    columns = ("kind", "count", "episodes with it", "per episode", "per km", "cost")
    note = f"Over {len(scored)} scored episodes and {way_km:.3g} km of way, in lane or not."
    return Table("Infractions by kind", columns, tuple(rows), note)


def _infrastructure_table(episodes: Sequence[ScoredEpisode]) -> Table | None:
    """Episodes that were tried again, or given up, because nobody answered or the simulator was gone."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            e.result.scenario.name,
            e.result.seed,
            len(e.lost),
            "scored" if e.result.is_scored else "not scored",
            "; ".join(dict.fromkeys(e.lost)),
        )
        for e in episodes
        if e.lost
    )
    if not rows:
        return None
    note = "Failures of servers, networks and simulators are never counted as the policy's."
    return Table("Infrastructure failures", ("scenario", "seed", "attempts lost", "in the end", "why"), rows, note)


def _suite_table(suite: Suite, episodes: Sequence[ScoredEpisode], conditions: Mapping[str, str]) -> Table:
    facts: list[tuple[Cell, ...]] = [
        ("suite", suite.name),
        ("digest", suite.digest),
        ("episodes", f"{len(episodes)} of {len(suite.scenarios)}"),
        *conditions.items(),
    ]
    reasons = sorted({episode.result.reason for episode in episodes} - {""})[:_REASONS_SHOWN]
    return Table("Suite", ("", "value"), (*facts, *(("failure", reason) for reason in reasons)))
