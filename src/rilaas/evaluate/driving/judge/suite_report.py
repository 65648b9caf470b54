"""A suite's episodes as a report: its metrics by family, its verdict and one sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode, round_trips
from rilaas.evaluate.driving.judge.suite_figures import figures
from rilaas.evaluate.driving.judge.suite_table import Check, checks_of, mean_of, tables
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.evaluate.driving.scenario.suite import Suite
from rilaas.report import Metric, Report, metric_text, provenance, summarize, value_text

HEADLINE = (
    "driving_score",
    "driven_lane_m",
    "survival_share",
    "lane_time_share",
    "traffic_law_cost",
    "valid_direction_share",
    "heading_error_mean_rad2",
)
"""What a report shows first, where it is there."""

SAMPLES = 1000
"""How many round trips a report keeps: latencies can be drawn from them."""


def build_report(
    suite: Suite,
    episodes: Sequence[ScoredEpisode],
    *,
    latency: Latency,
    deadline_s: float | None = None,
    reference_m: Mapping[tuple[str, int], float] | None = None,
    command: Sequence[str] | None = None,
    simulator: str = "tile-world",
) -> Report:
    """A report from what was run; see ``run_suite``.

    Args:
        suite: What was to be run.
        episodes: What was run, in its order.
        latency: Where latencies came from.
        deadline_s: After which an answer was lost [s]; None where nothing was.
        reference_m: What somebody else drove [m], by scenario and seed.
        command: The command line; ``sys.argv`` where None.
        simulator: In whose world, by its name.
    """
    by_map: dict[str, list[ScoredEpisode]] = defaultdict(list)
    seen: dict[str, list[ScoredEpisode]] = defaultdict(list)
    for episode in episodes:
        by_map[episode.tile_map.name].append(episode)
        if len(episode.result.t_s):
            seen[episode.tile_map.name].append(episode)
    checks = checks_of(suite, episodes, by_map)
    metrics = _driving_metrics(episodes) | _reference_metric(episodes, reference_m) | _call_metrics(episodes, latency)
    metrics = dict(sorted(metrics.items(), key=lambda item: bool(item[1].group)))  # the headline first
    return Report(
        kind="evaluation",
        verdict=_verdict(suite, episodes, checks),
        summary=_summary(suite, episodes, metrics, checks),
        metrics=metrics,
        episodes=tuple(episode.row for episode in episodes),
        tables=tuple(tables(suite, episodes, by_map, checks, _conditions(latency, deadline_s, simulator))),
        figures=tuple(figures(episodes, seen, reference_m, deadline_s)),
        samples=_samples(episodes),
        provenance=provenance(sorted({episode.result.seed for episode in episodes}), command=command),
    )


def _conditions(latency: Latency, deadline_s: float | None, simulator: str) -> dict[str, str]:
    """Under which conditions was driven, apart from the suite."""
    deadline = {} if deadline_s is None else {"deadline": value_text(deadline_s, "s")}
    return {"simulator": simulator, "latency": latency.text, **deadline}


def _driving_metrics(episodes: Sequence[ScoredEpisode]) -> dict[str, Metric]:
    """The headline first, then family by family; a metric that no episode has is left away."""
    names = dict.fromkeys([*(name for name in HEADLINE if name in METRICS), *METRICS])
    metrics = {name: mean_of(episodes, name, "" if name in HEADLINE else METRICS[name].family) for name in names}
    return {name: metric for name, metric in metrics.items() if metric.n}


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


def _samples(episodes: Sequence[ScoredEpisode]) -> dict[str, tuple[float, ...]]:
    parts = [episode.result.round_trip_s for episode in episodes]
    kept = thinned(np.concatenate(parts)) if parts else ()
    return {"round_trip_s": kept} if kept else {}


def thinned(values: NDArray[np.float64]) -> tuple[float, ...]:
    """At most ``SAMPLES`` of many values, distributed as they are: evenly spaced quantiles, in rising order.

    Args:
        values: (N,).
    """
    every = np.sort(values)
    if every.size > SAMPLES:
        every = every[((np.arange(SAMPLES) + 0.5) * every.size / SAMPLES).astype(int)]
    return tuple(round(float(value), 7) for value in every)


def _verdict(suite: Suite, episodes: Sequence[ScoredEpisode], checks: Sequence[Check]) -> str:
    is_whole = len(episodes) == len(suite.scenarios) and all(episode.result.is_scored for episode in episodes)
    if any(check.metric.n and not check.is_met for check in checks):
        return "failed"
    return "passed" if checks and is_whole else "measured"


def _summary(
    suite: Suite, episodes: Sequence[ScoredEpisode], metrics: Mapping[str, Metric], checks: Sequence[Check]
) -> str:
    completed = sum(not episode.failed for episode in episodes)
    sentences = [f"{completed} of {len(episodes)} episodes completed"]
    if len(episodes) < len(suite.scenarios):
        sentences = [f"Interrupted after {len(episodes)} of {len(suite.scenarios)} episodes: {completed} completed"]
    if "driving_score" in metrics:
        sentences.append(f"Driving score: {metric_text(metrics['driving_score'])}")
    if "driven_lane_m" in metrics:
        sentences.append(f"Along the lane: {metric_text(metrics['driven_lane_m'])}")
    if "lane_time_share" in metrics:
        sentences.append(f"Time in lane: {metric_text(metrics['lane_time_share'])}")
    if unscored := sum(not episode.result.is_scored for episode in episodes):
        sentences.append(f"{unscored} could not be scored, for nobody answered or the simulator was gone")
    if again := sum(bool(episode.lost) and episode.result.is_scored for episode in episodes):
        sentences.append(f"{again} driven again, for the infrastructure had failed")
    missed = [check for check in checks if check.metric.n and not check.is_met]
    if missed:
        first = missed[0]
        more = f", and {len(missed) - 1} more" if len(missed) > 1 else ""
        what = f"{first.threshold.metric} over {first.place} is {metric_text(first.metric)}, not {first.threshold}"
        sentences.append(f"{len(missed)} of {len(checks)} thresholds missed: {what}{more}")
    return ". ".join(sentences) + "."
