"""How fast the tile world is, on one core: frames a second, and a closed-loop step without inference.

    python benchmarks/tile_world.py [--json PATH] [--seconds 3]

The floor in the same run is one bare ``cv2.warpPerspective`` of the rows below the horizon: no far rows drawn with
several samples, no sky, no noise. Numbers are medians over calls; ``per_s`` is 1 / median.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.view.appearance import Appearance, vary
from rilaas.evaluate.driving.view.ground import draw_ground
from rilaas.evaluate.driving.view.view import View
from rilaas.evaluate.driving.world.world import World


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement (default 3)")
    arguments = parser.parse_args()
    results = {name: timed(call, arguments.seconds) for name, call in cases().items()}
    floor_s = results["floor: bare warpPerspective"]["median_s"]
    for name, result in results.items():
        result["times_floor"] = result["median_s"] / floor_s
        print(
            f"{name:38} {1e3 * result['median_s']:7.3f} ms  {1.0 / result['median_s']:7.0f} /s  "
            f"p99 {1e3 * result['p99_s']:7.3f} ms  {result['times_floor']:5.1f} x floor  n={result['n']}"
        )
    if arguments.json:
        machine = {"processor": platform.machine(), "python": platform.python_version(), "opencv": cv2.__version__}
        text = json.dumps({"benchmark": "tile_world", "machine": machine, "results": results}, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")


def cases() -> dict[str, Callable[[int], object]]:
    """What is measured, by name; each takes the number of the call."""
    tile_map = load_map("oval")
    look = vary(np.random.default_rng(1))
    ground = draw_ground(tile_map, Appearance())
    fixed, varied = View(ground), View(draw_ground(tile_map, look), look)
    closed = {name: World(Scenario("benchmark", "oval", 1, appearance=name)) for name in ("fixed", "varied")}
    matrix = ground.picture_from_map(0) @ fixed.camera.ground_from_image
    size = (fixed.camera.width_px, fixed.camera.height_px - math.ceil(fixed.camera.horizon_px))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    six = {name: others(name) for name in ("box", "duckiebot", "duckie")}
    return {
        "floor: bare warpPerspective": lambda k: cv2.warpPerspective(ground.levels[0], matrix, size, flags=flags),
        "frame 160x120, fixed": lambda k: fixed.frame(pose(k), k),
        "frame 160x120, varied, noise, blur": lambda k: varied.frame(pose(k), k),
        **{
            f"frame 160x120, fixed, 6 x {name}": lambda k, them=them: fixed.frame(pose(k), k, them(pose(k)))
            for name, them in six.items()
        },
        "frame 160x120, fixed, 6 behind": lambda k: fixed.frame(pose(k), k, six["duckiebot"](behind(pose(k)))),
        "closed-loop step, fixed": lambda k: step(closed["fixed"], k),
        "closed-loop step, varied": lambda k: step(closed["varied"], k),
        "step without a frame": lambda k: closed["fixed"].advance((0.5, 0.4), closed["fixed"].ticks_per_frame),
        "draw a map in a new look": lambda k: draw_ground(tile_map, look),
    }


def pose(k: int) -> Pose:
    """A pose that moves along the oval's lower side."""
    return 0.7 + 0.001 * (k % 900), 0.164, 0.1 * math.sin(0.1 * k)


def behind(place: Pose) -> Pose:
    """2 m back, so that what was ahead is out of sight."""
    return place[0] - 2.0 * math.cos(place[2]), place[1] - 2.0 * math.sin(place[2]), place[2]


def others(look: str) -> Callable[[Pose], list[tuple[Actor, Pose]]]:
    """Six things of one look ahead of a robot, from 0.3 m to 1.3 m, left and right in turn."""
    size = {"box": (0.1, 0.1, 0.1), "duckiebot": (0.18, 0.13, 0.12), "duckie": (0.06, 0.05, 0.075)}[look]
    kind = {"duckiebot": "vehicle", "duckie": "duckie"}.get(look, "obstacle")
    actor = Actor(look, kind, *size, look=look)

    def ahead(place: Pose) -> list[tuple[Actor, Pose]]:
        cos, sin = math.cos(place[2]), math.sin(place[2])
        placed = []
        for i in range(6):
            x, y = 0.3 + 0.2 * i, 0.12 if i % 2 else -0.12
            placed.append((actor, (place[0] + cos * x - sin * y, place[1] + sin * x + cos * y, place[2] + 0.3 * i)))
        return placed

    return ahead


def step(world: World, k: int) -> None:
    """A step of 0.05 s: physics, frame, lane pose, whether it is on the road."""
    if not world.is_on_road:
        world.reset()
    world.step((0.5, 0.5 + 0.05 * math.sin(0.1 * k)))
    _ = world.lane_pose


def timed(call: Callable[[int], object], seconds: float) -> dict[str, float]:
    """Median and 99th percentile of one call [s]."""
    for k in range(3):
        call(k)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call(len(times))
        times.append(time.perf_counter() - start)
    return {"median_s": float(np.median(times)), "p99_s": float(np.quantile(times, 0.99)), "n": len(times)}


if __name__ == "__main__":
    main()
