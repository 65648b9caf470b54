"""How comfortable the drive was (C-LF): heading, and how the robot was accelerated.

With theta(t) the heading relative to the lane::

    J_C  = 1/T integral of theta^2 dt                                  "good angle"
    J_VD = 1/T integral of [ |theta| < theta_good ] dt                 "valid direction", a benefit

Source: AI Driving Olympics, "Performance metrics", section "Comfort objective". Readings:

- The words say "changes in angular orientation", the formula has the angle to the lane itself; it is the formula.
- The valid direction is listed with objectives to be minimised; more of it is better.
- T is the planned time for a drive that failed: the rest is charged as the worst state, heading (pi/2)^2, direction
  not valid (see ``charge``). As printed, T is the time driven: ``*_as_printed_*``.
- Out of every lane there is no theta. It is then taken as pi/2, the worst that a robot in a lane can have. The 2018
  scorer left such samples out, so that driving off lowered the error; so does ``good_angle_as_printed_rad2``.

Accelerations are from the poses alone: the way made along the heading and the angle turned are summed up, read every
``motion_period_s`` (linear in between, so the same for every time step that divides the period), and differentiated:
speed and yaw rate once, acceleration twice, jerk three times. Means are over the whole drive: standing counts as 0,
braking and starting as what they are. They are absent of a drive that failed, that made less than the robot's own
length (who stands is not comfortable), or that is shorter than four periods. Steps in the commands make the true jerk
infinite; the number is a mean over the period, to be compared with the same period only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rilaas.evaluate.driving.objective.charge import charged_mean, mean_as_printed
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive, Floats

WORST_HEADING_RAD = math.pi / 2
"""Beyond it a robot is not in the lane; see ``LanePose.is_inside``."""

_SLACK = 1e-9  # rounding of stamps
_SOURCE = "AI-DO, performance metrics, C-LF"
_MOTIONS = {
    "acceleration": ("m_per_s2", "m/s^2", "acceleration along the heading"),
    "jerk": ("m_per_s3", "m/s^3", "jerk along the heading"),
    "yaw_rate": ("rad_per_s", "rad/s", "turning rate"),
}
_MEANS = {"rms": "root mean square", "mean_abs": "mean absolute"}

METRICS: Mapping[str, MetricDefinition] = {
    "heading_error_mean_rad2": MetricDefinition(
        "rad^2", "lower", "mean square of the heading relative to the lane (good angle)", source=_SOURCE
    ),
    "good_angle_as_printed_rad2": MetricDefinition(
        "rad^2", "lower", "the same over the time driven, 0 out of lane: short drives look good in it", source=_SOURCE
    ),
    "valid_direction_share": MetricDefinition(
        "1", "higher", "share of the time with a heading within 20 degrees of the lane's", source=_SOURCE
    ),
    "valid_direction_as_printed_share": MetricDefinition(
        "1", "higher", "the same of the time driven: short drives look good in it", source=_SOURCE
    ),
    **{
        f"{name}_{mean}_{suffix}": MetricDefinition(
            unit, "lower", f"{words} {meaning}", source="our own: the document has none"
        )
        for name, (suffix, unit, meaning) in _MOTIONS.items()
        for mean, words in _MEANS.items()
    },
}


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive."""
    theta, inside = drive.track.heading_rad[:-1], drive.track.in_lane[:-1]
    error = float(np.square(theta[inside]) @ drive.dt_s[inside])
    out = WORST_HEADING_RAD**2 * float(drive.dt_s[~inside].sum())
    valid_s = float(drive.dt_s[np.abs(theta) < constants.good_heading_rad].sum())
    return {
        "heading_error_mean_rad2": charged_mean(drive, error + out, WORST_HEADING_RAD**2),
        "good_angle_as_printed_rad2": mean_as_printed(drive, error),
        "valid_direction_share": charged_mean(drive, valid_s, 0.0),
        "valid_direction_as_printed_share": mean_as_printed(drive, valid_s),
        **_motion(drive, constants),
    }


def _motion(drive: Drive, constants: Constants) -> Scores:
    names = [name for name in METRICS if name.startswith(tuple(_MOTIONS))]
    period_s = constants.motion_period_s
    if drive.failed:
        return dict.fromkeys(names, Absent("the drive failed, and a short drive would look good"))
    if drive.survival_s < 4.0 * period_s - _SLACK:
        return dict.fromkeys(names, Absent(f"the drive is shorter than four periods of {period_s:g} s"))
    if float(np.abs(drive.speed_m_per_s) @ drive.dt_s) < drive.body.length_m:
        return dict.fromkeys(names, Absent("the robot made less than its own length"))
    speed = _every(drive, drive.speed_m_per_s, period_s)
    acceleration = np.diff(speed) / period_s
    motions = {
        "acceleration": acceleration,
        "jerk": np.diff(acceleration) / period_s,
        "yaw_rate": _every(drive, drive.rate_rad_per_s, period_s),
    }
    scores: dict[str, float | Absent] = {}
    for name, values in motions.items():
        scores[f"{name}_rms_{_MOTIONS[name][0]}"] = float(np.sqrt(np.mean(np.square(values))))
        scores[f"{name}_mean_abs_{_MOTIONS[name][0]}"] = float(np.mean(np.abs(values)))
    return scores


def _every(drive: Drive, rate: Floats, period_s: float) -> Floats:
    """Mean of a rate over each whole period, from a rate over each time step."""
    summed = np.concatenate([[0.0], np.cumsum(rate * drive.dt_s)])
    periods = math.floor(drive.survival_s / period_s + _SLACK)
    at_s = drive.t_s[0] + period_s * np.arange(periods + 1)
    return np.asarray(np.diff(np.interp(at_s, drive.t_s, summed)) / period_s)
