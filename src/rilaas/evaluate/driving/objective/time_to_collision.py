"""Time to collision: after how long two bodies would touch, if both went on as they do now.

At each instant both bodies' rectangles are moved on with the velocity that they have, headings kept, over 5 s. The
first touch has a closed form: on each of the rectangles' four edge directions n, with the extents [a-, a+] of the
robot and [b-, b+] of the other, and s = n . (velocity of the other - velocity of the robot), they overlap from

    t = min((a- - b+) / s, (a+ - b-) / s)   to   t = max((a- - b+) / s, (a+ - b-) / s),

and they touch while they overlap on all four (separating axis theorem, for bodies that move).

Source: nuplan-devkit 1.2, time_to_collision_within_bound.py: horizon 5 s, bound 0.95 s. There, time goes in steps of
0.1 s, so its values are those from here, rounded up to a step. The same rules hold here:

- who stands (below 5 mm/s) is on no course to a collision: the other has to look out;
- a vehicle counts where it is within 30 degrees of straight ahead, and where the robot is out of its lane or on a
  crossing, where it is not behind (within 150 degrees). Duckies and obstacles count wherever they are not behind,
  for they step into the way from the side;
- at the first contact with somebody the time is 0, and that one counts no more afterwards. Who is run into from
  behind, or while standing, did not do it.

The bound is kept as it is: it is a time to react in, and a small robot does not react faster (its command alone takes
0.15 s). By Froude's law (see ``nuplan.py``) it would be 0.95 s / 5 = 0.19 s, which is the variant ``..._scaled``.
In curves the straight prolongation sees traffic of the other lane in the way that is not: a fault of the measure.
The time that is missing because the robot failed counts as beyond the bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.objective.nuplan import TIME_SCALE
from rilaas.evaluate.driving.road.actor import Actor, ActorTrack
from rilaas.evaluate.driving.road.footprint import corners
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.stop_line import CROSSINGS

Floats = NDArray[np.float64]

HORIZON_S = 5.0
"""How far bodies are moved on [s]."""
BOUND_S = 0.95
"""Less is not safe [s]."""

_STANDS_M_PER_S = 5e-3
_AHEAD, _NOT_BEHIND = math.cos(math.radians(30.0)), math.cos(math.radians(150.0))
_SOURCE = "nuPlan, time_to_collision_within_bound"

METRICS: Mapping[str, MetricDefinition] = {
    "ttc_min_s": MetricDefinition("s", "higher", "shortest time to a collision of the drive", source=_SOURCE),
    "ttc_within_bound": MetricDefinition(
        "1", "higher", f"never less than {BOUND_S} s to a collision", source=_SOURCE
    ),
    "ttc_safe_share": MetricDefinition(
        "1", "higher", f"share of the time with more than {BOUND_S} s to a collision", source=_SOURCE
    ),
    "ttc_safe_share_scaled": MetricDefinition(
        "1", "higher", f"share of the time with more than {BOUND_S / TIME_SCALE:g} s", source=f"{_SOURCE}; Froude"
    ),
}
"""Every metric of this family, by name."""


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive; absent where there is nobody to collide with."""
    if not drive.actors:
        return dict.fromkeys(METRICS, Absent("nobody else is on the road"))
    if not len(drive.dt_s):
        return dict.fromkeys(METRICS, Absent("no time passed"))
    left_s = times_to_collision(drive)
    lowest_s = float(left_s.min())
    whole_s = drive.survival_s + drive.missing_s
    safe_s, scaled_s = (float(drive.dt_s[left_s > bound].sum()) for bound in (BOUND_S, BOUND_S / TIME_SCALE))
    never = Absent(f"nobody came into the way within {HORIZON_S:g} s")
    return {
        "ttc_min_s": lowest_s if math.isfinite(lowest_s) else never,
        "ttc_within_bound": float(lowest_s > BOUND_S and drive.missing_s == 0.0),
        "ttc_safe_share": safe_s / whole_s,
        "ttc_safe_share_scaled": scaled_s / whole_s,
    }


