"""What metrics cost: each family per drive of 60 s, and all of them as a share of a rollout with PilotNet.

    python benchmarks/metrics.py [--json PATH] [--seconds 2] [--model models/lane-following]

Two drives, both by the model: alone on the oval, and on the map with crossings, in which four vehicles, a duckie and
an obstacle are laid beside the recorded way so that every family has something to count. Each family is measured on a
fresh drive that knows nothing yet, so that what families share (lane poses, gaps) is paid by each of them; "all,
shared" is what a report pays. Medians of CPU time over calls, which other work beside it changes little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from rilaas.evaluate.driving import Drive, Scenario, rollout, track_lanes
from rilaas.evaluate.driving.judge.scored_episode import drive_of
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.score import FAMILIES, infractions_of, score_drive
from rilaas.evaluate.driving.road.actor import RED, Actor, ActorTrack, SignalTrack
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.stop_line import stop_lines
from rilaas.infer import load

LIMIT = 0.05
"""The share of a rollout that metrics may cost."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement (default 2)")
    parser.add_argument("--model", default="models/lane-following", help="the model that drives")
    arguments = parser.parse_args()
    policy = load(arguments.model, threads=1)
    results: dict[str, dict[str, float]] = {}
    for name, busy in (("oval", False), ("crossings", True)):
        scenario = Scenario("benchmark", name, 1, task="LFI" if busy else "LF", end=())
        rollouts = timed(lambda scenario=scenario: rollout(policy, scenario), arguments.seconds)
        drive = drive_of(rollout(policy, scenario))
        drive = with_company(drive) if busy else drive
        print(f"{name}: {len(drive.t_s)} stamps, {len(drive.actors)} actors; a rollout takes {rollouts:.3f} s")
        for what, call in cases(drive).items():
            spent_s = timed(call, arguments.seconds)
            results[f"{name}: {what}"] = {"median_s": spent_s, "share_of_rollout": spent_s / rollouts}
            print(f"  {what:42} {1e3 * spent_s:8.3f} ms  {100 * spent_s / rollouts:6.2f} % of the rollout")
        results[f"{name}: rollout"] = {"median_s": rollouts, "share_of_rollout": 1.0}
        share = results[f"{name}: all, shared"]["share_of_rollout"]
        print(f"  all together {100 * share:.2f} %, {'within' if share < LIMIT else 'ABOVE'} {100 * LIMIT:g} %")
    if arguments.json:
        machine = {"processor": platform.machine(), "python": platform.python_version(), "numpy": np.__version__}
        text = json.dumps({"benchmark": "metrics", "machine": machine, "results": results}, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")


def cases(drive: Drive) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    constants = Constants()
    lanes = lane_graph(drive.tile_map)
    poses = [tuple(pose) for pose in drive.poses.tolist()]
    return {
        "lane poses, one by one": lambda: [lanes.poses(pose) for pose in poses],
        "lane poses, all at once": lambda: track_lanes(drive.tile_map, drive.poses),
        **{
            family.title: lambda family=family: family.score(replace(drive), constants)  # fresh: nothing is cached
            for family in FAMILIES
        },
        "infractions": lambda: infractions_of(replace(drive), constants),
        "all, shared": lambda: both(replace(drive), constants),
    }


def both(drive: Drive, constants: Constants) -> object:
    """What a report asks for."""
    return score_drive(drive, constants), infractions_of(drive, constants)


def with_company(drive: Drive) -> Drive:
    """The same drive among others: vehicles on its own way, earlier and later, and a red light at every line."""
    tracks = []
    for number, shift in enumerate((15, 60, 240, -60)):
        car = Actor(f"vehicle-{number}", "vehicle", 0.18, 0.13, 0.12, middle_ahead_m=-0.024)
        tracks.append(ActorTrack(car, np.roll(drive.poses, -shift, axis=0)))
    for kind, at in (("duckie", 300), ("obstacle", 700)):
        place = drive.poses[at % len(drive.poses)] + np.array([0.08, 0.08, 0.0])
        tracks.append(ActorTrack(Actor(f"{kind}-1", kind, 0.06, 0.06, 0.08), np.tile(place, (len(drive.poses), 1))))
    states = np.full(len(drive.t_s), RED, np.uint8)
    signals = tuple(SignalTrack(line, states) for line in stop_lines(drive.tile_map)[::2])
    return replace(drive, actors=tuple(tracks), signals=signals)


def timed(call: Callable[[], object], seconds: float) -> float:
    """Median CPU time of one call [s], after one that is not counted."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return float(np.median(times))


if __name__ == "__main__":
    main()
