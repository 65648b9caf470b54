"""A driving model from nothing to its card: train by DAgger, export, drive on held-out seeds and maps, write it down.

What ``models/*/train.py`` of the driving models share.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from rilaas.core import Policy
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.episode.rollout import rollout
from rilaas.evaluate.driving.objective.anchor import score_trajectory
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.world.world import World
from rilaas.infer import load
from rilaas.learn.controls import Controls
from rilaas.learn.dagger import Dagger, Progress, train
from rilaas.learn.demonstration import Preprocess
from rilaas.learn.expert import ExpertPolicy

HELD_OUT = ("held_out_heart",)
LATENCIES_S = (0.05, 0.1, 0.15, 0.2, 0.3)
FIRST_HELD_OUT_SEED = 3_000_000_000  # training draws its seeds below 2 ** 31
MARKS = ("<!-- results: written by train.py -->", "<!-- end of results -->")


@dataclass(frozen=True, slots=True)
class DrivingModel:
    """A driving model that can be trained.

    Attributes:
        folder: Where its hooks are, and where ``weights.onnx`` and the results in README.md go.
        dagger: How to train; its seed and threads come from the command line.
        network: Makes the student.
        controls: What its numbers mean.
        export: Writes the trained network as ONNX.
    """

    folder: Path
    dagger: Dagger
    network: Callable[[], nn.Module]
    controls: Controls
    export: Callable[[nn.Module, Path], None]


def run(model: DrivingModel, description: str) -> int:
    """Do what the command line says: train, export, evaluate.

    Args:
        model: What to train.
        description: First line of the help.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=1, help="draws everything (default 1)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads (default 1)")
    parser.add_argument(
        "--episodes", type=int, default=10, help="60 s episodes on each map in the evaluation (default 10)"
    )
    parser.add_argument("--evaluate-only", action="store_true", help="keep the weights, drive and fill in the card")
    arguments = parser.parse_args()
    lines = []
    if not arguments.evaluate_only:
        lines.append(_train(replace(model.dagger, seed=arguments.seed, threads=arguments.threads), model))
        tell(f"\n{lines[-1]}")
    policy = load(model.folder)
    tables = [evaluate(policy, model.dagger.maps, arguments.episodes), evaluate_late(policy, arguments.episodes)]
    write_results(model.folder / "README.md", lines, tables)
    return 0


def tell(line: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _train(dagger: Dagger, model: DrivingModel) -> str:
    preprocess = read_preprocess(model.folder)
    outcome = train(dagger, preprocess, progress_line(), network=model.network, controls=model.controls)
    model.export(outcome.network, model.folder / "weights.onnx")
    return (
        f"Trained with `python models/{model.folder.name}/train.py --seed {dagger.seed}`: "
        f"{outcome.demonstrations:,} demonstrations, {outcome.steps:,} steps, {outcome.duration_s / 60:.1f} min "
        f"on {dagger.threads} core{'s' * (dagger.threads > 1)}{', interrupted' if outcome.interrupted else ''}."
    )


def read_preprocess(folder: Path) -> Preprocess:
    """The preprocessing of a folder's hooks.py; the folder need not have weights yet."""
    spec = importlib.util.spec_from_file_location(f"hooks_of_{folder.name}", folder / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    preprocess: Preprocess = module.preprocess
    return preprocess


def progress_line() -> Callable[[Progress], None]:
    """A function that writes the progress once a second on a terminal, every half minute elsewhere."""
    every_s, end = (1.0, "") if sys.stderr.isatty() else (30.0, "\n")
    last_s = 0.0

    def show(progress: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= every_s:
            last_s = time.monotonic()
            sys.stderr.write(
                f"\r{100 * progress.share:3.0f} %  {progress.stage:16}  {progress.demonstrations:6} demonstrations  "
                f"loss {progress.loss:.5f}  {progress.left_s / 60:4.1f} min left{end}"
            )
            sys.stderr.flush()

    return show


def evaluate(policy: Policy, trained_on: tuple[str, ...], episodes: int) -> list[str]:
    """Drive 60 s episodes in worlds that the training never saw; a Markdown table."""
    rows = [
        "| map | episodes | completed | lane time, mean (min) | of the expert's distance, mean (min) "
        "| mean deviation, policy / expert |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in (*trained_on, *HELD_OUT):
        results = [drive(policy, name, FIRST_HELD_OUT_SEED + k, Latency.none()) for k in range(episodes)]
        completed, share, distance, own_m, expert_m = (np.array(column) for column in zip(*results, strict=True))
        label = f"{name} (not trained on)" if name in HELD_OUT else name
        rows.append(
            f"| {label} | {episodes} | {completed.sum()} | {100 * share.mean():.1f} % ({100 * share.min():.1f} %) "
            f"| {100 * distance.mean():.1f} % ({100 * distance.min():.1f} %) "
            f"| {100 * own_m.mean():.1f} / {100 * expert_m.mean():.1f} cm |"
        )
        tell(rows[-1])
    return rows


def evaluate_late(policy: Policy, episodes: int) -> list[str]:
    """The same on the held-out map with answers that come late; a Markdown table."""
    rows = [
        "| added latency | episodes | completed | lane time, mean (min) | of the expert's distance, mean (min) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for latency_s in LATENCIES_S:
        latency = Latency.fixed(latency_s)
        results = [drive(policy, HELD_OUT[0], FIRST_HELD_OUT_SEED + k, latency) for k in range(episodes)]
        completed, share, distance = (np.array(column) for column in list(zip(*results, strict=True))[:3])
        rows.append(
            f"| {1e3 * latency_s:.0f} ms | {episodes} | {completed.sum()} "
            f"| {100 * share.mean():.1f} % ({100 * share.min():.1f} %) "
            f"| {100 * distance.mean():.1f} % ({100 * distance.min():.1f} %) |"
        )
        tell(rows[-1])
    return rows


def drive(policy: Policy, map_name: str, seed: int, latency: Latency) -> tuple[bool, float, float, float, float]:
    """One episode: completed, lane time share, share of the expert's distance, mean deviations [m]."""
    scenario = Scenario(f"card-{map_name}", map_name, seed, duration_s=60.0, appearance="varied")
    world = World(scenario)
    tile_map = load_map(map_name)
    own = rollout(policy, scenario, latency, simulator=world)
    expert = rollout(ExpertPolicy(world), scenario, simulator=world)
    scores, best = (score_trajectory(tile_map, result.t_s, result.poses) for result in (own, expert))
    return (
        own.status == "completed",
        scores["lane_time_share"],
        scores["driven_lane_m"] / best["driven_lane_m"],
        scores["lateral_deviation_m_s"] / scores["survival_s"],
        best["lateral_deviation_m_s"] / best["survival_s"],
    )


def write_results(card: Path, lines: list[str], tables: list[list[str]]) -> None:
    """Put results between the marks in a README.md; without new training, the line on it stays as it is."""
    before, _, rest = card.read_text(encoding="utf-8").partition(MARKS[0])
    old, _, after = rest.partition(MARKS[1])
    lines = lines or [line for line in old.splitlines() if line.startswith("Trained with")]
    text = "\n\n".join([*lines, *("\n".join(table) for table in tables)])
    card.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")
