import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving import Absent, Drive, parse_map
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.local_polynomial import local_polynomial
from rilaas.evaluate.driving.objective.nuplan import METRICS, motion, score

ROAD = parse_map("tiles:\n- [straight/E, straight/E]", "road")


def circle(radius_m, speed_m_per_s, duration_s=4.0, dt_s=0.05):
    t_s = np.arange(round(duration_s / dt_s) + 1) * dt_s
    angle = speed_m_per_s / radius_m * t_s
    return t_s, np.column_stack([radius_m * np.sin(angle), radius_m * (1.0 - np.cos(angle)), angle])


def drive(t_s, poses, **changes):
    return Drive(ROAD, t_s, poses, changes.pop("planned_s", float(t_s[-1] - t_s[0])), **changes)


def test_on_a_circle_the_lateral_acceleration_is_speed_squared_over_the_radius():
    """v = 0.3 m/s, r = 0.5 m: a_lat = 0.09 / 0.5 = 0.18 m/s^2 to the left, yaw rate 0.6 rad/s, all else 0.

    Over a window of 0.8 s the robot turns by 0.48 rad; the parabola in it sees up to 1 % less than the curvature.
    """
    moved = motion(*circle(0.5, 0.3))
    assert moved.lateral_acceleration == pytest.approx(0.18, rel=0.05)
    assert moved.yaw_rate == pytest.approx(0.6, abs=1e-9)
    assert moved.yaw_acceleration == pytest.approx(0.0, abs=1e-9)
    assert moved.lateral_acceleration[20:-20] == pytest.approx(0.18, rel=0.011)
    assert moved.longitudinal_acceleration[20:-20] == pytest.approx(0.0, abs=1e-9)


def test_speeding_up_evenly_is_a_longitudinal_acceleration_without_jerk():
    """x = 0.5 a t^2 with a = 1.2 m/s^2 is a parabola, which the fit sees exactly."""
    t_s = np.arange(61) * 0.05
    moved = motion(t_s, np.column_stack([0.6 * t_s**2, 0 * t_s, 0 * t_s]))
    assert moved.longitudinal_acceleration == pytest.approx(1.2)
    assert moved.longitudinal_jerk == pytest.approx(0.0, abs=1e-9)
    assert moved.jerk == pytest.approx(0.0, abs=1e-9)


def test_a_narrow_curve_breaks_the_bound_of_the_yaw_rate_at_full_size_but_not_scaled():
    """r = 0.16 m at 0.3 m/s: 1.875 rad/s, above 0.95. Times go times 5: 1.875 / 5 = 0.375 rad/s, below 0.95."""
    scores = score(drive(*circle(0.16, 0.3)), Constants())
    assert scores["nuplan_yaw_rate_share"] == 0.0
    assert scores["nuplan_comfortable"] == scores["nuplan_comfort_share"] == 0.0
    assert scores["nuplan_lateral_acceleration_share"] == 1.0
    assert scores["nuplan_comfortable_scaled"] == scores["nuplan_comfort_share_scaled"] == 1.0


def test_the_share_is_of_the_time_and_a_failure_takes_the_missing_time_from_it():
    """4 s driven within the bounds of 10 s planned: the share is 0.4 where the robot failed, else 1."""
    t_s, poses = circle(0.5, 0.3)
    whole = score(drive(t_s, poses, planned_s=10.0), Constants())
    failed = score(drive(t_s, poses, planned_s=10.0, failed=True), Constants())
    assert whole["nuplan_comfortable"] == whole["nuplan_comfort_share"] == 1.0
    assert failed["nuplan_comfort_share"] == pytest.approx(0.4)
    assert failed["nuplan_comfortable"] == failed["nuplan_comfortable_scaled"] == 0.0


def test_a_drive_too_short_for_the_windows_has_no_comfort_and_does_not_end_with_an_error():
    for count in (1, 2, 5, 30):
        t_s = np.arange(count) * 0.05
        scores = score(drive(t_s, np.zeros((count, 3))), Constants())
        assert isinstance(scores["nuplan_comfortable"], Absent)
        assert "shorter than 1.5 s" in scores["nuplan_comfort_share"].reason


def test_every_metric_is_given_and_is_a_share():
    for t_s, poses in (circle(0.16, 0.3), circle(0.5, 0.05)):
        scores = score(drive(t_s, poses), Constants())
        assert set(scores) == set(METRICS)
        assert all(0.0 <= value <= 1.0 for value in scores.values())


@given(st.floats(0.2, 1.0), st.floats(0.05, 0.4), st.sampled_from([0.02, 0.025, 0.1]))
def test_the_time_step_does_not_matter(radius_m, speed_m_per_s, dt_s):
    coarse, fine = (motion(*circle(radius_m, speed_m_per_s, 4.0, step)) for step in (0.05, dt_s))
    for name in ("lateral_acceleration", "yaw_rate"):
        middle = [np.median(getattr(moved, name)) for moved in (coarse, fine)]
        assert middle[1] == pytest.approx(middle[0], rel=0.02)


@given(st.integers(0, 10_000))
def test_uneven_stamps_and_whole_turns_of_the_heading_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    uneven = np.sort(np.concatenate([[0.0, 4.0], rng.uniform(0.0, 4.0, 90)]))
    angle = 0.6 * uneven
    poses = np.column_stack([0.5 * np.sin(angle), 0.5 * (1 - np.cos(angle)), (angle + math.pi) % (2 * math.pi)])
    moved = motion(uneven, poses - np.array([0, 0, math.pi]))
    assert np.median(moved.yaw_rate) == pytest.approx(0.6, rel=0.02)


@given(st.integers(0, 10_000), st.integers(0, 2), st.sampled_from([(2, 0.8), (3, 1.5)]))
def test_a_local_polynomial_is_exact_for_polynomials_of_its_order(seed, derivative, fit):
    order, window_s = fit
    coefficients = np.random.default_rng(seed).normal(size=order + 1)
    t_s = np.arange(60) * 0.05
    expected = np.polynomial.Polynomial(coefficients).deriv(derivative)(t_s) if derivative else None
    values = np.polynomial.Polynomial(coefficients)(t_s)
    expected = values if expected is None else expected
    assert local_polynomial(values, 0.05, window_s, order, derivative) == pytest.approx(expected, abs=1e-7)


def test_too_few_samples_for_a_polynomial_are_refused():
    with pytest.raises(ValueError, match="2 samples do not determine a polynomial of order 2"):
        local_polynomial(np.zeros(2), 0.05, 0.8, 2, 1)
