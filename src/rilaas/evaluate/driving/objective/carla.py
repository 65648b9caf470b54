"""CARLA Leaderboard's driving score, on our road and our rules.

Leaderboard 2.1 (2025), for one route::

    DS = 100 R P        P = (1 - o) / (1 + sum over infractions of c)        0 <= DS <= 100

Leaderboard 2.0, the named variant ``carla_driving_score_2_0``: P = (1 - o) times the product of p. The product
crushed long routes to nothing, so 2.1 gave it up for the sum. R is the share of the route that was completed, o the
share of the way that was made outside of the lanes. Which of our infractions has which coefficient:

==========================  ======================  =======  =======
our infraction              CARLA's                 c (2.1)  p (2.0)
==========================  ======================  =======  =======
``collision_duckie``        collision, pedestrian   1.0      0.50
``collision_vehicle``       collision, vehicle      0.7      0.60
``collision_obstacle``      collision, static       0.6      0.65
``red_light``               red light               0.4      0.70
``red_line``                stop sign               0.25     0.80
``off_road``, ``left_lane`` outside of the lanes    by o     by o
``tailgating``              none                    -        -
==========================  ======================  =======  =======

Readings:

- A suite has no routes, but a time and a target speed. The route is the way that the target speed makes in the
  planned time (``Drive.route_m``), and R = way along the lane / route, at most 1. So R asks for speed, and CARLA's
  penalty for being slow (0.4 (1 - speed / traffic's) in 2.1) is left out: it would charge the same twice. Circles and
  ways back are no way along a route; see ``route``. CARLA's robot has arrived at its route's end; ours drives on, so
  one that is faster than the target and fails has no more of R than of its time.
- Way out of lanes, or against their direction, is not along the route. CARLA removes the share o from the score of
  points that it had counted; here that way has not been counted, and o is charged all the same, as 2.1 has it.
- Infractions are those of ``traffic_law``, so those that are law in the drive's task.
- Scenario timeout (0.4) and failing to yield to an emergency vehicle (0.4) have no counterpart here. Who is blocked,
  out of time or off the road ends the episode, and completes no more of the route: in CARLA, too, no further penalty.
- Perfect: R = 1 and no penalty. Completed: R = 1. Failed: else; so a robot slower than the target is a failed one.
- The score of a suite is the mean of the episodes' scores: the mean of products, not the product of means.

Source: carla-simulator/leaderboard, branches leaderboard-2.0 and 2.1, utils/statistics_manager.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rilaas.evaluate.driving.objective import traffic_law
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.objective.route import way_on_route_m

COEFFICIENTS: Mapping[str, tuple[float, float]] = {
    "collision_duckie": (1.0, 0.5),
    "collision_vehicle": (0.7, 0.6),
    "collision_obstacle": (0.6, 0.65),
    "red_light": (0.4, 0.7),
    "red_line": (0.25, 0.8),
}
"""Of each kind of infraction: what Leaderboard 2.1 adds (c), and by what 2.0 multiplies (p)."""

STATUSES = ("Perfect", "Completed", "Failed")
"""What CARLA says of a route."""

_POINTS = "points"
_ROUNDING = 1e-9
_SOURCE = "CARLA Leaderboard 2.1"

METRICS: Mapping[str, MetricDefinition] = {
    "driving_score": MetricDefinition(
        _POINTS, "higher", "route completed less a penalty for every infraction, 0 to 100", source=_SOURCE
    ),
    "carla_driving_score_2_0": MetricDefinition(
        _POINTS, "higher", "the same with the product of penalties", source="CARLA Leaderboard 2.0"
    ),
    "route_completion": MetricDefinition(
        "1", "higher", "way along the lane without circles, of the way at the target speed", source=_SOURCE
    ),
    "carla_penalty": MetricDefinition("1", "higher", "by what the route completion is multiplied", source=_SOURCE),
    "outside_lanes_share": MetricDefinition("1", "lower", "share of the way made in no lane", source=_SOURCE),
    "carla_route_completed": MetricDefinition("1", "higher", "status Perfect or Completed", source=_SOURCE),
    "carla_perfect": MetricDefinition("1", "higher", "status Perfect", source=_SOURCE),
    **{
        f"{kind}_per_km": MetricDefinition(
            "1/km", "lower", f"infractions {kind.replace('_', ' ')}, by the way made", source=_SOURCE
        )
        for kind in COEFFICIENTS
    },
}
"""Every metric of this family, by name. ``driving_score`` is CARLA's driving score: one number, one name."""


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive; absent where no route was planned."""
    if not drive.route_m > 0.0:
        return dict.fromkeys(METRICS, Absent("no time or no target speed was planned: there is no route"))
    kinds = [each.kind for each in traffic_law.infractions(drive, constants)]
    counts = {kind: kinds.count(kind) for kind in COEFFICIENTS}
    completion, outside = route_completion(drive), outside_share(drive)
    penalty = penalty_2_1(counts, outside)
    status = status_of(completion, penalty)
    way_km = 1e-3 * _way_m(drive)
    return {
        "driving_score": 100.0 * completion * penalty,
        "carla_driving_score_2_0": 100.0 * completion * penalty_2_0(counts, outside),
        "route_completion": completion,
        "carla_penalty": penalty,
        "outside_lanes_share": outside if way_km > 0.0 else Absent("no way was made"),
        "carla_route_completed": float(status != "Failed"),
        "carla_perfect": float(status == "Perfect"),
        **{
            f"{kind}_per_km": count / way_km if way_km > 0.0 else Absent("no way was made")
            for kind, count in counts.items()
        },
    }


def route_completion(drive: Drive) -> float:
    """R: share of the route that was completed, 0 to 1. Circles and ways back are no way; see ``route``.

    After a failure it is at most the share of the planned time that was driven.
    """
    most = drive.survival_s / drive.planned_s if drive.missing_s > 0.0 else 1.0
    return min(most, max(0.0, way_on_route_m(drive)) / drive.route_m)


def outside_share(drive: Drive) -> float:
    """Share o of the way that was made in no lane, or against its direction; 0 where no way was made."""
    steps_m = _steps_m(drive)
    whole_m = float(steps_m.sum())
    return float(steps_m[~drive.track.in_lane[:-1]].sum()) / whole_m if whole_m > 0.0 else 0.0


def penalty_2_1(counts: Mapping[str, int], outside: float) -> float:
    """P of Leaderboard 2.1.

    Args:
        counts: Infractions by kind, those of ``COEFFICIENTS``.
        outside: Share of the way outside of the lanes.
    """
    return (1.0 - outside) / (1.0 + sum(COEFFICIENTS[kind][0] * count for kind, count in counts.items()))


def penalty_2_0(counts: Mapping[str, int], outside: float) -> float:
    """P of Leaderboard 2.0; see ``penalty_2_1``."""
    return (1.0 - outside) * math.prod(COEFFICIENTS[kind][1] ** count for kind, count in counts.items())


def status_of(completion: float, penalty: float) -> str:
    """What CARLA calls a route with this completion and penalty: one of ``STATUSES``."""
    if completion < 1.0 - _ROUNDING:
        return "Failed"
    return "Perfect" if penalty >= 1.0 - _ROUNDING else "Completed"


def _steps_m(drive: Drive) -> np.ndarray:
    return np.asarray(np.hypot(*np.diff(drive.poses[:, :2], axis=0).T))


def _way_m(drive: Drive) -> float:
    return float(_steps_m(drive).sum())