def times_to_collision(drive: Drive) -> Floats:
    """Shortest time to a collision with anybody.

    Args:
        drive: At least two stamps.

    Returns:
        (N - 1,) [s] at each stamp but the last; inf where nobody is in the way.
    """
    shortest_s = np.full(len(drive.dt_s), np.inf)
    moving = np.abs(drive.speed_m_per_s) > _STANDS_M_PER_S
    narrow = _is_narrow(drive)
    for other, gap_m in zip(drive.actors, drive.gaps_m, strict=True):
        bearing = _cosines(drive, other)
        limit = np.where(narrow & (other.actor.kind == "vehicle"), _AHEAD, _NOT_BEHIND)
        counts = moving & (bearing >= limit)
        touches = np.flatnonzero(gap_m[:-1] <= 0.0)
        if touches.size:
            first = int(touches[0])
            counts[first:] = False
            if moving[max(0, first - 1)] and bearing[first] >= _NOT_BEHIND:
                shortest_s[first] = 0.0
        at = np.flatnonzero(counts)
        shortest_s[at] = np.minimum(shortest_s[at], _times_s(drive, other, at))
    return shortest_s


def _times_s(drive: Drive, other: ActorTrack, at: NDArray[np.int64]) -> Floats:
    """(M,) [s] until the bodies touch from the stamps ``at`` on, inf where they do not within the horizon."""
    mine, theirs = drive.poses[at], other.poses[at]
    steps = (other.poses[at + 1, :2] - theirs[:, :2]) - (drive.poses[at + 1, :2] - mine[:, :2])
    velocity = steps / drive.dt_s[at, None]
    spans = [
        *_spans_s(drive.body, mine, corners(other.actor, theirs), velocity),
        *_spans_s(other.actor, theirs, corners(drive.body, mine), -velocity),
    ]
    begin = np.maximum(np.max([span[0] for span in spans], axis=0), 0.0)
    end = np.min([span[1] for span in spans], axis=0)
    return np.where((begin <= end) & (begin <= HORIZON_S), begin, np.inf)


def _spans_s(body: Actor, poses: Floats, points: Floats, velocity: Floats) -> Iterator[tuple[Floats, Floats]]:
    """From when to when a rectangle that moves overlaps with a body on each of the body's two axes [s].

    Args:
        body: That stands.
        poses: (M, 3) its poses.
        points: (M, 4, 2) the other's corners.
        velocity: (M, 2) the other's, relative to the body [m/s].
    """
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    dx, dy = points[:, :, 0] - poses[:, 0:1], points[:, :, 1] - poses[:, 1:2]
    ahead = cos[:, None] * dx + sin[:, None] * dy - body.middle_ahead_m
    left = cos[:, None] * dy - sin[:, None] * dx
    speeds = cos * velocity[:, 0] + sin * velocity[:, 1], cos * velocity[:, 1] - sin * velocity[:, 0]
    for along, speed, half in zip((ahead, left), speeds, (0.5 * body.length_m, 0.5 * body.width_m), strict=True):
        to_near, to_far = -half - along.max(1), half - along.min(1)
        still, overlaps = speed == 0.0, (to_near <= 0.0) & (to_far >= 0.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # hardly moving is never there
            one, two = to_near / speed, to_far / speed
        ever = np.where(overlaps, np.inf, -np.inf)
        yield np.where(still, -ever, np.minimum(one, two)), np.where(still, ever, np.maximum(one, two))


def _cosines(drive: Drive, other: ActorTrack) -> Floats:
    """(N - 1,) cosine of the bearing from the robot's axle to the middle of the other's box; 1 is straight ahead."""
    middle = corners(other.actor, other.poses[:-1]).mean(axis=1)
    away = middle - drive.poses[:-1, :2]
    heading = drive.poses[:-1, 2]
    along = np.cos(heading) * away[:, 0] + np.sin(heading) * away[:, 1]
    return np.asarray(along / np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-12))


def _is_narrow(drive: Drive) -> NDArray[np.bool_]:
    """(N - 1,) whether only who is right ahead counts: in a lane, and not on a crossing."""
    tile_map = drive.tile_map
    on_crossing = [tile_map.tile(*lane.cell).kind in CROSSINGS for lane in lane_graph(tile_map).lanes]
    lane = drive.track.lane[:-1]
    return np.asarray((lane >= 0) & ~np.array([*on_crossing, False], bool)[lane])
