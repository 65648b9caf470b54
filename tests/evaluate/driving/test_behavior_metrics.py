import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.evaluate.driving import Absent, Drive, centre_line, lane_graph, lane_pose, load_map, map_names, parse_map
from rilaas.evaluate.driving.objective.behavior_metrics import METRICS, centre_line_distances_m, score
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.road.actor import Actor, ActorTrack

SIZE_M = 0.585
RIGHT = 0.28 * SIZE_M
ROAD = parse_map("tiles:\n- [straight/E, straight/E, straight/E, straight/E, straight/E, straight/E]", "road")
CAR = Actor("vehicle-1", "vehicle", 0.18, 0.13, 0.12, middle_ahead_m=-0.024)


def straight(count=11, dt_s=0.1, speed_m_per_s=0.3, lateral_m=0.0, **changes):
    """Along the right lane from x = 0.3 m, ``lateral_m`` to the left of its middle."""
    t_s = np.arange(count) * dt_s
    poses = np.column_stack([0.3 + speed_m_per_s * t_s, np.full(count, RIGHT + lateral_m), np.zeros(count)])
    return Drive(ROAD, t_s, poses, changes.pop("planned_s", float(t_s[-1])), **changes)


def scored(drive):
    return score(drive, Constants())


def test_distances_deviation_and_speeds_of_a_straight_drive():
    """1 s at 0.3 m/s, 2 cm beside the middle: 0.3 m made, all along the lane; 0.02 m over 0.0003 km is 66.7 m/km."""
    scores = scored(straight(lateral_m=0.02))
    assert scores["completed_distance_m"] == pytest.approx(0.3)
    assert scores["effective_distance_m"] == pytest.approx(0.3)
    assert scores["effective_distance_share"] == pytest.approx(1.0)
    assert scores["position_deviation_mean_m"] == pytest.approx(0.02)
    assert scores["position_deviation_mean_m_per_km"] == pytest.approx(0.02 / 0.0003)
    for name in ("average", "max", "min"):
        assert scores[f"{name}_speed_m_per_s"] == pytest.approx(0.3)


def test_in_the_wrong_lane_nothing_is_effective_and_the_deviation_is_that_to_the_right_lane():
    """The lanes' middles are 0.44 tiles apart: 0.2574 m. What is per km is absent: no way was made."""
    scores = scored(straight(lateral_m=0.44 * SIZE_M))
    assert scores["effective_distance_m"] == scores["effective_distance_share"] == 0.0
    assert scores["position_deviation_mean_m"] == pytest.approx(0.44 * SIZE_M, abs=1e-3)
    for name in ("position_deviation_mean_m_per_km", "lane_invasions_per_km", "collisions_per_km"):
        assert scores[name] == Absent("no way was made along a lane")


def test_suddenness_is_the_sum_of_changes_over_the_way():
    """Wheels (0.2, 0.2), then (0.1, 0.3), then (-0.1, -0.1), for 0.3 m = 0.0003 km.

    Throttle 0, 0.2, 0.2, 0: changes 0.2 + 0 + 0.2 = 0.4. Steering 0, 0, 0.1, 0: 0 + 0.1 + 0.1 = 0.2. Brake 0, 0, 0,
    0.1: 0.1. Control: 0.2 + 0.1 + sqrt(0.2^2 + 0.1^2 + 0.1^2) = 0.3 + 0.24495 = 0.54495. As printed: the mean of 11.
    """
    commands = np.array([[0.2, 0.2]] * 4 + [[0.1, 0.3]] * 4 + [[-0.1, -0.1]] * 3)
    scores = scored(straight(commands=commands))
    expected = {"throttle": 0.4, "steer": 0.2, "brake": 0.1, "control": 0.3 + math.sqrt(0.06)}
    for name, change in expected.items():
        assert scores[f"suddenness_{name}_per_km"] == pytest.approx(change / 0.0003)
        assert scores[f"suddenness_{name}_per_km_as_printed"] == pytest.approx(change / 11 / 0.0003)
    assert isinstance(scored(straight())["suddenness_control_per_km"], Absent)


