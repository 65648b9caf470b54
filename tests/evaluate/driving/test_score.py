import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import (
    centre_line,
    lane_pose,
    load_map,
    map_names,
    parse_map,
    score_drive,
    score_trajectory,
)
from rilaas.evaluate.driving.objective.anchor import METRICS
from tests.evaluate.driving.drives import steady

SIZE_M = 0.585
RIGHT = 0.28 * SIZE_M
ROAD = parse_map("tiles:\n- [straight/E, straight/E, straight/E, straight/E]", "road")
SUMS = [name for name in METRICS if name != "lane_time_share"]


def drive(tile_map, seed, count=30):
    """Random poses not far from each other, in and out of lanes."""
    rng = np.random.default_rng(seed)
    t_s = np.cumsum(rng.uniform(0.01, 0.2, count))
    start = rng.uniform([0, 0, -math.pi], [tile_map.width_m, tile_map.height_m, math.pi])
    return t_s, start + np.cumsum(rng.normal(0.0, 0.05, (count, 3)), axis=0)


def along(tile_map, start, length_m, step_m=0.02, dt_s=0.1):
    poses = centre_line(tile_map, lane_pose(tile_map, start), length_m, step_m)
    return np.arange(len(poses)) * dt_s, poses


@given(st.sampled_from(map_names()), st.integers(0, 10_000), st.integers(1, 28))
def test_two_halves_of_a_drive_add_up_to_the_whole(name, seed, cut):
    tile_map = load_map(name)
    t_s, poses = drive(tile_map, seed)
    whole = score_trajectory(tile_map, t_s, poses)
    first, second = (
        score_trajectory(tile_map, t_s[part], poses[part]) for part in (slice(cut + 1), slice(cut, None))
    )
    for metric in SUMS:
        assert first[metric] + second[metric] == pytest.approx(whole[metric], abs=1e-9)


@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_moving_and_turning_the_map_with_the_drive_changes_nothing(seed, quarters, right, up):
    grid = np.array(
        [
            ["curve_left/W", "straight/E", "curve_left/N"],
            ["straight/N", "grass", "straight/N"],
            ["curve_left/S", "4way/E", "3way_left/N"],
        ]
    )
    t_s, poses = drive(parse_map(yaml_of(grid), "m"), seed)
    before = score_trajectory(parse_map(yaml_of(grid), "m"), t_s, poses)

    turned, moved = grid, poses.copy()
    for _ in range(quarters):  # a quarter turn to the left about the origin, then back into the first quadrant
        width_m = turned.shape[0] * SIZE_M
        turned = np.vectorize(turned_left)(np.rot90(turned))
        moved = np.column_stack([width_m - moved[:, 1], moved[:, 0], moved[:, 2] + math.pi / 2])
    framed = np.pad(turned, ((0, up), (right, 0)), constant_values="grass")
    moved += [right * SIZE_M, up * SIZE_M, 2 * math.pi]
    after = score_trajectory(parse_map(yaml_of(framed), "m"), t_s, moved)
    assert after == pytest.approx(before, abs=1e-6)


def turned_left(tile):
    kind, _, orientation = tile.partition("/")
    return f"{kind}/{'ENWS'['ENWS'.index(orientation) - 3]}" if orientation else kind


def yaml_of(grid):
    return "tiles:\n" + "\n".join(f"- [{', '.join(row)}]" for row in grid)


@given(st.integers(0, 10_000), st.floats(-100.0, 100.0), st.sampled_from(map_names()))
def test_the_hour_of_the_day_and_whole_turns_of_the_heading_do_not_matter(seed, shift_s, name):
    tile_map = load_map(name)
    t_s, poses = drive(tile_map, seed)
    before = score_trajectory(tile_map, t_s, poses)
    assert score_trajectory(tile_map, t_s + shift_s, poses + np.array([0, 0, 4 * math.pi])) == pytest.approx(
        before, abs=1e-6
    )


@given(st.integers(0, 10_000), st.sampled_from(map_names()))
def test_every_number_is_within_its_bounds(seed, name):
    tile_map = load_map(name)
    t_s, poses = drive(tile_map, seed)
    scores = score_trajectory(tile_map, t_s, poses)
    in_lane_s = scores["survival_s"] - scores["out_of_lane_s"]
    assert set(scores) == set(METRICS)
    assert 0.0 <= scores["lane_time_share"] <= 1.0
    assert scores["lane_time_share"] == pytest.approx(in_lane_s / scores["survival_s"], abs=1e-12)
    assert 0.0 <= scores["lateral_deviation_m_s"] <= in_lane_s * 0.188 * SIZE_M + 1e-12
    assert 0.0 <= scores["heading_deviation_rad_s"] <= in_lane_s * math.pi / 2 + 1e-12
    assert abs(scores["driven_lane_m"]) <= np.hypot(*np.diff(poses[:, :2], axis=0).T).sum() + 1e-9
    assert scores["driven_lane_tiles"] == pytest.approx(scores["driven_lane_m"] / SIZE_M)


@given(st.floats(0.0, 0.1), st.floats(0.0, 0.1))
def test_the_farther_from_the_centre_line_the_larger_the_deviation(one_m, other_m):
    near, far = sorted((one_m, other_m))
    totals = []
    for lateral_m in (near, far):
        t_s, poses = along(ROAD, (0.1, RIGHT, 0.0), 1.0)
        totals.append(score_trajectory(ROAD, t_s, poses + np.array([0.0, lateral_m, 0.0]))["lateral_deviation_m_s"])
    assert totals[0] <= totals[1]
    assert totals[1] == pytest.approx(far * 5.0)


