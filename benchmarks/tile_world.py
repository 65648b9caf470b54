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
            f"{name:34} {1e3 * result['median_s']:7.3f} ms  {1.0 / result['median_s']:7.0f} /s  "
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
    return {
        "floor: bare warpPerspective": lambda k: cv2.warpPerspective(ground.levels[0], matrix, size, flags=flags),
        "frame 160x120, fixed": lambda k: fixed.frame(pose(k), k),
        "frame 160x120, varied, noise, blur": lambda k: varied.frame(pose(k), k),
        "closed-loop step, fixed": lambda k: step(closed["fixed"], k),
        "closed-loop step, varied": lambda k: step(closed["varied"], k),
        "step without a frame": lambda k: closed["fixed"].advance((0.5, 0.4), closed["fixed"].ticks_per_frame),
        "draw a map in a new look": lambda k: draw_ground(tile_map, look),
    }


def pose(k: int) -> tuple[float, float, float]:
    """A pose that moves along the oval's lower side."""
    return 0.7 + 0.001 * (k % 900), 0.164, 0.1 * math.sin(0.1 * k)


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
