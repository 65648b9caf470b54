"""What distance costs in driving: the same model beside the robot, on an edge server and on cloud servers.

    python benchmarks/distance.py [--episodes N] [--duration SECONDS] [--robots N] [--json PATH]

Each row is a fleet of its own: hub, interceptor and one server as processes, the model deployed on the server, robots
that ask over TLS with their tokens. The world goes on for as long as each answer really took. The cloud's distance is
emulated by an added delay at the interceptor. The same episodes in each row, several robots at the same time; the row
is compared with the model in the robot's own process, episode by episode.
"""

import argparse
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from rilaas.cli.fleet import INTERCEPTOR, Fleet, FleetServer
from rilaas.cli.fleet_setup import add_robot, deploy, wait_in_force
from rilaas.cli.output import Output
from rilaas.client import RobotClient
from rilaas.evaluate.driving import METRICS, Latency, read_suite, rollout, score_episode
from rilaas.infer import load
from rilaas.report import grid, metric_text, summarize
from rilaas.store import read_model_folder

MODEL = Path(__file__).resolve().parents[1] / "models" / "lane-following"
DELAYS_S = (0.04, 0.08, 0.15, 0.25)
SHOWN = ("driving_score", "driven_lane_m", "survival_s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=12, help="in each row (default 12)")
    parser.add_argument("--duration", type=float, default=60.0, help="of an episode [s] (default 60)")
    parser.add_argument("--robots", type=int, default=4, help="that drive at the same time (default 4)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    every = read_suite("lf").scenarios
    step = max(1, len(every) // options.episodes)
    scenarios = [replace(each, duration_s=options.duration) for each in every[::step]][: options.episodes]
    policy = load(MODEL)
    rows = {"this process": [score_episode(rollout(policy, each, Latency.measured())) for each in scenarios]}
    places = [FleetServer("edge-1", "edge")]
    places += [FleetServer(f"cloud-{1e3 * delay_s:.0f}ms", "cloud", delay_s) for delay_s in DELAYS_S]
    for place in places:
        rows[place.name] = drive_through(place, scenarios, options.robots)
    show(rows)
    if options.json:
        options.json.write_text(json.dumps({name: [dict(e.scores) for e in row] for name, row in rows.items()}))


def drive_through(place, scenarios, robots):
    """Every scenario once, through a fleet with this one server."""
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder), (place,)) as fleet:
        fleet.start_machines()
        with fleet.connect() as hub:
            deployed = deploy(hub, read_model_folder(MODEL), [place.name], "least_connections", Output(quiet=True))
            key = add_robot(hub, "robot", deployed.ref, Path(folder))
            wait_in_force(hub, INTERCEPTOR)
        with ThreadPoolExecutor(robots) as pool:
            return list(pool.map(partial(drive, fleet, deployed.name, key), scenarios))


def drive(fleet, name, key, scenario):
    with RobotClient(fleet.address, name, "", key, fleet.ca_path) as robot:
        return score_episode(rollout(robot, scenario, Latency.measured()))


def show(rows):
    home = rows["this process"]
    columns = ("model runs on", "round trip p50 / p99", *SHOWN, "score against here")
    table = []
    for name, row in rows.items():
        spent_ms = 1e3 * np.concatenate([each.result.round_trip_s for each in row])
        cells = [metric_text(summarize([e.scores[m] for e in row], METRICS[m].unit)) for m in SHOWN]
        lost = [e.scores["driving_score"] - h.scores["driving_score"] for e, h in zip(row, home, strict=True)]
        against = metric_text(summarize(lost, METRICS["driving_score"].unit)) if name != "this process" else ""
        table.append((name, f"{np.median(spent_ms):.1f} / {np.percentile(spent_ms, 99):.1f} ms", *cells, against))
    print("\n".join(grid(columns, table)))


if __name__ == "__main__":
    main()