@given(st.integers(2, 8), st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=5, max_size=5))
def test_suddenness_does_not_change_with_the_time_step_but_the_printed_one_falls(finer, wheels):
    coarse = straight(11, 0.1, commands=np.repeat(wheels, [3, 2, 2, 2, 2], axis=0))
    many = np.repeat(wheels, np.array([3, 2, 2, 2, 2]) * finer, axis=0)
    fine = straight(11 * finer, 1.0 / (11 * finer - 1), commands=many)
    before, after = scored(coarse), scored(fine)
    for name in ("control", "throttle", "steer", "brake"):
        key = f"suddenness_{name}_per_km"
        assert after[key] == pytest.approx(before[key])
        assert after[f"{key}_as_printed"] == pytest.approx(before[f"{key}_as_printed"] / finer)


def test_lane_invasions_and_collisions_are_counted_over_the_way_along_the_lane():
    """30 steps of 3 cm; twice the robot is 0.15 m (more than 0.11 m) to the right for some steps.

    Steps 5..9 and 15..17 are out of lane, so 22 of 30 count: 0.66 m, and 2 / 0.00066 km = 3030.3 per km.
    """
    drive = straight(31)
    drive.poses[5:10, 1] -= 0.15
    drive.poses[15:18, 1] -= 0.15
    scores = scored(drive)
    assert scores["effective_distance_m"] == pytest.approx(0.66)
    assert scores["lane_invasions_per_km"] == pytest.approx(2 / 0.00066)
    assert scores["collisions_per_km"] == 0.0
    parked = ActorTrack(CAR, np.tile([0.7, RIGHT, 0.0], (31, 1)))
    hit = scored(straight(31, actors=(parked,)))
    assert hit["collisions_per_km"] == pytest.approx(1 / 0.0009)


def test_laps_are_whole_times_round_the_loop_whichever_lane():
    tile_map = load_map("oval")
    start = lane_pose(tile_map, (0.7, RIGHT, 0.0))
    loop_m = 0.0
    lane = start.lane
    while loop_m == 0.0 or lane != start.lane:
        loop_m += lane.length_m
        lane = lane_graph(tile_map).successors(lane)[0]
    for share, laps in ((0.97, 0.0), (1.03, 1.0), (2.05, 2.0)):
        poses = centre_line(tile_map, start, share * loop_m, 0.005)
        t_s = np.arange(len(poses)) * 0.05
        assert scored(Drive(tile_map, t_s, poses, float(t_s[-1])))["completed_laps"] == laps
    back = centre_line(tile_map, start, 1.5 * loop_m, 0.005)[::-1]
    t_s = np.arange(len(back)) * 0.05
    assert scored(Drive(tile_map, t_s, back, float(t_s[-1])))["completed_laps"] == 0.0


@pytest.mark.parametrize("name", ["crossings", "road"])
def test_where_the_road_is_no_single_loop_there_are_no_laps(name):
    tile_map = ROAD if name == "road" else load_map(name)
    drive = Drive(tile_map, np.array([0.0, 1.0]), np.array([[0.7, RIGHT, 0.0], [0.8, RIGHT, 0.0]]), 1.0)
    assert scored(drive)["completed_laps"] == Absent("the road is not one loop without crossings")


def test_the_way_behind_a_car_is_shared_among_four_distances():
    """A car 0.2 m ahead for 5 steps (dangerous), then 0.5 (close), 0.7 (medium) and 1.0 m (great) for 5, 4 and 6."""
    drive = straight(21)
    ahead_m = np.repeat([0.2, 0.5, 0.7, 1.0, 1.0], [5, 5, 4, 6, 1])
    car = np.column_stack([drive.poses[:, 0] + ahead_m, np.full(21, RIGHT), np.zeros(21)])
    scores = scored(straight(21, actors=(ActorTrack(CAR, car),)))
    shares = [scores[f"{name}_distance_share"] for name in ("dangerous", "close", "medium", "great")]
    assert shares == pytest.approx([0.25, 0.25, 0.2, 0.3])
    assert isinstance(scored(drive)["close_distance_share"], Absent)


