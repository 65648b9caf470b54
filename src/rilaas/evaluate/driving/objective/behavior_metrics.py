"""The metrics of the tool Behavior Metrics (JdeRobot), on our road.

Source: github.com/JdeRobot/BehaviorMetrics, utils/metrics_carla.py, whose names are kept. With x the position, c_k
the commands at the stamps, and the distance D of the way along the lane::

    completed distance      sum of |x_{k+1} - x_k|
    effective distance D    way made along the lanes' centre lines          (there: waypoints 0.5 m apart, within 1 m)
    position deviation      mean distance to the nearest centre line that leads the robot's way; and that over D
    suddenness per km       sum of |c_k - c_{k-1}| over D
    collisions, lane invasions per km        their number over D
    completed laps          whole times round the road's one loop
    distance to the car ahead                share of the way with it at great, medium, close, dangerous distance
    inference frequency     answers per second of simulated time

Readings:

- The tool's suddenness is the mean change from one message to the next, over D: it falls with the length of the drive
  and with the rate of the messages, of the same manner of driving. Here it is the sum over D, which does neither; the
  tool's own is ``..._as_printed``.
- The tool's vehicle has throttle, steering and brake, ours two duty cycles from -1 to 1. Throttle is their mean where
  that is above 0, brake its negative where it is below (the wheels turn back), steering half of right minus left. The
  suddenness of control is the length of the change of the three together.
- A lane invasion begins when the axle's middle leaves the lane, or goes against it. A drive's start is none.
- The tool takes the distance to the other vehicle wherever that is; here it is the one ahead in the same lane. Its
  bounds (6, 15, 20, 50 m) are for cars of 4.5 m; a Duckiebot has 0.18 m, so they are divided by 25: 0.24, 0.6, 0.8
  and 2 m, axle to axle.
- Laps are counted on maps whose road is one loop without crossings, and are absent elsewhere.
- The tool leaves nearly all of these out (NaN) after a collision. Here, after a failure: the average speed is over
  the planned time, the deviation goes on at half a lane plus half a tile (the far side of the other lane), and what
  says how smoothly somebody drove is absent. Where nothing was driven, what is "per km" is absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.objective import collision
from rilaas.evaluate.driving.objective.charge import charged_mean
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive, Floats
from rilaas.evaluate.driving.objective.nuplan import LENGTH_SCALE
from rilaas.evaluate.driving.road.lane import LANE_WIDTH_TILES
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.tile_map import TileMap

BANDS_M: Mapping[str, tuple[float, float]] = {
    "dangerous": (0.0, 6.0 / LENGTH_SCALE),
    "close": (6.0 / LENGTH_SCALE, 15.0 / LENGTH_SCALE),
    "medium": (15.0 / LENGTH_SCALE, 20.0 / LENGTH_SCALE),
    "great": (20.0 / LENGTH_SCALE, 50.0 / LENGTH_SCALE),
}
"""Distances to the car ahead: above the first, up to the second [m]."""

_SPACING_M = (
    0.01  # of the points that stand for a centre line: 11 cm beside it, a distance is 0.2 mm too long at most
)
_ROUNDING_S = 1e-9  # of stamps
_COMMANDS = ("control", "throttle", "steer", "brake")
_SOURCE = "Behavior Metrics"


def _metric(unit: str, direction: str, meaning: str) -> MetricDefinition:
    return MetricDefinition(unit, direction, meaning, source=_SOURCE)


METRICS: Mapping[str, MetricDefinition] = {
    "completed_distance_m": _metric("m", "higher", "way made, wherever"),
    "effective_distance_m": _metric("m", "higher", "way made along the lane; reversing takes it back"),
    "effective_distance_share": _metric("1", "higher", "of the way made, what went along the lane"),
    "position_deviation_mean_m": _metric("m", "lower", "mean distance to the lane's centre line"),
    "position_deviation_mean_m_per_km": _metric("m/km", "lower", "the same over the effective distance"),
    "average_speed_m_per_s": _metric("m/s", "higher", "mean speed over the planned time"),
    "max_speed_m_per_s": _metric("m/s", "", "highest speed"),
    "min_speed_m_per_s": _metric("m/s", "", "lowest speed"),
    **{
        f"suddenness_{name}_per_km": _metric("1/km", "lower", f"changes of {name} over the effective distance")
        for name in _COMMANDS
    },
    **{
        f"suddenness_{name}_per_km_as_printed": _metric(
            "1/km", "lower", f"mean change of {name} from stamp to stamp over the effective distance"
        )
        for name in _COMMANDS
    },
    "collisions_per_km": _metric("1/km", "lower", "collisions over the effective distance"),
    "lane_invasions_per_km": _metric("1/km", "lower", "times that the lane was left, over the effective distance"),
    "completed_laps": _metric("lap", "higher", "whole laps of the road's one loop"),
    **{
        f"{name}_distance_share": _metric(
            "1",
            {"dangerous": "lower", "close": "lower"}.get(name, "higher"),
            f"of the way made behind a car: from {low:g} to {high:g} m behind",
        )
        for name, (low, high) in BANDS_M.items()
    },
    "inference_frequency_hz": _metric("Hz", "higher", "answers per second of simulated time"),
}
"""Every metric of this family, by name."""


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive."""
    effective_m = max(0.0, float(drive.track.progress_m.sum()))
    steps_m = np.hypot(*np.diff(drive.poses[:, :2], axis=0).T)
    completed_m = float(steps_m.sum())
    deviation_m = _deviation_m(drive)
    counts = {
        "collisions_per_km": len(collision.collisions(drive, constants)),
        "lane_invasions_per_km": int((drive.track.in_lane[:-1] & ~drive.track.in_lane[1:]).sum()),
    }
    deviation_per_km = deviation_m if isinstance(deviation_m, Absent) else _per_km(deviation_m, effective_m)
    return {
        "completed_distance_m": completed_m,
        "effective_distance_m": effective_m,
        "effective_distance_share": effective_m / completed_m if completed_m > 0.0 else Absent("no way was made"),
        "position_deviation_mean_m": deviation_m,
        "position_deviation_mean_m_per_km": deviation_per_km,
        **_speeds(drive, steps_m),
        **_suddenness(drive, effective_m),
        **{name: _per_km(count, effective_m) for name, count in counts.items()},
        "completed_laps": _laps(drive),
        **_behind_a_car(drive, steps_m),
        "inference_frequency_hz": _frequency_hz(drive),
    }


