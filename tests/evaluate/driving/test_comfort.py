"""C-LF: mean square heading error, share of valid directions, and acceleration, jerk and yaw rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving import Drive
from rilaas.evaluate.driving.objective import comfort
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent
from tests.evaluate.driving.drives import RIGHT, ROAD, drive, steady

C = Constants()
MOTIONS = [name for name in comfort.METRICS if name.startswith(("acceleration", "jerk", "yaw"))]


def score(a_drive, name="heading_error_mean_rad2"):
    return comfort.score(a_drive, C)[name]


def test_a_drive_worked_out_by_hand():
    """3 s at 0.1 rad and 1 s at 0.5 rad, 29 degrees: (3 * 0.01 + 1 * 0.25) / 4 = 0.07 rad^2; 3/4 valid."""
    a_drive = steady(4.0, heading_rad=np.repeat([0.1, 0.5], [30, 11]))
    assert score(a_drive) == pytest.approx(0.07)
    assert score(a_drive, "good_angle_as_printed_rad2") == pytest.approx(0.07)
    assert score(a_drive, "valid_direction_share") == pytest.approx(0.75)
    assert score(a_drive, "valid_direction_as_printed_share") == pytest.approx(0.75)


def test_out_of_the_lane_the_heading_is_as_bad_as_can_be():
    """3 s straight ahead, 1 s off the road: (pi/2)^2 / 4. The scorer of 2018 leaves it out: 0. Valid: 3/4."""
    a_drive = steady(4.0, -np.repeat([0.0, 0.3], [30, 11]))
    assert score(a_drive) == pytest.approx((np.pi / 2) ** 2 / 4)
    assert score(a_drive, "good_angle_as_printed_rad2") == 0.0
    assert score(a_drive, "valid_direction_share") == pytest.approx(0.75)


def test_a_drive_that_failed_pays_for_the_rest_of_its_time():
    """2 s straight ahead, of 8 planned: 6/8 (pi/2)^2, and 2/8 valid. As printed it is the best of all drives."""
    failed = steady(2.0, planned_s=8.0, failed=True)
    assert score(failed) == pytest.approx(0.75 * (np.pi / 2) ** 2)
    assert score(failed, "valid_direction_share") == pytest.approx(0.25)
    assert score(failed, "good_angle_as_printed_rad2") == 0.0
    assert score(failed, "valid_direction_as_printed_share") == 1.0


def test_the_twenty_degrees_are_a_bound():
    assert score(steady(1.0, heading_rad=np.radians(19.9)), "valid_direction_share") == 1.0
    assert score(steady(1.0, heading_rad=np.radians(20.1)), "valid_direction_share") == 0.0


def test_a_single_stamp_has_no_mean():
    assert set(comfort.score(drive([0.5]), C).values()) == {
        Absent("no time passed"),
        Absent("the drive is shorter than four periods of 0.1 s"),
    }


def test_uniform_motion_is_not_accelerated():
    scores = comfort.score(steady(5.0), C)
    assert [scores[name] for name in MOTIONS] == pytest.approx([0.0] * 6, abs=1e-9)


@pytest.mark.parametrize("dt_s", [0.1, 0.05, 0.02])
def test_uniform_acceleration_is_found_at_every_time_step(dt_s):
    """x = 0.1 + 0.05 t^2 for 5 s: 0.1 m/s^2, and no jerk."""
    t_s = dt_s * np.arange(round(5.0 / dt_s) + 1)
    scores = comfort.score(drive(0.1 + 0.05 * t_s**2, dt_s=dt_s), C)
    assert scores["acceleration_rms_m_per_s2"] == pytest.approx(0.1)
    assert scores["acceleration_mean_abs_m_per_s2"] == pytest.approx(0.1)
    assert scores["jerk_rms_m_per_s3"] == pytest.approx(0.0, abs=1e-9)


def test_a_growing_acceleration_has_a_jerk():
    """x = 0.1 + 0.01 t^3: the jerk is 0.06 m/s^3."""
    t_s = 0.1 * np.arange(51)
    scores = comfort.score(drive(0.1 + 0.01 * t_s**3), C)
    assert scores["jerk_rms_m_per_s3"] == pytest.approx(0.06)
    assert scores["jerk_mean_abs_m_per_s3"] == pytest.approx(0.06)


def test_a_stop_counts_as_standing_still():
    """2 s at 0.3 m/s, 3 s at rest, 1 s at 0.3 m/s: two changes by 0.3 m/s within a period, among 59 differences.

    Mean absolute acceleration (3 + 3) / 59; root mean square 3 sqrt(2 / 59).
    """
    x_m = 0.1 + np.concatenate([[0.0], np.cumsum(np.repeat([0.03, 0.0, 0.03], [20, 30, 10]))])
    scores = comfort.score(drive(x_m), C)
    assert scores["acceleration_mean_abs_m_per_s2"] == pytest.approx(6 / 59)
    assert scores["acceleration_rms_m_per_s2"] == pytest.approx(3 * np.sqrt(2 / 59))


def test_turning_on_a_circle_has_the_rate_of_the_circle():
    """Radius 0.5 m at 0.25 m/s: 0.5 rad/s, over whole turns, with no acceleration along the heading."""
    t_s = 0.05 * np.arange(401)
    angle = 0.5 * t_s
    poses = np.column_stack([2.0 + 0.5 * np.sin(angle), RIGHT - 0.5 * np.cos(angle), angle])
    scores = comfort.score(Drive(ROAD, t_s, poses, 20.0), C)
    assert scores["yaw_rate_rms_rad_per_s"] == pytest.approx(0.5)
    assert scores["yaw_rate_mean_abs_rad_per_s"] == pytest.approx(0.5)
    assert scores["acceleration_rms_m_per_s2"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("a_drive", "reason"),
    [
        (steady(5.0, planned_s=9.0, failed=True), "the drive failed, and a short drive would look good"),
        (steady(5.0, speed_m_per_s=0.01), "the robot made less than its own length"),
        (steady(0.3), "the drive is shorter than four periods of 0.1 s"),
    ],
)
def test_who_hardly_drove_has_no_comfort(a_drive, reason):
    scores = comfort.score(a_drive, C)
    assert {scores[name] for name in MOTIONS} == {Absent(reason)}


@given(st.floats(0.0, 1.5), st.floats(0.0, 1.5))
def test_the_larger_the_angle_the_worse(one, other):
    small, large = (steady(2.0, heading_rad=each) for each in sorted((one, other)))
    assert score(small) <= score(large)
    assert score(small, "valid_direction_share") >= score(large, "valid_direction_share")


@given(st.floats(0.0, 0.6), st.sampled_from([0.05, 0.02]))
def test_a_smooth_wobble_is_the_same_at_every_time_step(width_rad, dt_s):
    """theta = width sin(pi t) over 4 s: mean square width^2 / 2."""
    t_s = dt_s * np.arange(round(4.0 / dt_s) + 1)
    wobble = steady(4.0, heading_rad=width_rad * np.sin(np.pi * t_s), dt_s=dt_s)
    assert score(wobble) == pytest.approx(0.5 * width_rad**2, abs=1e-9)
    coarse = steady(4.0, heading_rad=width_rad * np.sin(np.pi * 0.1 * np.arange(41)))
    assert score(wobble, "yaw_rate_rms_rad_per_s") == pytest.approx(score(coarse, "yaw_rate_rms_rad_per_s"), abs=1e-9)
