"""How far the robot came (P-LF).

::

    J_P-LF = integral of v(t) dt       v the speed along the road, of a robot in a lane

Source: AI Driving Olympics, "Performance metrics", section "Lane following (LF / LFV)". Readings:

- The document's first formula is minus the distance, to be minimised, and its second plus the number of tiles, with
  the same symbol. The distance is a benefit; the minus is ``integrated_speed_as_printed_m``.
- v along the road is the speed times the cosine of the mean heading relative to the lane over the step. Out of lane,
  or against it, there is no direction along the road, and the integral stands still. ``driven_lane_m``, the
  duckietown-world scorer's way of measuring the same, is among the metrics of ``anchor``.
- "Number of tiles travelled" can be the distance in tiles (``driven_lane_tiles``, of ``anchor``), the tiles entered
  one after the other while in a lane, or the distinct tiles of the 2018 scorer, which ends to grow after one lap and
  counts a tile in whatever lane and direction. All have a name. The tile of the start counts in the last one alone.
- With another time step h, the integral changes by about the way times (turn within a step)^2 / 24.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive

_SOURCE = "AI-DO, performance metrics, P-LF"

METRICS: Mapping[str, MetricDefinition] = {
    "integrated_speed_m": MetricDefinition("m", "higher", "integral of the speed along the road", source=_SOURCE),
    "integrated_speed_as_printed_m": MetricDefinition(
        "m", "lower", "the same with the minus of the printed formula", source=_SOURCE
    ),
    "tiles_entered": MetricDefinition(
        "tile", "higher", "road tiles entered one after the other, every lap anew", source=_SOURCE
    ),
    "tiles_distinct": MetricDefinition(
        "tile", "higher", "different road tiles seen, in any lane or direction", source="AI-DO 2018 scorer"
    ),
    "survival_share": MetricDefinition(
        "1", "higher", "share of the planned time until the episode ended", source="AI-DO scorers, as a share"
    ),
}


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive."""
    integrated_m = _integrated_speed_m(drive)
    cells = drive.cells[drive.on_road & drive.track.in_lane]
    changes = np.any(np.diff(cells, axis=0) != 0, axis=1)
    share: float | Absent = Absent("no time was planned")
    if drive.planned_s > 0.0:
        share = min(1.0, drive.survival_s / drive.planned_s) if drive.failed else 1.0
    return {
        "integrated_speed_m": integrated_m,
        "integrated_speed_as_printed_m": -integrated_m,
        "tiles_entered": float(changes.sum()),
        "tiles_distinct": float(len(np.unique(drive.cells[drive.on_road], axis=0))),
        "survival_share": share,
    }


def _integrated_speed_m(drive: Drive) -> float:
    heading = drive.track.heading_rad
    # Over the step, the mean of both ends; of the first alone where the robot leaves the lane within it.
    mean = np.where(drive.track.in_lane[1:], 0.5 * (heading[:-1] + heading[1:]), heading[:-1])
    along = np.where(drive.track.in_lane[:-1], np.cos(mean), 0.0)
    return float((drive.speed_m_per_s * drive.dt_s) @ along)