def _per_km(value: float, effective_m: float) -> float | Absent:
    return value / (1e-3 * effective_m) if effective_m > 0.0 else Absent("no way was made along a lane")


def _deviation_m(drive: Drive) -> float | Absent:
    """Mean distance to the nearest centre line that leads the robot's way."""
    away_m = np.abs(drive.track.lateral_m[:-1])
    out = np.flatnonzero(~drive.track.in_lane[:-1])
    if out.size:
        away_m[out] = centre_line_distances_m(drive.tile_map, drive.poses[out])
    if np.isinf(away_m).any():
        return Absent("the map has no lane that leads the robot's way")
    worst_m = (0.5 * LANE_WIDTH_TILES + 0.5) * drive.tile_map.tile_size_m
    return charged_mean(drive, float(away_m @ drive.dt_s), worst_m)


def centre_line_distances_m(tile_map: TileMap, poses: Floats) -> Floats:
    """Distance to the nearest point of a centre line whose direction is within 90 degrees of the pose's.

    Args:
        tile_map: The road.
        poses: (N, 3) float64 [m, m, rad], in the map's frame.

    Returns:
        (N,) [m]; inf where no lane leads that way.
    """
    points = _centre_points(tile_map)
    nearest_m = np.full(len(poses), np.inf)
    for first in range(0, len(poses), 256):  # so many at a time, or the table of distances outgrows the caches
        part = poses[first : first + 256]
        squares = (part[:, None, 0] - points[:, 0]) ** 2 + (part[:, None, 1] - points[:, 1]) ** 2
        leads = np.cos(part[:, 2:3]) * points[:, 2] + np.sin(part[:, 2:3]) * points[:, 3] > 0.0
        nearest_m[first : first + 256] = np.sqrt(np.where(leads, squares, np.inf).min(axis=1, initial=np.inf))
    return nearest_m


@lru_cache(maxsize=64)
def _centre_points(tile_map: TileMap) -> Floats:
    """(P, 4): x [m], y [m] and the direction's cosine and sine, every centimetre of every lane."""
    points = [
        lane.pose_at(along_m)
        for lane in lane_graph(tile_map).lanes
        for along_m in np.linspace(0.0, lane.length_m, math.ceil(lane.length_m / _SPACING_M) + 1).tolist()
    ]
    x_m, y_m, heading = np.array(points, np.float64).reshape(-1, 3).T
    return np.column_stack([x_m, y_m, np.cos(heading), np.sin(heading)])