@given(st.integers(0, 10_000), st.floats(0.001, 1.0))
def test_waiting_at_the_end_adds_time_and_takes_no_distance_away(seed, wait_s):
    t_s, poses = drive(ROAD, seed)
    before = score_trajectory(ROAD, t_s, poses)
    after = score_trajectory(ROAD, np.append(t_s, t_s[-1] + wait_s), np.vstack([poses, poses[-1]]))
    assert after["survival_s"] == pytest.approx(before["survival_s"] + wait_s)
    assert after["out_of_lane_s"] >= before["out_of_lane_s"] - 1e-12
    assert after["lateral_deviation_m_s"] >= before["lateral_deviation_m_s"] - 1e-12


@settings(deadline=None)
@given(st.sampled_from(["oval", "s_bends", "zigzag", "held_out_heart"]))
def test_smaller_time_steps_converge_to_the_length_of_the_centre_line(name):
    tile_map = load_map(name)
    start = next(
        p for p in ((0.28 * SIZE_M, y * SIZE_M, -math.pi / 2) for y in (1.5, 2.5, 3.5)) if lane_pose(tile_map, p)
    )
    errors = []
    for step_m in (0.08, 0.04, 0.02, 0.01):
        t_s, poses = along(tile_map, start, 4.0, step_m)
        errors.append(abs(score_trajectory(tile_map, t_s, poses)["driven_lane_m"] - 4.0))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.002


@given(st.integers(2, 40), st.floats(0.05, 0.5))
def test_finer_sampling_of_a_straight_drive_gives_the_same_numbers(pieces, speed_m_per_s):
    ends = np.array([[0.1, RIGHT - 0.02, 0.02], [0.1 + 2 * speed_m_per_s, RIGHT + 0.02, 0.02]])
    coarse = score_trajectory(ROAD, [0.0, 2.0], ends)
    fine = score_trajectory(ROAD, np.linspace(0, 2, pieces + 1), np.linspace(*ends, pieces + 1))
    for name in ("driven_lane_m", "survival_s", "out_of_lane_s", "heading_deviation_rad_s", "lane_time_share"):
        assert fine[name] == pytest.approx(coarse[name], abs=1e-9)


def test_driving_against_the_lane_earns_nothing_and_reversing_costs():
    t_s = np.arange(11) * 0.1
    wrong_way = np.column_stack([1.0 + 0.03 * np.arange(11), np.full(11, SIZE_M - RIGHT), np.zeros(11)])
    assert score_trajectory(ROAD, t_s, wrong_way)["driven_lane_m"] == 0.0
    assert score_trajectory(ROAD, t_s, wrong_way)["lane_time_share"] == 0.0
    reversing = np.column_stack([1.0 - 0.03 * np.arange(11), np.full(11, RIGHT), np.zeros(11)])
    assert score_trajectory(ROAD, t_s, reversing)["driven_lane_m"] == pytest.approx(-0.3)


def test_a_single_sample_has_no_share_and_zero_of_everything_else():
    scores = score_trajectory(ROAD, [3.0], [[0.5, RIGHT, 0.0]])
    assert "lane_time_share" not in scores
    assert set(scores.values()) == {0.0}


def test_numbers_may_be_integers_or_lists():
    assert score_trajectory(ROAD, [0, 1], [[0, 0, 0], [1, 0, 0]])["survival_s"] == 1.0


GOOD = [[0.5, RIGHT, 0.0], [0.6, RIGHT, 0.0]]


@pytest.mark.parametrize(
    ("t_s", "poses", "message"),
    [
        ([], np.zeros((0, 3)), "The trajectory is empty"),
        ([0.0, 1.0, 2.0], GOOD, "There are 3 times and 2 poses"),
        ([0.0, 0.0], GOOD, r"t_s does not rise from t_s\[0\] = 0.0 to t_s\[1\] = 0.0"),
        ([1.0, 0.0], GOOD, "does not rise"),
        ([0.0, math.nan], GOOD, r"t_s\[1\] is nan"),
        ([[0.0], [1.0]], GOOD, r"t_s has shape \[2, 1\]"),
        ([0.0, 1.0], [[0.5, RIGHT], [0.6, RIGHT]], r"poses have shape \[2, 2\]"),
        ([0.0, 1.0], [[0.5, RIGHT, 0.0], [0.6, math.inf, 0.0]], r"poses\[1\] is"),
        ([0.0, 1.0], [[0.5, RIGHT, 0.0], [0.6, RIGHT]], "rows have different lengths"),
        ([0.0, 1.0], [["a", "b", "c"], ["d", "e", "f"]], "it is made of real numbers"),
        ([0.0, 1.0], np.zeros((2, 3), complex), "it is made of real numbers"),
        ([False, True], GOOD, "t_s has dtype bool"),
    ],
)
def test_what_is_no_trajectory_is_refused_and_named(t_s, poses, message):
    with pytest.raises(InvalidInput, match=message):
        score_trajectory(ROAD, t_s, poses)


def test_the_map_is_left_untouched_and_so_is_the_trajectory():
    t_s, poses = drive(ROAD, 1)
    copies = t_s.copy(), poses.copy()
    score_trajectory(map=ROAD, t_s=t_s, poses=poses)
    np.testing.assert_array_equal(t_s, copies[0])
    np.testing.assert_array_equal(poses, copies[1])


def test_who_crashes_early_was_in_the_lane_for_a_small_share_of_the_time():
    """3 s in the lane of 60 planned ones are 5 %, where the robot failed; and all of 3 s, where that was the plan."""
    crashed = steady(3.0, planned_s=60.0, failed=True)
    assert score_drive(crashed)["lane_time_share"] == pytest.approx(0.05)
    assert score_drive(steady(3.0))["lane_time_share"] == 1.0
