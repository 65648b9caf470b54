"""How fast a suite is driven with PilotNet in the loop: the tile world with 1 and 2 workers, and gym-duckietown.

    python benchmarks/suite_speed.py [--suite lf] [--gym-seconds 20] [--json PATH]

Each number is simulated seconds per second. Processor seconds are those of this process and its workers: on a
machine that does other work too, they tell more. gym-duckietown is measured where it is installed, in the same run:

- behind our protocol, with physics steps of 5 ms;
- by its own ``env.step`` once a frame, without our loop, with pictures of 160 x 120 and no lens distortion;
- the same with AI-DO's camera: 640 x 480 with distortion, made smaller for the network.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np

from rilaas.core import MissingDependency
from rilaas.evaluate.driving import Latency, load_map, read_suite, rollout, run_suite, start_pose
from rilaas.evaluate.driving.simulator.gym_duckietown import import_engine, open_gym_duckietown, own_map, quiet
from rilaas.evaluate.driving.world.world import robot_of
from rilaas.infer import load

MODEL = Path(__file__).parent.parent / "models" / "lane-following"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="lf")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--gym-seconds", type=float, default=20.0, help="simulated, for each way (default 20)")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    suite = read_suite(arguments.suite)
    simulated_s = sum(scenario.duration_s for scenario in suite.scenarios)
    make, none = partial(load, arguments.model), Latency.none()
    results = {
        f"tile world, {workers} worker{'s' * (workers > 1)}": measured(
            simulated_s, lambda workers=workers: run_suite(make, suite, latency=none, workers=workers)
        )
        for workers in (1, 2)
    }
    scenario = replace(suite.scenarios[0], duration_s=arguments.gym_seconds, appearance="fixed")
    policy = make()
    results["tile world, one episode"] = measured(scenario.duration_s, lambda: rollout(policy, scenario, none))
    try:
        import_engine()
    except MissingDependency as error:
        print(f"not measured: {error.message} {error.hint}")
    else:
        results |= gym_duckietown(policy, scenario)
    print(f"{'':32} {'wall [s]':>9} {'simulated [s]':>14} {'per second':>11} {'per processor second':>21}")
    for name, value in results.items():
        numbers = (value["wall_s"], value["simulated_s"], value["per_s"], value["per_cpu_s"])
        print("{:32} {:9.1f} {:14.0f} {:11.1f} {:21.1f}".format(name, *numbers))
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
        text = json.dumps({"benchmark": "suite_speed", "machine": machine, "results": results}, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")


def gym_duckietown(policy, scenario) -> dict[str, dict[str, float]]:
    """Behind our protocol, and by its own loop; both with the policy."""

    def ours() -> None:
        with open_gym_duckietown(scenario) as simulator:
            rollout(policy, scenario, Latency.none(), simulator=simulator)

    def theirs(size_px=(160, 120), distortion=False) -> None:
        engine = import_engine()
        with quiet():
            env = engine.Eye(own_map(load_map(scenario.map)), False, 1, size_px, distortion)
            env.frame_rate, env.delta_time = 1.0 / scenario.dt_s, scenario.dt_s
            start = simulator_state(engine, scenario)
            env.state, env.cur_pos, env.cur_angle = start
            image = env.render_obs()
            for _ in range(round(scenario.duration_s / scenario.dt_s)):
                small = (
                    image if size_px == (160, 120) else cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA)
                )
                wheels = policy.predict({"image": small[None]})["wheels"][0]
                image, _, _, _ = env.step(wheels)
            env.close()

    return {
        "gym-duckietown, our protocol": measured(scenario.duration_s, ours),
        "gym-duckietown, its own step": measured(scenario.duration_s, theirs),
        "gym-duckietown, AI-DO's camera": measured(scenario.duration_s, partial(theirs, (640, 480), True)),
    }


def simulator_state(engine, scenario):
    """Its own state at the scenario's start, with the integrator that works with today's numpy."""
    tile_map = load_map(scenario.map)
    pose = tuple(start_pose(tile_map, scenario).tolist())
    body = engine.Body(robot_of(scenario), scenario.command_delay_s)
    body.place(pose)
    return body._state, np.array([pose[0], 0.0, tile_map.height_m - pose[1]]), pose[2]


def measured(simulated_s: float, call: Callable[[], object]) -> dict[str, float]:
    """Wall and processor time of one call."""
    before, start = os.times(), time.perf_counter()
    call()
    wall_s, after = time.perf_counter() - start, os.times()
    cpu_s = sum(after[:4]) - sum(before[:4])
    return {
        "simulated_s": simulated_s,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "per_s": simulated_s / wall_s,
        "per_cpu_s": simulated_s / cpu_s,
    }


if __name__ == "__main__":
    main()
