import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving import Absent, Drive, parse_map
from rilaas.evaluate.driving.objective.carla import (
    COEFFICIENTS,
    METRICS,
    penalty_2_0,
    penalty_2_1,
    score,
    status_of,
)
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.road.actor import RED, Actor, ActorTrack, SignalTrack
from rilaas.evaluate.driving.road.stop_line import stop_lines

SIZE_M = 0.585
RIGHT = 0.28 * SIZE_M
ROAD = parse_map("tiles:\n- [" + ", ".join(["straight/E"] * 8) + "]", "road")
CROSSING = parse_map("tiles:\n- [straight/E, straight/E, 4way/E, straight/E, straight/E]", "crossing")
CAR = Actor("vehicle-1", "vehicle", 0.18, 0.13, 0.12, middle_ahead_m=-0.024)
DUCKIE = Actor("duckie-1", "duckie", 0.04, 0.04, 0.06)
counts = st.dictionaries(st.sampled_from(sorted(COEFFICIENTS)), st.integers(0, 5))


def straight(tile_map=ROAD, count=101, speed_m_per_s=0.3, lateral_m=0.0, **changes):
    """10 s along the right lane from x = 0.3 m, in steps of 0.1 s."""
    t_s = np.arange(count) * 0.1
    poses = np.column_stack([0.3 + speed_m_per_s * t_s, np.full(count, RIGHT + lateral_m), np.zeros(count)])
    return Drive(tile_map, t_s, poses, changes.pop("planned_s", 10.0), **changes)


def beside(actor, x_m, y_m, count=101):
    return ActorTrack(actor, np.tile([x_m, y_m, 0.0], (count, 1)))


def scored(drive):
    return score(drive, Constants())


def test_the_whole_way_without_an_infraction_is_perfect():
    """10 s at the target speed of 0.3 m/s: 3 m of 3 m, no penalty: 100 points."""
    scores = scored(straight())
    assert scores["driving_score"] == pytest.approx(100.0)
    assert scores["carla_driving_score_2_0"] == pytest.approx(100.0)
    assert scores["route_completion"] == pytest.approx(1.0)
    assert scores["collision_vehicle_per_km"] == 0.0


def test_half_as_fast_completes_half_the_route_and_one_that_stands_still_none():
    half, still = scored(straight(speed_m_per_s=0.15)), scored(straight(speed_m_per_s=0.0))
    assert half["driving_score"] == pytest.approx(50.0)
    assert half["carla_route_completed"] == 0.0
    assert still["driving_score"] == 0.0
    assert still["outside_lanes_share"] == Absent("no way was made")


def test_a_car_and_a_duckie_hit_add_up_in_2_1_and_multiply_in_2_0():
    """2.1: 100 / (1 + 0.7 + 1.0) = 37.04. 2.0: 100 x 0.6 x 0.5 = 30. Per km: one each in 3 m, 333.3."""
    hit = straight(actors=(beside(CAR, 1.0, RIGHT), beside(DUCKIE, 2.0, RIGHT)))
    scores = scored(hit)
    assert scores["driving_score"] == pytest.approx(100.0 / 2.7)
    assert scores["carla_driving_score_2_0"] == pytest.approx(30.0)
    assert scores["carla_route_completed"] == 1.0
    assert scores["carla_perfect"] == 0.0
    assert scores["collision_vehicle_per_km"] == scores["collision_duckie_per_km"] == pytest.approx(1000.0 / 3.0)


def test_way_outside_of_the_lanes_is_not_completed_and_is_charged():
    """The last 4 s are driven 0.15 m too far right: 1.8 m of 3 m completed, 40 % outside: 100 x 0.6 x 0.6 = 36.

    The step that leaves the lane still begins in it, so 61 of 100 steps count: 0.61 x 0.61 x 100 = 37.2.
    """
    drive = straight()
    drive.poses[61:, 1] -= 0.15
    inside = 61 / 100
    scores = scored(drive)
    assert scores["outside_lanes_share"] == pytest.approx(1.0 - inside, abs=0.02)
    assert scores["driving_score"] == pytest.approx(100.0 * inside**2, abs=1.5)


