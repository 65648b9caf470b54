"""Drives made by hand, for tests of what they are worth."""

import math
from dataclasses import replace

import numpy as np

from rilaas.evaluate.driving import Drive, parse_map
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor, ActorTrack, SignalTrack

SIZE_M = 0.585
RIGHT = 0.28 * SIZE_M  # y of the middle of the lane to the east in the lowest row
ROAD = parse_map("tiles:\n- [straight/E" + ", straight/E" * 15 + "]", "road")
CROSS = parse_map(
    """tiles:
- [grass, straight/N, grass]
- [straight/E, 4way, straight/E]
- [grass, straight/N, grass]""",
    "cross",
)
LINE_X = SIZE_M  # where the road from the west enters the crossing of CROSS
CROSS_Y = SIZE_M + RIGHT  # y of its lane


def drive(x_m, lateral_m=0.0, heading_rad=0.0, *, dt_s=0.1, tile_map=ROAD, y_m=RIGHT, **more):
    """A drive to the east: one pose for each x, at a distance to the left of the lane's middle, every ``dt_s``."""
    x_m, lateral_m, heading_rad = np.broadcast_arrays(*(np.asarray(v, float) for v in (x_m, lateral_m, heading_rad)))
    t_s = dt_s * np.arange(len(x_m))
    poses = np.column_stack([x_m, y_m + lateral_m, heading_rad])
    return Drive(tile_map, t_s, poses, **{"planned_s": float(t_s[-1]), **more})


def steady(seconds, lateral_m=0.0, heading_rad=0.0, *, dt_s=0.1, speed_m_per_s=0.3, **more):
    """A drive to the east at constant speed."""
    t_s = dt_s * np.arange(round(seconds / dt_s) + 1)
    return drive(0.1 + speed_m_per_s * t_s, lateral_m, heading_rad, dt_s=dt_s, **more)


def part(whole, first, end):
    """The stamps from ``first`` to before ``end``; nobody failed."""
    actors = tuple(ActorTrack(each.actor, each.poses[first:end]) for each in whole.actors)
    signals = tuple(SignalTrack(each.line, each.states[first:end]) for each in whole.signals)
    t_s, poses = whole.t_s[first:end], whole.poses[first:end]
    return replace(
        whole, t_s=t_s, poses=poses, planned_s=float(t_s[-1] - t_s[0]), actors=actors, signals=signals, failed=False
    )


def vehicle(poses, name="vehicle-1"):
    """Another Duckiebot."""
    return ActorTrack(replace(DUCKIEBOT, name=name), np.array(poses, float))


def duckie(poses, name="duckie-1"):
    """A duckie of 4 by 4 cm."""
    return ActorTrack(Actor(name, "duckie", 0.04, 0.04, 0.06), np.array(poses, float))


def beside(poses, ahead_m, left_m=0.0):
    """Poses ahead of and beside the given ones, (N, 3)."""
    poses = np.asarray(poses, float)
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    x_m = poses[:, 0] + ahead_m * cos - left_m * sin
    y_m = poses[:, 1] + ahead_m * sin + left_m * cos
    return np.column_stack([x_m, y_m, poses[:, 2]])


def quarter_turns(tile_map, poses, turns):
    """A map of square shape and poses on it, turned to the left about the map's middle."""
    rows = [[(tile.kind, tile.orientation, tile.is_road) for tile in row] for row in tile_map.tiles]
    poses = np.array(poses, float)
    for _ in range(turns):
        rows = [[rows[len(rows) - 1 - i][j] for i in range(len(rows))] for j in range(len(rows))]
        rows = [[(k, "ENWS"["ENWS".index(o) - 3] if road else o, road) for k, o, road in row] for row in rows]
        poses = np.column_stack([tile_map.height_m - poses[:, 1], poses[:, 0], poses[:, 2] + math.pi / 2])
    text = ["[" + ", ".join(f"{k}/{o}" if road else k for k, o, road in row) + "]" for row in reversed(rows)]
    return parse_map("tiles:\n- " + "\n- ".join(text), "turned"), poses
