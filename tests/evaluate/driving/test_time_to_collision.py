import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.evaluate.driving import Absent, Drive, parse_map
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.time_to_collision import METRICS, score, times_to_collision
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor, ActorTrack
from rilaas.evaluate.driving.road.footprint import gaps_m

SIZE_M = 0.585
RIGHT = 0.28 * SIZE_M
ROAD = parse_map("tiles:\n- [straight/E, straight/E, straight/E, straight/E, straight/E, straight/E]", "road")
CAR = Actor("vehicle-1", "vehicle", 0.18, 0.13, 0.12, middle_ahead_m=-0.024)
DUCKIE = Actor("duckie-1", "duckie", 0.04, 0.04, 0.06)


def drive(actor, other, t_s, x_m=0.3, speed_m_per_s=0.3, failed=False, planned_s=None):
    """Straight along the right lane; ``other`` is the other's pose at each stamp."""
    t_s = np.asarray(t_s, float)
    poses = np.column_stack([x_m + speed_m_per_s * t_s, np.full(len(t_s), RIGHT), np.zeros(len(t_s))])
    planned_s = t_s[-1] - t_s[0] if planned_s is None else planned_s
    track = ActorTrack(actor, np.asarray(other, float))
    return Drive(ROAD, t_s, poses, planned_s, failed=failed, actors=(track,))


def ahead(actor, gap_m, t_s, speed_m_per_s=0.0):
    """A car whose box is ``gap_m`` in front of the robot's at time 0."""
    x_m = 0.3 + gap_m + 0.18 + speed_m_per_s * np.asarray(t_s, float)
    return np.column_stack([x_m, np.full(len(t_s), RIGHT), np.zeros(len(t_s))])


def test_a_standing_car_one_metre_ahead_is_reached_in_the_gap_over_the_speed():
    """Gap 0.6 m, speed 0.3 m/s: 2 s at first; after 0.5 s the gap is 0.45 m, so 1.5 s.

    Of the first second (20 steps of 0.05 s) all have 2 - t > 0.95 s: t < 1.05 s. So the whole second is safe.
    """
    t_s = np.arange(21) * 0.05
    scored = drive(CAR, ahead(CAR, 0.6, t_s), t_s)
    left_s = times_to_collision(scored)
    assert left_s == pytest.approx(2.0 - t_s[:-1])
    scores = score(scored, Constants())
    assert scores["ttc_min_s"] == pytest.approx(2.0 - 0.95)
    assert scores["ttc_within_bound"] == 1.0
    assert scores["ttc_safe_share"] == pytest.approx(1.0)


def test_the_share_is_of_the_time_with_more_than_the_bound():
    """Gap 0.45 m: 1.5 s left, so safe until t = 0.55 s: of 1 s in steps of 0.1 s the stamps 0 .. 0.5 are safe: 0.6.

    Scaled, the bound is 0.19 s: never reached within 1 s (0.6 s are left at the stamp 0.9).
    """
    t_s = np.arange(11) * 0.1
    scores = score(drive(CAR, ahead(CAR, 0.45, t_s), t_s), Constants())
    assert scores["ttc_safe_share"] == pytest.approx(0.6)
    assert scores["ttc_safe_share_scaled"] == pytest.approx(1.0)
    assert scores["ttc_within_bound"] == 0.0


def test_a_car_that_drives_ahead_as_fast_is_never_reached():
    t_s = np.arange(11) * 0.1
    scores = score(drive(CAR, ahead(CAR, 0.1, t_s, 0.3), t_s), Constants())
    assert isinstance(scores["ttc_min_s"], Absent)
    assert "nobody came into the way" in scores["ttc_min_s"].reason
    assert scores["ttc_safe_share"] == 1.0


def test_a_car_behind_a_robot_that_stands_and_nobody_at_all_are_no_danger():
    t_s = np.arange(11) * 0.1
    behind = ahead(CAR, -0.18 - 0.18 - 0.3, t_s, 0.5)
    assert np.isinf(times_to_collision(drive(CAR, behind, t_s, speed_m_per_s=0.05))).all()
    assert np.isinf(times_to_collision(drive(CAR, ahead(CAR, 0.1, t_s), t_s, speed_m_per_s=0.0))).all()
    alone = Drive(ROAD, t_s, np.tile([0.3, RIGHT, 0.0], (11, 1)), 1.0)
    assert all(isinstance(value, Absent) for value in score(alone, Constants()).values())