def test_a_drive_that_failed_never_looks_better_for_being_short():
    """1 s of 10: the average speed is 0.3 m / 10 s, and nobody says how smoothly it went.

    The deviation is (1 s x 0 m + 9 s x (0.188 + 0.5) x 0.585 m) / 10 s = 0.3622 m.
    """
    failed = scored(straight(failed=True, planned_s=10.0, commands=np.zeros((11, 2))))
    assert failed["average_speed_m_per_s"] == pytest.approx(0.03)
    assert failed["position_deviation_mean_m"] == pytest.approx(0.9 * 0.688 * SIZE_M)
    assert isinstance(failed["suddenness_steer_per_km"], Absent)


def test_the_inference_frequency_is_of_simulated_time():
    assert scored(straight(answered_s=np.arange(8) * 0.125))["inference_frequency_hz"] == pytest.approx(8.0)
    assert isinstance(scored(straight())["inference_frequency_hz"], Absent)


def test_an_answer_that_comes_after_the_end_is_none():
    """In 1 s one answer after 0.5 s, one at the end, and one that would have come an hour later: 2 Hz."""
    assert scored(straight(answered_s=np.array([0.5, 1.0, 3600.0])))["inference_frequency_hz"] == 2.0


def test_of_a_single_stamp_hardly_anything_is_known_and_nothing_is_nan():
    scores = scored(straight(1))
    assert set(scores) == set(METRICS)
    numbers = {name for name, value in scores.items() if not isinstance(value, Absent)}
    assert numbers == {"completed_distance_m", "effective_distance_m"}


@settings(max_examples=30)
@given(st.sampled_from(map_names()), st.integers(0, 10_000))
def test_every_metric_is_given_and_finite_and_shares_are_shares(name, seed):
    tile_map, rng = load_map(name), np.random.default_rng(seed)
    t_s = np.cumsum(rng.uniform(0.02, 0.2, 30))
    start = rng.uniform([0, 0, -3], [tile_map.width_m, tile_map.height_m, 3])
    poses = start + np.cumsum(rng.normal(0.0, 0.04, (30, 3)), axis=0)
    scores = scored(Drive(tile_map, t_s, poses, 10.0, failed=seed % 2 == 0, commands=rng.uniform(-1, 1, (30, 2))))
    assert set(scores) == set(METRICS)
    for metric, value in scores.items():
        if isinstance(value, Absent):
            assert value.reason
            continue
        assert math.isfinite(value)
        assert value >= 0.0
        if METRICS[metric].unit == "1":
            assert value <= 1.0 + 1e-9


@given(st.integers(0, 10_000))
def test_the_distance_to_the_centre_line_is_that_of_the_lane_where_the_pose_is_in_one(seed):
    tile_map = load_map("zigzag")
    rng = np.random.default_rng(seed)
    poses = rng.uniform([0, 0, -3], [tile_map.width_m, tile_map.height_m, 3], (20, 3))
    for pose, found_m in zip(poses, centre_line_distances_m(tile_map, poses), strict=True):
        seen = lane_pose(tile_map, pose)
        if seen is not None and abs(seen.heading_rad) < 1.5:  # near a right angle the next points may lead away
            assert found_m <= math.hypot(seen.lateral_m, 0.007)


def test_two_drives_one_after_the_other_have_the_distances_of_both():
    whole, first, second = straight(21), straight(11), straight(11)
    second.poses[:, 0] += 0.3
    for name in ("completed_distance_m", "effective_distance_m"):
        assert scored(whole)[name] == pytest.approx(scored(first)[name] + scored(second)[name])
