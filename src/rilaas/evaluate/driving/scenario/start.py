"""Where a robot starts: a pose drawn on a lane."""

from __future__ import annotations

import math

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.lane import Lane, Pose, wrap_angle
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.stop_line import stop_lines
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.scenario import Scenario, Spawn

MAX_DRAWS = 1000


def draw_start(tile_map: TileMap, spawn: Spawn, rng: np.random.Generator) -> np.ndarray:
    """Draw a start pose: a point of a lane, uniform over their length, then a deviation from it.

    The pose is in its lane; a draw that is not (tolerances wider than the lane) is drawn again.

    Args:
        tile_map: Where.
        spawn: How far from the centre line, and on which kinds of tiles.
        rng: Source of chance.

    Returns:
        pose: (3,) float64 [m, m, rad], in the map's frame.

    Raises:
        InvalidInput: The map has no road, or the tolerances are so wide that hardly a draw is in its lane.
    """
    graph = lane_graph(tile_map)
    lanes = [lane for lane in graph.lanes if tile_map.tile(*lane.cell).kind in spawn.kinds] or graph.lanes
    if not lanes:
        raise InvalidInput(
            f"Map {tile_map.name!r} has no road to start on.", "Use a map with straight or curve tiles."
        )
    lengths = np.array([lane.length_m for lane in lanes])
    for _ in range(MAX_DRAWS):
        lane = lanes[rng.choice(len(lanes), p=lengths / lengths.sum())]
        pose = _deviate(lane, spawn, rng)
        if any(found.lane == lane for found in graph.poses(pose)) and _is_clear(tile_map, lane, pose, spawn):
            return np.array(pose)
    raise InvalidInput(
        f"None of {MAX_DRAWS} start poses that were drawn on {tile_map.name!r} is in its lane and clear.",
        "Make the tolerances of [spawn] smaller; a lane is 0.22 m wide.",
    )


def _is_clear(tile_map: TileMap, lane: Lane, pose: Pose, spawn: Spawn) -> bool:
    """Whether the next red line ahead in this tile or the next is far enough."""
    if not spawn.line_clearance_m:
        return True
    ends = [lane, *lane_graph(tile_map).successors(lane)]
    places = [each.pose_at(each.length_m) for each in ends]
    lines = [line for line in stop_lines(tile_map) if any(math.dist(line.pose, place) < 1e-6 for place in places)]
    return all(line.see(pose[0], pose[1])[0] >= spawn.line_clearance_m for line in lines)


def start_pose(tile_map: TileMap, scenario: Scenario) -> np.ndarray:
    """The start pose of a scenario: its own, or drawn from its seed; see ``draw_start``.

    Returns:
        pose: (3,) float64 [m, m, rad], in the map's frame.
    """
    if scenario.start is not None:
        return np.array(scenario.start, dtype=np.float64)
    return draw_start(tile_map, scenario.spawn, np.random.default_rng([scenario.seed, 0x5747]))


def _deviate(lane: Lane, spawn: Spawn, rng: np.random.Generator) -> tuple[float, float, float]:
    x_m, y_m, heading = lane.pose_at(rng.uniform(0.0, lane.length_m))
    lateral_m = rng.uniform(-spawn.lateral_tolerance_m, spawn.lateral_tolerance_m)
    turn = rng.uniform(-spawn.heading_tolerance_rad, spawn.heading_tolerance_rad)
    return x_m - math.sin(heading) * lateral_m, y_m + math.cos(heading) * lateral_m, wrap_angle(heading + turn)