def test_a_duckie_that_walks_into_the_way_from_the_side_is_seen():
    """The robot's front end is 0.066 m ahead of its axle, so at x = 0.366 + 0.3 t.

    The duckie (0.04 m square) stands 0.4 m ahead of that in x and 0.165 m to the right of the lane's middle, and
    walks left at 0.1 m/s. The half widths are 0.065 and 0.02 m: it is in the way after (0.165 - 0.085) / 0.1 = 0.8 s.
    The front reaches its near side after (0.4 - 0.02) / 0.3 = 1.2667 s, later than that: 1.2667 s.
    """
    t_s = np.array([0.0, 0.1])
    duckie = np.column_stack([np.full(2, 0.3 + 0.066 + 0.4), RIGHT - 0.165 + 0.1 * t_s, np.full(2, math.pi / 2)])
    assert times_to_collision(drive(DUCKIE, duckie, t_s)) == pytest.approx([0.38 / 0.3])


def test_at_the_first_contact_it_is_zero_and_afterwards_the_other_counts_no_more():
    """Gap 0.06 m at 0.3 m/s: contact at 0.2 s, in steps of 0.1 s at the stamp number 2."""
    t_s = np.arange(6) * 0.1
    left_s = times_to_collision(drive(CAR, ahead(CAR, 0.06 - 1e-9, t_s), t_s))
    assert left_s.tolist() == pytest.approx([0.2, 0.1, 0.0, math.inf, math.inf], abs=1e-6)


def test_time_that_a_failure_cost_is_not_safe():
    t_s = np.arange(11) * 0.1
    scores = score(drive(CAR, ahead(CAR, 3.0, t_s), t_s, failed=True, planned_s=4.0), Constants())
    assert scores["ttc_safe_share"] == pytest.approx(1.0 / 4.0)
    assert scores["ttc_within_bound"] == 0.0


def test_the_oncoming_car_of_the_other_lane_is_in_nobodys_way_on_a_straight_road():
    t_s = np.arange(11) * 0.1
    other = np.column_stack([2.0 - 0.3 * t_s, np.full(11, SIZE_M - RIGHT), np.full(11, math.pi)])
    assert np.isinf(times_to_collision(drive(CAR, other, t_s))).all()


@settings(max_examples=60)
@given(
    st.tuples(st.floats(0.3, 1.0), st.floats(-0.4, 0.4), st.floats(-3.0, 3.0)),
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
)
def test_it_is_the_first_instant_at_which_the_moved_boxes_touch(place, velocity):
    """The closed form against 2 ms steps of the boxes' distance: no touch before it, and one right after it."""
    x_m, y_m, heading = place
    t_s = np.array([0.0, 0.01])
    other = np.column_stack([0.4 + x_m + velocity[0] * t_s, RIGHT + y_m + velocity[1] * t_s, np.full(2, heading)])
    scored = drive(DUCKIE, other, t_s)
    left_s = float(times_to_collision(scored)[0])
    steps = np.arange(0.0, 5.0, 0.002)
    robot = np.column_stack([0.3 + 0.3 * steps, np.full(len(steps), RIGHT), np.zeros(len(steps))])
    moved = np.column_stack([0.4 + x_m + velocity[0] * steps, RIGHT + y_m + velocity[1] * steps, 0 * steps + heading])
    gap_m = gaps_m(DUCKIEBOT, robot, DUCKIE, moved)
    assert (gap_m[steps < left_s - 1e-6] > 0.0).all()
    if left_s < 4.9:
        assert gap_m[(steps >= left_s) & (steps < left_s + 0.005)].min() < 0.005


@given(st.floats(0.1, 0.4), st.floats(0.05, 0.3))
def test_nearer_and_faster_is_less_time(gap_m, speed_m_per_s):
    t_s = np.array([0.0, 0.01])
    here = times_to_collision(drive(CAR, ahead(CAR, gap_m, t_s), t_s, speed_m_per_s=speed_m_per_s))[0]
    nearer = times_to_collision(drive(CAR, ahead(CAR, 0.9 * gap_m, t_s), t_s, speed_m_per_s=speed_m_per_s))[0]
    faster = times_to_collision(drive(CAR, ahead(CAR, gap_m, t_s), t_s, speed_m_per_s=1.2 * speed_m_per_s))[0]
    assert nearer <= here
    assert faster <= here


def test_the_time_step_does_not_matter():
    coarse, fine = np.arange(11) * 0.1, np.arange(101) * 0.01
    scores = [score(drive(CAR, ahead(CAR, 0.45, t_s), t_s), Constants())["ttc_safe_share"] for t_s in (coarse, fine)]
    assert scores[1] == pytest.approx(0.55, abs=0.011)
    assert scores[0] == pytest.approx(scores[1], abs=0.1)


def test_every_metric_is_given():
    t_s = np.arange(3) * 0.1
    assert set(score(drive(CAR, ahead(CAR, 1.0, t_s), t_s), Constants())) == set(METRICS)
