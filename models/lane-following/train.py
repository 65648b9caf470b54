"""How the weights came to be: train, export to weights.onnx, drive on held-out seeds and maps, fill in the card.

Run ``python models/lane-following/train.py`` from anywhere; it needs ``pip install "rilaas[learn,serve]"``. Ctrl-C
ends the training early and goes on with the weights so far.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from rilaas.core import Policy
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.episode.rollout import rollout
from rilaas.evaluate.driving.objective.anchor import score_trajectory
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.world.world import World
from rilaas.infer import load
from rilaas.learn import Dagger, ExpertPolicy, Progress, export_onnx, train
from rilaas.learn.demonstration import Preprocess

FOLDER = Path(__file__).resolve().parent
TRAINED_ON = ("oval", "s_bends", "zigzag")
HELD_OUT = ("held_out_heart",)
LATENCIES_S = (0.05, 0.1, 0.15, 0.2, 0.3)
FIRST_HELD_OUT_SEED = 3_000_000_000  # training draws its seeds below 2 ** 31
MARKS = ("<!-- results: written by train.py -->", "<!-- end of results -->")


def main() -> int:
    """Train, export, evaluate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws everything (default 1)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads (default 1)")
    parser.add_argument(
        "--episodes", type=int, default=10, help="60 s episodes on each map in the evaluation (default 10)"
    )
    parser.add_argument("--evaluate-only", action="store_true", help="keep the weights, drive and fill in the card")
    arguments = parser.parse_args()
    lines = []
    if not arguments.evaluate_only:
        dagger = replace(Dagger(), maps=TRAINED_ON, seed=arguments.seed, threads=arguments.threads)
        outcome = train(dagger, read_preprocess(), progress_line())
        export_onnx(outcome.network, FOLDER / "weights.onnx")
        lines.append(
            f"Trained with `python models/lane-following/train.py --seed {arguments.seed}`: "
            f"{outcome.demonstrations:,} demonstrations, {outcome.steps:,} steps, {outcome.duration_s / 60:.1f} min "
            f"on {arguments.threads} core{'s' * (arguments.threads > 1)}"
            f"{', interrupted' if outcome.interrupted else ''}."
        )
        print(f"\n{lines[-1]}", file=sys.stderr)
    policy = load(FOLDER)
    tables = [evaluate(policy, arguments.episodes), evaluate_late(policy, arguments.episodes)]
    print("\n\n".join("\n".join(table) for table in tables))
    write_card(lines, tables)
    return 0


def read_preprocess() -> Preprocess:
    """The preprocessing of hooks.py."""
    spec = importlib.util.spec_from_file_location("lane_following_hooks", FOLDER / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    preprocess: Preprocess = module.preprocess
    return preprocess


def progress_line() -> Callable[[Progress], None]:
    """A function that prints the progress once a second on a terminal, every half minute elsewhere."""
    every_s, end = (1.0, "") if sys.stderr.isatty() else (30.0, "\n")
    last_s = 0.0

    def show(progress: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= every_s:
            last_s = time.monotonic()
            print(
                f"\r{100 * progress.share:3.0f} %  {progress.stage:16}  {progress.demonstrations:6} demonstrations  "
                f"loss {progress.loss:.5f}  {progress.left_s / 60:4.1f} min left",
                end=end,
                file=sys.stderr,
                flush=True,
            )

    return show


def evaluate(policy: Policy, episodes: int) -> list[str]:
    """Drive 60 s episodes in worlds that the training never saw; a Markdown table."""
    rows = [
        "| map | episodes | completed | lane time, mean (min) | of the expert's distance, mean (min) "
        "| mean deviation, policy / expert |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in (*TRAINED_ON, *HELD_OUT):
        results = [drive(policy, name, FIRST_HELD_OUT_SEED + k, Latency.none()) for k in range(episodes)]
        completed, share, distance, own_m, expert_m = (np.array(column) for column in zip(*results, strict=True))
        label = f"{name} (not trained on)" if name in HELD_OUT else name
        rows.append(
            f"| {label} | {episodes} | {completed.sum()} | {100 * share.mean():.1f} % ({100 * share.min():.1f} %) "
            f"| {100 * distance.mean():.1f} % ({100 * distance.min():.1f} %) "
            f"| {100 * own_m.mean():.1f} / {100 * expert_m.mean():.1f} cm |"
        )
        print(rows[-1], file=sys.stderr)
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
        print(rows[-1], file=sys.stderr)
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


def write_card(lines: list[str], tables: list[list[str]]) -> None:
    """Put the results between the marks in README.md; without new training, its line stays as it is."""
    card = FOLDER / "README.md"
    before, _, rest = card.read_text(encoding="utf-8").partition(MARKS[0])
    old, _, after = rest.partition(MARKS[1])
    lines = lines or [line for line in old.splitlines() if line.startswith("Trained with")]
    text = "\n\n".join([*lines, *("\n".join(table) for table in tables)])
    card.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