def _speeds(drive: Drive, steps_m: Floats) -> dict[str, float | Absent]:
    speeds = steps_m / drive.dt_s
    if not speeds.size:
        return dict.fromkeys(
            ("average_speed_m_per_s", "max_speed_m_per_s", "min_speed_m_per_s"), Absent("no time passed")
        )
    return {
        "average_speed_m_per_s": charged_mean(drive, float(steps_m.sum()), 0.0),
        "max_speed_m_per_s": float(speeds.max()),
        "min_speed_m_per_s": float(speeds.min()),
    }


def _suddenness(drive: Drive, effective_m: float) -> dict[str, float | Absent]:
    """How much the commands changed, over the effective distance."""
    names = [f"suddenness_{name}_per_km{suffix}" for suffix in ("", "_as_printed") for name in _COMMANDS]
    if drive.commands is None:
        return dict.fromkeys(names, Absent("nobody knows the commands"))
    if drive.missing_s > 0.0:
        return dict.fromkeys(names, Absent("the drive ended early by a failure"))
    if len(drive.commands) < 2 or effective_m <= 0.0:
        return dict.fromkeys(names, Absent("no way was made along a lane"))
    left, right = np.clip(drive.commands, -1.0, 1.0).T
    mean = 0.5 * (left + right)
    pedals = np.column_stack([np.maximum(mean, 0.0), 0.5 * (right - left), np.maximum(-mean, 0.0)])
    changes = np.abs(np.diff(pedals, axis=0, prepend=0.0))  # before the first command, the wheels stand still
    every = np.column_stack([np.linalg.norm(changes, axis=1), changes])
    sums = every.sum(axis=0) / (1e-3 * effective_m)
    return dict(zip(names, [*sums.tolist(), *(sums / len(every)).tolist()], strict=True))


def _laps(drive: Drive) -> float | Absent:
    loops_m = _loops_m(drive.tile_map)
    if loops_m is None:
        return Absent("the road is not one loop without crossings")
    lane, progress_m = drive.track.lane[:-1], drive.track.progress_m
    inside = lane >= 0
    way_m = np.bincount(loops_m[0][lane[inside]], progress_m[inside], minlength=len(loops_m[1]))
    return float(np.floor(np.maximum(way_m, 0.0) / loops_m[1] + 1e-9).sum())


@lru_cache(maxsize=64)
def _loops_m(tile_map: TileMap) -> tuple[NDArray[np.int64], Floats] | None:
    """Which loop each lane belongs to, and the loops' lengths [m]; None where lanes part, end or are of more roads.

    A road is two loops, one in each direction.
    """
    graph = lane_graph(tile_map)
    number = {lane: k for k, lane in enumerate(graph.lanes)}
    if any(len(graph.successors(lane)) != 1 for lane in graph.lanes):
        return None
    loop = np.full(len(number), -1, np.int64)
    lengths_m: list[float] = []
    for lane, k in number.items():
        if loop[k] >= 0:
            continue
        at, length_m = lane, 0.0
        while loop[number[at]] < 0:
            loop[number[at]] = len(lengths_m)
            length_m += at.length_m
            at = graph.successors(at)[0]
        lengths_m.append(length_m)
    return (loop, np.array(lengths_m)) if len(lengths_m) == 2 else None


def _behind_a_car(drive: Drive, steps_m: Floats) -> dict[str, float | Absent]:
    names = {name: f"{name}_distance_share" for name in BANDS_M}
    ahead_m = drive.leader.distance_m[:-1]
    followed_m = float(steps_m[ahead_m <= max(high for _, high in BANDS_M.values())].sum())
    if followed_m <= 0.0:
        return dict.fromkeys(names.values(), Absent("no way was made behind a car in the same lane"))
    return {
        names[name]: float(steps_m[(ahead_m > low) & (ahead_m <= high)].sum()) / followed_m
        for name, (low, high) in BANDS_M.items()
    }


def _frequency_hz(drive: Drive) -> float | Absent:
    if drive.answered_s is None:
        return Absent("nobody knows when answers came")
    if not drive.survival_s > 0.0:
        return Absent("no time passed")
    in_time = np.count_nonzero(drive.answered_s <= drive.t_s[-1] + _ROUNDING_S)  # the last may come after the end
    return float(in_time / drive.survival_s)
