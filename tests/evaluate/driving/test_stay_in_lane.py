"""T-LF: 0 within 0.045 m, 80 d^2 per second up to 0.11 m, 1 per second beyond and out of the lane."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving.objective import stay_in_lane
from rilaas.evaluate.driving.objective.constants import Constants
from tests.evaluate.driving.drives import drive, part, steady

C = Constants()


def cost(a_drive, constants=C, name="stay_in_lane_cost"):
    return stay_in_lane.score(a_drive, constants)[name]


def wobble(dt_s, width_m=0.15, seconds=8.0):
    """Four times left and right."""
    t_s = dt_s * np.arange(round(seconds / dt_s) + 1)
    return steady(seconds, width_m * np.sin(np.pi * t_s), dt_s=dt_s)


def test_a_drive_worked_out_by_hand():
    """2 s at 0.02 m: 0. 3 s at 0.08 m: 80 * 0.0064 * 3 = 1.536. 2 s at 0.2 m, in the other lane: 2 * 1. Sum 3.536.

    As a lump, the departure costs 1: 2.536.
    """
    lateral_m = np.repeat([0.02, 0.08, 0.2, 0.0], [20, 30, 20, 1])
    a_drive = drive(0.1 + 0.03 * np.arange(71), lateral_m)
    assert cost(a_drive) == pytest.approx(3.536)
    assert cost(a_drive, name="stay_in_lane_lump_cost") == pytest.approx(2.536)


def test_departures_are_told_with_what_they_cost():
    lateral_m = np.repeat([0.0, 0.2, 0.0, -0.14, 0.0], [10, 20, 10, 5, 1])
    found = stay_in_lane.infractions(drive(0.1 + 0.03 * np.arange(46), lateral_m), C)
    assert [(each.kind, each.t_s, each.cost) for each in found] == [
        ("left_lane", pytest.approx(1.0), pytest.approx(2.0)),
        ("left_lane", pytest.approx(4.0), pytest.approx(0.5)),
    ]
    assert found[0].pose == pytest.approx((0.4, 0.1638 + 0.2, 0.0))


def test_going_against_the_lane_is_out_of_it_though_in_its_middle():
    """5 s in the middle of the lane, but backwards in it with a heading of 180 degrees: 5."""
    assert cost(steady(5.0, heading_rad=np.pi, speed_m_per_s=-0.0)) == pytest.approx(5.0)


def test_the_time_after_a_failure_is_out_of_the_lane():
    """2 s in the middle, then it failed; 60 s were planned: 58 * 1, in both readings."""
    failed = steady(2.0, planned_s=60.0, failed=True)
    assert cost(failed) == pytest.approx(58.0)
    assert cost(failed, name="stay_in_lane_lump_cost") == pytest.approx(58.0)
    assert [(each.kind, each.cost) for each in stay_in_lane.infractions(failed, C)] == [
        ("ended_early", pytest.approx(58.0))
    ]


def test_driving_off_the_road_is_told_and_costs_as_a_departure():
    """To the right over the edge of the map: out of the lane from d = 0.11 m, off the map from d = 0.1638 m.

    d rises by 0.02 m in each step of 0.1 s: 0.12 at 0.6 s, 0.18 at 0.9 s; the drive ends there after 0.9 s of 10.
    """
    a_drive = drive(0.1 + 0.03 * np.arange(10), -0.02 * np.arange(10), planned_s=10.0, failed=True)
    kinds = {each.kind: (each.t_s, each.cost) for each in stay_in_lane.infractions(a_drive, C)}
    assert kinds["left_lane"] == (pytest.approx(0.6), pytest.approx(0.3))
    assert kinds["off_road"] == (pytest.approx(0.9), 0.0)
    assert kinds["ended_early"] == (pytest.approx(0.9), pytest.approx(9.1))


@given(st.floats(0.0, 0.3), st.floats(0.0, 0.3))
def test_the_farther_off_the_more_it_costs(one_m, other_m):
    near, far = sorted((one_m, other_m))
    assert cost(steady(3.0, -near)) <= cost(steady(3.0, -far)) + 1e-12


@given(st.integers(1, 79), st.floats(0.0, 0.2))
def test_two_halves_of_a_drive_add_up_to_the_whole(cut, width_m):
    whole = wobble(0.1, width_m)
    halves = cost(part(whole, 0, cut + 1)) + cost(part(whole, cut, 81))
    assert halves == pytest.approx(cost(whole), abs=1e-9)


@pytest.mark.parametrize("width_m", [0.03, 0.1, 0.15])
def test_another_time_step_changes_it_within_the_stated_bound(width_m):
    """alpha h at each of the 32 passages of d_safe and d_max, and h / 2 times the slope 2 beta d d' in between.

    d' is at most pi * width, d at most 0.11 m, over 8 s.
    """
    exact = cost(wobble(0.0005, width_m))
    for h in (0.05, 0.1):
        bound = 32 * h + 0.5 * h * 2 * 80.0 * 0.11 * np.pi * width_m * 8.0
        assert abs(cost(wobble(h, width_m)) - exact) <= bound
        assert abs(cost(wobble(h, width_m)) - exact) <= 0.1 * exact + 0.01  # and far better where it is smooth


def test_the_constants_are_used():
    a_drive = steady(2.0, 0.08)
    assert cost(a_drive, replace(C, beta_per_m2_s=40.0)) == pytest.approx(0.5 * cost(a_drive))
    assert cost(a_drive, replace(C, d_safe_m=0.09)) == 0.0
    assert cost(a_drive, replace(C, d_max_m=0.07)) == pytest.approx(2.0)
    assert cost(steady(2.0, 0.2), replace(C, alpha_per_s=3.0)) == pytest.approx(6.0)
