"""nuPlan's comfort bounds, and NAVSIM's score that is built on them.

Six quantities have bounds that human drivers of the nuPlan data keep (Karnchanachari et al., "Towards learning-based
planning: the nuPlan benchmark", 2024; nuplan-devkit 1.2, ego_is_comfortable.py)::

    longitudinal acceleration   -4.05 .. 2.40 m/s^2       lateral acceleration      within 4.89 m/s^2
    longitudinal jerk           within 4.13 m/s^3         jerk of the magnitude     within 8.37 m/s^3
    yaw rate                    within 0.95 rad/s         yaw acceleration          within 1.93 rad/s^2

A drive is comfortable where all are kept all the time; beside it stands the share of the time in which they are.

Derivatives are those of local polynomials (Savitzky and Golay, 1964) over nuPlan's windows in time: accelerations
0.8 s, order 2; jerks 1.5 s, order 2, of the accelerations; yaw rate 1.5 s, order 2; yaw acceleration 1.5 s, order 3.
nuPlan smooths accelerations that its simulator states; here they are second derivatives of the position. A drive
that is shorter than the window, at which nuPlan's own code ends with an error, has none of these metrics.

The bounds are for cars at road speed. A Duckiebot is 0.18 m long, a car about 4.5 m: 1 to 25 (``LENGTH_SCALE``). Its
narrow curve has a radius of 0.16 m, so 0.95 rad/s is broken there at any speed above 0.15 m/s. Two readings exist:

- as they are, under nuPlan's name (``nuplan_...``): to compare with other people's numbers;
- of the drive blown up to a car's size (``..._scaled``): lengths times 25 and times times 5, which by Froude's law
  leaves accelerations as they are (gravity is the same for both), then nuPlan's windows and bounds. For the robot
  that is a yaw rate of 4.75 rad/s and jerks of 20.7 and 41.9 m/s^3. This reading is the one to judge a robot by.

The time that is missing because the robot failed counts as uncomfortable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.objective.local_polynomial import local_polynomial

Floats = NDArray[np.float64]

BOUNDS: Mapping[str, tuple[float, float]] = {
    "longitudinal_acceleration": (-4.05, 2.40),
    "lateral_acceleration": (-4.89, 4.89),
    "longitudinal_jerk": (-4.13, 4.13),
    "jerk": (-8.37, 8.37),
    "yaw_rate": (-0.95, 0.95),
    "yaw_acceleration": (-1.93, 1.93),
}
"""Lowest and highest, in SI units. Source: nuplan-devkit 1.2, the metrics' configuration."""

LENGTH_SCALE = 25.0
"""A car's length by a Duckiebot's: 4.5 m / 0.18 m."""
TIME_SCALE = math.sqrt(LENGTH_SCALE)
"""By Froude's law: v^2 / (g l) is the same for both, so times go with the root of lengths."""

_ACCELERATION_WINDOW_S = 0.8
_DERIVATIVE_WINDOW_S = 1.5
_SOURCE = "nuPlan, ego_is_comfortable"

METRICS: Mapping[str, MetricDefinition] = {
    "nuplan_comfortable": MetricDefinition("1", "higher", "all six comfort bounds kept all the time", source=_SOURCE),
    "nuplan_comfort_share": MetricDefinition(
        "1", "higher", "share of the time within all six bounds", source=_SOURCE
    ),
    **{
        f"nuplan_{name}_share": MetricDefinition(
            "1", "higher", f"share of the time with {name.replace('_', ' ')} within its bound", source=_SOURCE
        )
        for name in BOUNDS
    },
    "nuplan_comfortable_scaled": MetricDefinition(
        "1", "higher", "the same of the drive blown up to a car's size, all the time", source=f"{_SOURCE}; Froude"
    ),
    "nuplan_comfort_share_scaled": MetricDefinition(
        "1", "higher", "the same, share of the time", source=f"{_SOURCE}; Froude"
    ),
}
"""Every metric of this family, by name."""


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive."""
    scores: dict[str, float | Absent] = {}
    for suffix, length, time in (("", 1.0, 1.0), ("_scaled", LENGTH_SCALE, TIME_SCALE)):
        quantities = motion(drive.t_s * time, drive.poses * np.array([length, length, 1.0]))
        wanted = (f"nuplan_comfortable{suffix}", f"nuplan_comfort_share{suffix}")
        shares = {} if suffix else {name: f"nuplan_{name}_share" for name in BOUNDS}
        if isinstance(quantities, Absent):
            scores |= dict.fromkeys((*wanted, *shares.values()), quantities)
            continue
        within = {
            name: (low <= getattr(quantities, name)) & (getattr(quantities, name) <= high)
            for name, (low, high) in BOUNDS.items()
        }
        every = np.logical_and.reduce(list(within.values()))
        lived = drive.survival_s / (drive.survival_s + drive.missing_s)
        scores[wanted[0]] = float(every.all() and drive.missing_s == 0.0)
        scores[wanted[1]] = float(every.mean()) * lived
        scores |= {shares[name]: float(within[name].mean()) * lived for name in shares}
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How a body moved, (M,) each, at even stamps.

    Attributes:
        longitudinal_acceleration: [m/s^2].
        lateral_acceleration: [m/s^2], positive to the left.
        longitudinal_jerk: Change of the longitudinal acceleration [m/s^3].
        jerk: Change of the acceleration's magnitude [m/s^3].
        yaw_rate: [rad/s].
        yaw_acceleration: [rad/s^2].
    """

    longitudinal_acceleration: Floats
    lateral_acceleration: Floats
    longitudinal_jerk: Floats
    jerk: Floats
    yaw_rate: Floats
    yaw_acceleration: Floats


def motion(t_s: Floats, poses: Floats) -> Motion | Absent:
    """Derivatives of a trajectory as nuPlan takes them.

    Args:
        t_s: (N,) [s], strictly rising. Uneven ones are interpolated to even steps of their median.
        poses: (N, 3) [m, m, rad].

    Returns:
        ``Absent`` where the trajectory is shorter than the longest window.
    """
    if len(t_s) < 2 or t_s[-1] - t_s[0] < _DERIVATIVE_WINDOW_S:
        return Absent(f"the drive is shorter than {_DERIVATIVE_WINDOW_S} s, over which derivatives are taken")
    step_s = min(float(np.median(np.diff(t_s))), _ACCELERATION_WINDOW_S / 3.0)
    stamps = t_s[0] + step_s * np.arange(math.floor((t_s[-1] - t_s[0]) / step_s + 1e-9) + 1)
    x_m, y_m = (np.interp(stamps, t_s, poses[:, axis]) for axis in (0, 1))
    heading = np.interp(stamps, t_s, np.unwrap(poses[:, 2]))

    def derivative(values: Floats, window_s: float, order: int, times: int) -> Floats:
        return local_polynomial(values, step_s, window_s, order, times)

    ax, ay = (derivative(values, _ACCELERATION_WINDOW_S, 2, 2) for values in (x_m, y_m))
    along = np.cos(heading) * ax + np.sin(heading) * ay
    return Motion(
        longitudinal_acceleration=along,
        lateral_acceleration=np.cos(heading) * ay - np.sin(heading) * ax,
        longitudinal_jerk=derivative(along, _DERIVATIVE_WINDOW_S, 2, 1),
        jerk=derivative(np.hypot(ax, ay), _DERIVATIVE_WINDOW_S, 2, 1),
        yaw_rate=derivative(heading, _DERIVATIVE_WINDOW_S, 2, 1),
        yaw_acceleration=derivative(heading, _DERIVATIVE_WINDOW_S, 3, 2),
    )
