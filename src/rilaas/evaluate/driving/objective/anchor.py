"""The judge of lane following: a trajectory's metrics, those of the AI Driving Olympics since 2019.

The rules are those of duckietown-world 6.4.3 (rules/in_drivable_lane.py), and the totals agree with them. With
samples k = 0 .. N - 1, dt_k = t_{k+1} - t_k, and the best aligned lane's lateral distance d_k and heading h_k::

    survival_s               sum of dt_k                                         higher is better
    driven_lane_m            sum of progress_k along the lane                    higher
    driven_lane_tiles        driven_lane_m / tile size                           higher
    lateral_deviation_m_s    sum of dt_k abs(d_k) over samples in a lane         lower
    heading_deviation_rad_s  sum of dt_k abs(h_k) over samples in a lane         lower
    out_of_lane_s            sum of dt_k over samples in no lane                 lower
    lane_time_share          (survival_s - out_of_lane_s) / planned time         higher

Where the sources leave a choice or contradict themselves, these readings were taken:

- Sums are left Riemann sums, as in the anchor: a sample counts until the next one, the last one for nothing.
- "Driven distance" is the way along the lane in metres (anchor: ``driven_lanedir``), not the number of distinct tiles
  of 2018, which ends to grow after one lap. It is negative in reverse; tiles are metres over the tile's size.
- Deviations are 0 out of lane, as in the anchor, so they are to be read together with ``out_of_lane_s``, which the
  anchor calls ``in-drivable-lane``. They are sums over time and grow with survival.
- The anchor counts lateral deviation in tile seconds; here it is in metre seconds.
- ``lane_time_share`` is not the anchor's. After a failure it is a share of the planned time, as all shares and means
  of ours (see ``charge``); of a trajectory alone, and where nobody failed, of the time that it lasted.
- Heading deviation is the absolute angle, as in the anchor, and not the squared one of the 2018 text.
- Of a single sample the anchor says 0 for everything; here ``lane_time_share`` is then absent, for 0 / 0 is no share.
- Of two samples the anchor drops the distance of the one step; here it counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.objective.charge import charged_mean
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.road.lane_track import as_floats, check_poses
from rilaas.evaluate.driving.road.tile_map import TileMap

_SOURCE = "duckietown-world 6.4.3, rules"

METRICS: Mapping[str, MetricDefinition] = {
    "driven_lane_m": MetricDefinition("m", "higher", "way made along the lane", source=_SOURCE),
    "driven_lane_tiles": MetricDefinition("tile", "higher", "way made along the lane, in tiles", source=_SOURCE),
    "survival_s": MetricDefinition("s", "higher", "time until the episode ended", source=_SOURCE),
    "lateral_deviation_m_s": MetricDefinition(
        "m s", "lower", "distance from the lane's centre line, over time", source=_SOURCE
    ),
    "heading_deviation_rad_s": MetricDefinition(
        "rad s", "lower", "angle to the lane's direction, over time", source=_SOURCE
    ),
    "out_of_lane_s": MetricDefinition("s", "lower", "time in no lane, or against its direction", source=_SOURCE),
    "lane_time_share": MetricDefinition(
        "1", "higher", "share of the time in a lane and in its direction", source="our own, of out_of_lane_s"
    ),
}
"""Every metric that ``score_trajectory`` gives, by name."""


def score_trajectory(map: TileMap, t_s: ArrayLike, poses: ArrayLike) -> dict[str, float]:
    """Judge a trajectory; the module's docstring defines every number.

    Args:
        map: The map, from ``load_map``.
        t_s: (N,) float64 [s], strictly rising; N >= 1.
        poses: (N, 3) float64 [m, m, rad], in the map's frame: x to the right, y up, origin at the lower left corner,
            heading counter-clockwise from x.

    Returns:
        Metrics by name, those of ``METRICS``. ``lane_time_share`` is absent where no time passed.

    Raises:
        InvalidInput: Shapes, order or values are wrong; the message says which.

    Example:
        >>> from rilaas.evaluate.driving import load_map
        >>> t_s = [0.0, 1.0, 2.0]
        >>> poses = [[0.7, 0.1639, 0.0], [1.0, 0.1639, 0.0], [1.3, 0.1639, 0.0]]
        >>> round(score_trajectory(load_map("oval"), t_s, poses)["driven_lane_m"], 6)
        0.6
    """
    t_s, poses = check_trajectory(t_s, poses)
    scores = score(Drive(map, t_s, poses, float(t_s[-1] - t_s[0])))
    return {name: value for name, value in scores.items() if not isinstance(value, Absent)}


def score(drive: Drive, constants: Constants | None = None) -> Scores:
    """The metrics of ``METRICS`` for a drive."""
    dt_s, track = drive.dt_s, drive.track
    inside = track.in_lane[:-1]
    driven_m = float(track.progress_m.sum())
    return {
        "driven_lane_m": driven_m,
        "driven_lane_tiles": driven_m / drive.tile_map.tile_size_m,
        "survival_s": drive.survival_s,
        "lateral_deviation_m_s": float(dt_s[inside] @ np.abs(track.lateral_m[:-1][inside])),
        "heading_deviation_rad_s": float(dt_s[inside] @ np.abs(track.heading_rad[:-1][inside])),
        "out_of_lane_s": float(dt_s[~inside].sum()),
        "lane_time_share": charged_mean(drive, float(dt_s[inside].sum()), 0.0),
    }


def check_trajectory(t_s: ArrayLike, poses: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """A trajectory as (N,) and (N, 3) float64.

    Raises:
        InvalidInput: See ``score_trajectory``.
    """
    times, places = as_floats(t_s, "t_s"), check_poses(poses)
    if times.ndim != 1:
        raise InvalidInput(f"t_s has shape {list(times.shape)}; it is [N], one time for each pose.")
    if len(times) != len(places):
        raise InvalidInput(f"There are {len(times)} times and {len(places)} poses; each pose has one time.")
    if not len(times):
        raise InvalidInput("The trajectory is empty; it has at least one pose.")
    if not np.isfinite(times).all():
        k = int(np.flatnonzero(~np.isfinite(times))[0])
        raise InvalidInput(f"t_s[{k}] is {times[k]}; every time is finite.")
    stuck = np.flatnonzero(np.diff(times) <= 0.0)
    if stuck.size:
        k = int(stuck[0])
        raise InvalidInput(f"t_s does not rise from t_s[{k}] = {times[k]} to t_s[{k + 1}] = {times[k + 1]}.")
    return times, places
