"""Keeping the safety distance (T-SD).

With b(t) the distance from the robot's axle to that of the nearest vehicle ahead in the same lane::

    J_T-SD = integral of delta max(0, b_safe - b)^2 dt

Source: AI Driving Olympics, "Performance metrics", section "Quantification of Keep safety distance". Readings:

- The document has max(0, b - b_safe)^2, which punishes being far, grows without bound with the distance, and is not
  what its words say ("a cut-off distance after which a Duckiebot is deemed far away"). The sign is turned round; the
  printed form is ``safety_distance_as_printed_cost``, over the times when somebody was ahead within the horizon.
- "In front, in the same lane" goes on over the borders of tiles; see ``leader``. b is the straight distance.
- The worst state, for a drive that failed, is that both bodies touch: b = ``touch_m``.
- A queue that stands is no exception in the document, and none here.
- The sum is a left Riemann sum. With c the closing speed, the integrand's slope is at most
  2 delta (b_safe - touch) c, so another time step h changes the sum by at most delta (b_safe - touch) c h for each
  second with somebody near.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rilaas.evaluate.driving.objective.charge import charged_sum
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, Infraction, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive, Floats
from rilaas.evaluate.driving.objective.stretch import stretches

_SOURCE = "AI-DO, performance metrics, T-SD"

METRICS: Mapping[str, MetricDefinition] = {
    "safety_distance_cost": MetricDefinition(
        "", "lower", "cost of being too near to the vehicle ahead", source=f"{_SOURCE}, sign turned round"
    ),
    "safety_distance_as_printed_cost": MetricDefinition(
        "", "lower", "the printed formula: cost of being far from it, without bound", source=_SOURCE
    ),
}


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive; absent where nobody was ahead."""
    there = drive.leader.is_there
    if not there.any():
        return dict.fromkeys(METRICS, Absent("nobody was ahead in the same lane"))
    too_far_m = np.where(there, np.maximum(0.0, drive.leader.distance_m - constants.b_safe_m), 0.0)
    worst_per_s = constants.delta_per_m2_s * (constants.b_safe_m - constants.touch_m) ** 2
    return {
        "safety_distance_cost": charged_sum(drive, float(_rates(drive, constants) @ drive.dt_s), worst_per_s),
        "safety_distance_as_printed_cost": constants.delta_per_m2_s * float(np.square(too_far_m[:-1]) @ drive.dt_s),
    }


def infractions(drive: Drive, constants: Constants) -> list[Infraction]:
    """``tailgating``: stretches of being too near to one and the same vehicle, where they begin."""
    found = []
    rates, ahead = _rates(drive, constants), drive.leader.actor
    for who in np.unique(ahead[:-1][rates > 0.0]):
        for first, end in stretches((rates > 0.0) & (ahead[:-1] == who)):
            cost = float(rates[first:end] @ drive.dt_s[first:end])
            name = drive.actors[who].actor.name
            found.append(Infraction("tailgating", float(drive.t_s[first]), drive.pose_at(first), cost, name))
    return found


def _rates(drive: Drive, constants: Constants) -> Floats:
    """(N - 1,) cost per second [1/s]."""
    too_near_m = np.maximum(0.0, constants.b_safe_m - drive.leader.distance_m[:-1])
    return np.asarray(constants.delta_per_m2_s * np.square(too_near_m))
