"""A variant in closed loop inside an optimization's box, with its own measured latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rilaas.infer import load
from rilaas.optimize.measured import Driven
from rilaas.optimize.passes.contract import Tell
from rilaas.store import ModelFolder

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Progress, ScoredEpisode

_LATENCIES = 1000  # so many measured ones are drawn from


def drive(
    name: str, folder: ModelFolder, suite_name: str, episodes: int, total_s: NDArray[np.float64], tell: Tell
) -> Driven:
    """Drive a variant through a suite.

    Args:
        name: What it is called.
        folder: The variant.
        suite_name: One of our suites.
        episodes: How many, over all worlds of the suite in turn.
        total_s: (N,) measured times of its whole policy, from which its latency in the world is drawn [s].
        tell: Progress.

    Raises:
        InvalidInput: It does not drive.
    """
    from rilaas.evaluate.driving import Latency, read_suite, run_suite
    from rilaas.evaluate.driving.judge.drawing import map_shapes
    from rilaas.evaluate.driving.scenario.turns import with_episodes

    suite = with_episodes(read_suite(suite_name), episodes)
    whole_s = sum(scenario.duration_s for scenario in suite.scenarios)
    done: list[ScoredEpisode] = []

    def on_episode(progress: Progress) -> None:
        done.append(progress.episode)

    def on_frame(t_s: float) -> None:
        past_s = sum(scenario.duration_s for scenario in suite.scenarios[: len(done)])
        tell((past_s + t_s) / whole_s, f"episode {len(done) + 1} of {len(suite.scenarios)}")

    latency = Latency.drawn(total_s[:_LATENCIES])
    report = run_suite(load(folder), suite, latency=latency, on_episode=on_episode, on_frame=on_frame)
    names = [key for key, metric in report.metrics.items() if metric.n]
    scores = {key: np.array([each.scores.get(key, np.nan) for each in done]) for key in names}
    return Driven(
        name,
        scores,
        {key: report.metrics[key].unit for key in names},
        scores.get("inference_frequency_hz", np.full(len(done), np.nan)),
        {_title(each): each.result.poses for each in done},
        {_title(each): map_shapes(each.tile_map) for each in done},
        suite=f"{suite.name} ({suite.digest})",
    )


def _title(episode: ScoredEpisode) -> str:
    return f"{episode.result.scenario.name}, seed {episode.result.seed}"
