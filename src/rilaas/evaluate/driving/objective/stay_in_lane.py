"""Staying in the lane (T-LF).

With d(t) the distance of the robot's axle from the middle of the right lane, and rates per second::

    J_T-LF = integral of   0          where d < d_safe
                           beta d^2   where d_safe <= d <= d_max
                           alpha      where d > d_max                   dt

Source: AI Driving Olympics, "Performance metrics", section "Quantification of Staying in the lane".

- The document's integral has no dt, and calls alpha a lump penalty although it stands under the integral. By default
  alpha is a rate, per second out of the lane: a lump would make a long departure as cheap as a short one. The lump is
  ``stay_in_lane_lump_cost``: alpha once for each departure.
- Out of every lane, or against a lane's direction ("at all times in the right lane"), d is more than d_max, whatever
  ``d_max_m`` is.
- On a crossing, the middle of the lane is that of the best aligned lane; see ``track_lanes``.
- After a failure, the missing time counts as out of the lane in both; see ``charge``.
- The sum is a left Riemann sum. With another time step it changes by at most alpha times the step for each time that
  d passes d_safe or d_max, and by the integral's own error in between.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rilaas.evaluate.driving.objective.charge import charged_sum
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Infraction, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive, Floats
from rilaas.evaluate.driving.objective.stretch import stretches

_SOURCE = "AI-DO, performance metrics, T-LF"

METRICS: Mapping[str, MetricDefinition] = {
    "stay_in_lane_cost": MetricDefinition(
        "", "lower", "cost of driving off the lane's middle and out of it, per second", source=_SOURCE
    ),
    "stay_in_lane_lump_cost": MetricDefinition(
        "", "lower", "the same, where each departure costs alpha once, however long", source=_SOURCE
    ),
}


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive."""
    out, edge = _is_out(drive, constants)[:-1], float(edge_rates(drive, constants) @ drive.dt_s)
    rate = constants.alpha_per_s * float(drive.dt_s[out].sum())
    lump = constants.alpha_per_s * len(stretches(_is_out(drive, constants)))
    return {
        "stay_in_lane_cost": charged_sum(drive, edge + rate, constants.alpha_per_s),
        "stay_in_lane_lump_cost": charged_sum(drive, edge + lump, constants.alpha_per_s),
    }


def edge_rates(drive: Drive, constants: Constants) -> Floats:
    """(N - 1,) cost per second of being near the lane's edge: beta d^2, and 0 elsewhere [1/s]."""
    away_m = np.abs(drive.track.lateral_m[:-1])  # NaN out of lane, and so in no range
    near = (away_m >= constants.d_safe_m) & (away_m <= constants.d_max_m)
    return np.where(near, constants.beta_per_m2_s * np.square(away_m), 0.0)


def infractions(drive: Drive, constants: Constants) -> list[Infraction]:
    """Departures, each with alpha for its time; stretches off the road; and the charge of a drive that failed.

    ``off_road`` costs nothing by itself: it lies within a departure. ``ended_early`` is the charge.
    """
    found = []
    for first, end in stretches(_is_out(drive, constants)):
        cost = constants.alpha_per_s * float(drive.dt_s[first:end].sum())
        found.append(Infraction("left_lane", float(drive.t_s[first]), drive.pose_at(first), cost))
    for first, _ in stretches(~drive.on_road):
        found.append(Infraction("off_road", float(drive.t_s[first]), drive.pose_at(first), 0.0))
    if drive.failed:
        cost = charged_sum(drive, 0.0, constants.alpha_per_s)
        found.append(Infraction("ended_early", float(drive.t_s[-1]), drive.pose_at(-1), cost))
    return found


def _is_out(drive: Drive, constants: Constants) -> np.ndarray:
    """(N,) whether d > d_max."""
    return ~drive.track.in_lane | (np.abs(drive.track.lateral_m) > constants.d_max_m)