def test_a_red_line_counts_where_it_is_law():
    """Over the line of the crossing without a stop: 2.1 has 1 / 1.25, 2.0 has 0.8. In the task LF it is no law.

    3 m planned and 2.5 m of road: 0.3 m/s x 8 s = 2.4 m of 2.4 m.
    """
    task = {task: scored(straight(CROSSING, 81, planned_s=8.0, task=task)) for task in ("LF", "LFI")}
    assert task["LF"]["carla_penalty"] == 1.0
    assert task["LFI"]["carla_penalty"] == pytest.approx(0.8)
    assert task["LFI"]["red_line_per_km"] == pytest.approx(1000.0 / 2.4)


def test_a_red_light_is_a_red_light_and_not_a_line_as_well():
    """2.1: 1 / (1 + 0.4)."""
    line = next(line for line in stop_lines(CROSSING) if abs(line.pose[2]) < 1e-6)
    light = SignalTrack(line, np.full(81, RED, np.uint8))
    scores = scored(straight(CROSSING, 81, planned_s=8.0, task="LFI", signals=(light,)))
    assert scores["carla_penalty"] == pytest.approx(1 / 1.4)


def test_an_early_end_completes_no_more_of_the_route():
    """2 s of 10 s: 0.6 m of 3 m, 20 points at most; after a crash into a car 20 / 1.7."""
    assert scored(straight(count=21, failed=True))["driving_score"] == pytest.approx(20.0)
    # the car's tail is 0.114 m behind its axle; the robot's front end is 0.066 m ahead: touch at 0.3 + 0.6 + 0.066
    crashed = straight(count=21, failed=True, actors=(beside(CAR, 0.966 + 0.114 - 1e-6, RIGHT, 21),))
    assert scored(crashed)["driving_score"] == pytest.approx(20.0 / 1.7)


def test_who_hurries_and_fails_has_no_more_of_the_route_than_of_its_time():
    """0.4 m/s for 6 of 10 s are 2.4 m of 3 m: 80 % of the route in 60 % of the time, and 60 where it failed."""
    fast = {"count": 61, "speed_m_per_s": 0.4, "planned_s": 10.0}
    assert scored(straight(failed=True, **fast))["driving_score"] == pytest.approx(60.0)
    assert scored(straight(**fast))["driving_score"] == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("completion", "penalty", "status"),
    [(1.0, 1.0, "Perfect"), (1.0, 0.99, "Completed"), (0.999, 1.0, "Failed"), (0.0, 0.0, "Failed")],
)
def test_the_status_is_carlas(completion, penalty, status):
    assert status_of(completion, penalty) == status


@given(counts, st.floats(0.0, 1.0), st.sampled_from(sorted(COEFFICIENTS)))
def test_every_further_infraction_lowers_the_score_and_none_is_worth_more_than_all(found, outside, kind):
    for penalty in (penalty_2_0, penalty_2_1):
        before = penalty(found, outside)
        after = penalty({**found, kind: found.get(kind, 0) + 1}, outside)
        assert 0.0 <= after <= before <= 1.0
        assert after < before or before == 0.0
        assert penalty(found, min(1.0, outside + 0.1)) <= before


@given(counts)
def test_the_sum_never_crushes_a_score_as_the_product_does(found):
    """With c >= 1/p - 1 for each kind, 1 + sum c is at most the product of (1 + c), so only for few is 2.0 milder."""
    assert penalty_2_1(found, 0.0) >= math.prod(1.0 / (1.0 + COEFFICIENTS[kind][0]) ** n for kind, n in found.items())


def test_without_a_planned_time_or_target_speed_there_is_no_route():
    assert all(isinstance(value, Absent) for value in scored(straight(target_speed_m_per_s=0.0)).values())
    assert set(scored(straight())) == set(METRICS)


@given(st.floats(0.0, 0.35), st.floats(-0.04, 0.04), st.integers(2, 101))
def test_scores_are_from_0_to_100(speed_m_per_s, lateral_m, count):
    scores = scored(straight(count=count, speed_m_per_s=speed_m_per_s, lateral_m=lateral_m, failed=count < 101))
    assert 0.0 <= scores["driving_score"] <= 100.0 + 1e-9
    assert 0.0 <= scores["carla_driving_score_2_0"] <= 100.0 + 1e-9
