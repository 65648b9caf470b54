"""A variant in closed loop, with its own measured latency, on the same scenarios and seeds as all others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving import Latency, Progress, ScoredEpisode, Suite, run_suite
from rilaas.evaluate.driving.judge.drawing import map_shapes
from rilaas.infer import load
from rilaas.optimize.measured import Driven
from rilaas.store import ModelFolder

Drive = Callable[[str, ModelFolder, NDArray[np.float64]], Driven]
"""Drives a variant: its name, its folder, and measured times of the whole policy [s]."""

_LATENCIES = 1000  # so many measured ones are drawn from


def drive(
    name: str,
    folder: ModelFolder,
    suite: Suite,
    total_s: NDArray[np.float64],
    *,
    threads: int = 1,
    on_episode: Callable[[Progress], None] | None = None,
    on_frame: Callable[[float], None] | None = None,
) -> Driven:
    """Drive a variant through a suite.

    Args:
        name: What it is called.
        folder: The variant.
        suite: What it is put through.
        total_s: (N,) measured times of its whole policy, from which its latency in the world is drawn [s].
        threads: That it computes with.
        on_episode: Called after each episode.
        on_frame: Called after each camera frame with the episode's time [s].

    Raises:
        InvalidInput: It does not drive.
        KeyboardInterrupt: Ctrl-C; half a suite is no comparison.
    """
    done: list[ScoredEpisode] = []

    def keep(progress: Progress) -> None:
        done.append(progress.episode)
        if on_episode is not None:
            on_episode(progress)

    latency = Latency.drawn(total_s[:_LATENCIES])
    report = run_suite(load(folder, threads=threads), suite, latency=latency, on_episode=keep, on_frame=on_frame)
    if len(done) < len(suite.scenarios):
        raise KeyboardInterrupt
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
