"""A suite's episodes as a report: metrics, thresholds, every map with its ways, what the robot saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode, round_trips
from rilaas.evaluate.driving.judge.suite_figures import figures
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.evaluate.driving.scenario.suite import Suite, Threshold
from rilaas.report import Cell, Metric, Report, Table, metric_text, provenance, summarize

_HEADLINE = ("driven_lane_m", "lane_time_share", "survival_s", "lateral_deviation_m_s")


@dataclass(frozen=True, slots=True)
class _Check:
    """A threshold, applied."""

    threshold: Threshold
    place: str
    metric: Metric

    @property
    def is_met(self) -> bool:
        return self.metric.n > 0 and self.threshold.is_met(self.metric.mean)


def build_report(
    suite: Suite,
    episodes: Sequence[ScoredEpisode],
    *,
    latency: Latency,
    deadline_s: float | None = None,
    reference_m: Mapping[tuple[str, int], float] | None = None,
    command: Sequence[str] | None = None,
) -> Report:
    """A report from what was run; see ``run_suite``.

    Args:
        suite: What was to be run.
        episodes: What was run, in its order.
        latency: Where latencies came from.
        deadline_s: After which an answer was lost [s]; None where nothing was.
        reference_m: What somebody else drove [m], by scenario and seed.
        command: The command line; ``sys.argv`` where None.
    """
    by_map: dict[str, list[ScoredEpisode]] = defaultdict(list)
    for episode in episodes:
        by_map[episode.tile_map.name].append(episode)
    checks = list(_checks(suite, episodes, by_map))
    metrics = _driving_metrics(episodes) | _reference_metric(episodes, reference_m) | _call_metrics(episodes, latency)
    return Report(
        kind="evaluation",
        verdict=_verdict(suite, episodes, checks),
        summary=_summary(suite, episodes, metrics, checks),
        metrics=metrics,
        episodes=tuple(episode.row for episode in episodes),
        tables=tuple(_tables(suite, episodes, by_map, checks, latency)),
        figures=tuple(figures(episodes, by_map, reference_m, deadline_s)),
        provenance=provenance(sorted({episode.result.seed for episode in episodes}), command=command),
    )


def _driving_metrics(episodes: Sequence[ScoredEpisode]) -> dict[str, Metric]:
    names = [*_HEADLINE, *(name for name in METRICS if name not in _HEADLINE)]
    metrics = {name: _mean_of(episodes, name) for name in names}
    return {name: metric for name, metric in metrics.items() if metric.n}


def _mean_of(episodes: Sequence[ScoredEpisode], name: str) -> Metric:
    values = [episode.scores[name] for episode in episodes if name in episode.scores]
    return summarize(values, METRICS[name].unit, METRICS[name].direction)


def _reference_metric(
    episodes: Sequence[ScoredEpisode], reference_m: Mapping[tuple[str, int], float] | None
) -> dict[str, Metric]:
    shares = [
        episode.scores["driven_lane_m"] / reference
        for episode in episodes
        if "driven_lane_m" in episode.scores and (reference := episode.reference(reference_m)) > 0.0
    ]
    return {"driven_share_of_reference": summarize(shares, "1", "higher")} if shares else {}


def _call_metrics(episodes: Sequence[ScoredEpisode], latency: Latency) -> dict[str, Metric]:
    """How long answers really took, by server, and how long the world went on meanwhile where it is not the same."""
    by_server = round_trips(episodes)
    if not by_server:
        return {}
    round_trip_s = np.concatenate([episode.result.round_trip_s for episode in episodes])
    metrics = {"round_trip_s": summarize(round_trip_s, "s", "lower", servers=by_server)}
    if latency.mode != "measured":
        latency_s = np.concatenate([episode.result.latency_s for episode in episodes])
        metrics["latency_s"] = summarize(latency_s, "s", "lower")
    return metrics


def _checks(
    suite: Suite, episodes: Sequence[ScoredEpisode], by_map: Mapping[str, Sequence[ScoredEpisode]]
) -> Iterator[_Check]:
    for threshold in suite.thresholds:
        places = by_map if threshold.over == "each_map" else {"all episodes": episodes}
        for place, part in places.items():
            yield _Check(threshold, place, _mean_of(part, threshold.metric))


def _verdict(suite: Suite, episodes: Sequence[ScoredEpisode], checks: Sequence[_Check]) -> str:
    is_whole = len(episodes) == len(suite.scenarios) and all(episode.result.is_scored for episode in episodes)
    if any(check.metric.n and not check.is_met for check in checks):
        return "failed"
    return "passed" if checks and is_whole else "measured"


def _summary(
    suite: Suite, episodes: Sequence[ScoredEpisode], metrics: Mapping[str, Metric], checks: Sequence[_Check]
) -> str:
    completed = sum(not episode.failed for episode in episodes)
    sentences = [f"{completed} of {len(episodes)} episodes completed"]
    if len(episodes) < len(suite.scenarios):
        sentences = [f"Interrupted after {len(episodes)} of {len(suite.scenarios)} episodes: {completed} completed"]
    if "driven_lane_m" in metrics:
        sentences.append(f"Along the lane: {metric_text(metrics['driven_lane_m'])}")
    if "lane_time_share" in metrics:
        sentences.append(f"Time in lane: {metric_text(metrics['lane_time_share'])}")
    if unscored := sum(not episode.result.is_scored for episode in episodes):
        sentences.append(f"{unscored} could not be scored, for nobody answered")
    missed = [check for check in checks if check.metric.n and not check.is_met]
    if missed:
        first = missed[0]
        more = f", and {len(missed) - 1} more" if len(missed) > 1 else ""
        what = f"{first.threshold.metric} over {first.place} is {metric_text(first.metric)}, not {first.threshold}"
        sentences.append(f"{len(missed)} of {len(checks)} thresholds missed: {what}{more}")
    return ". ".join(sentences) + "."


def _tables(
    suite: Suite,
    episodes: Sequence[ScoredEpisode],
    by_map: Mapping[str, Sequence[ScoredEpisode]],
    checks: Sequence[_Check],
    latency: Latency,
) -> Iterator[Table]:
    names = ("driven_lane_m", "lane_time_share", "lateral_deviation_m_s")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, len(part), sum(episode.failed for episode in part), *(metric_text(_mean_of(part, n)) for n in names))
        for name, part in by_map.items()
    )
    yield Table("By map", ("map", "episodes", "failed", *names), rows, "Means with 95 % bootstrap intervals.")
    if checks:
        yield Table(
            "Thresholds",
            ("metric", "over", "needed", "reached", "met"),
            tuple(
                (c.threshold.metric, c.place, str(c.threshold), metric_text(c.metric), "yes" if c.is_met else "no")
                for c in checks
            ),
        )
    lost: Counter[str] = Counter()
    for episode in episodes:
        lost.update(episode.result.counts)
    if set(lost) - {"answers"}:
        yield Table("Calls", ("outcome", "calls"), tuple(lost.most_common()), "A lost call keeps the command before.")
    facts: list[tuple[Cell, ...]] = [
        ("suite", suite.name),
        ("digest", suite.digest),
        ("episodes", f"{len(episodes)} of {len(suite.scenarios)}"),
        ("latency", latency.text),
    ]
    reasons = sorted({episode.result.reason for episode in episodes} - {""})
    yield Table("Suite", ("", "value"), (*facts, *(("failure", reason) for reason in reasons)))
