import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import (
    Spawn,
    centre_line,
    lane_graph,
    lane_pose,
    lane_poses,
    load_map,
    look_ahead,
    map_names,
    nearest_lane_pose,
    parse_map,
    start_pose,
    track_lanes,
)
from rilaas.evaluate.driving.road.lane import Arc, wrap_angle
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.scenario.start import draw_start

OVAL = load_map("oval")
CROSSINGS = load_map("crossings")
LANES = [lane for name in map_names() for lane in lane_graph(load_map(name)).lanes]
finite = st.floats(-1.0, 1.0)


def beside(pose, lateral_m, turn_rad=0.0):
    x, y, heading = pose
    return x - math.sin(heading) * lateral_m, y + math.cos(heading) * lateral_m, heading + turn_rad


@given(st.sampled_from(LANES), st.floats(0.0, 0.999), finite, finite)
def test_a_pose_laid_beside_the_centre_line_is_found_there(lane, share, lateral_share, turn_share):
    along_m, lateral_m = share * lane.length_m, lateral_share * 0.999 * lane.half_width_m
    pose = beside(lane.pose_at(along_m), lateral_m, turn_share * 1.5)
    found_along_m, found_lateral_m = lane.project(pose[0], pose[1])
    assert found_along_m == pytest.approx(along_m, abs=1e-9)
    assert found_lateral_m == pytest.approx(lateral_m, abs=1e-9)


@given(st.sampled_from(LANES))
def test_lanes_join_without_a_gap_or_a_kink(lane):
    for name in map_names():
        graph = lane_graph(load_map(name))
        if lane in graph.lanes:
            end = lane.pose_at(lane.length_m)
            for following in graph.successors(lane):
                start = following.pose_at(0.0)
                assert math.dist(end[:2], start[:2]) < 1e-9
                assert abs(wrap_angle(end[2] - start[2])) < 1e-9


def test_the_geodesic_between_two_poses_is_the_matrix_exponential():
    """Solved by integrating the constant body velocity log(q0^-1 q1) in small steps."""
    start, end = (-0.5, -0.22, 0.3), (0.1, 0.05, 1.1)
    arc = Arc.between(start, end)
    assert arc.pose_at(0.0) == pytest.approx(start)
    assert arc.pose_at(arc.length_m) == pytest.approx(end)
    steps, (x, y, heading) = 20_000, start
    ahead, left = arc.pivot_body[1] * arc.angle_rad, -arc.pivot_body[0] * arc.angle_rad
    for _ in range(steps):
        middle = heading + 0.5 * arc.angle_rad / steps
        x += (math.cos(middle) * ahead - math.sin(middle) * left) / steps
        y += (math.sin(middle) * ahead + math.cos(middle) * left) / steps
        heading += arc.angle_rad / steps
    assert (x, y, heading) == pytest.approx(end, abs=1e-6)
    assert arc.length_m == pytest.approx(math.hypot(ahead, left))


@given(st.sampled_from(["oval", "zigzag", "crossings"]), st.floats(0, 4), st.floats(0, 4), st.floats(-10, 10))
def test_the_lane_found_is_the_best_aligned_of_all_that_the_pose_is_in(name, x, y, heading):
    found = lane_poses(load_map(name), (x, y, heading))
    assert [abs(p.heading_rad) for p in found] == sorted(abs(p.heading_rad) for p in found)
    assert all(p.is_inside and abs(p.heading_rad) <= math.pi / 2 for p in found)
    assert lane_pose(load_map(name), (x, y, heading)) == (found[0] if found else None)


@given(st.floats(0, 2.3), st.floats(0, 0.585), st.floats(0.1, 10.0))
def test_a_map_that_is_larger_has_the_same_lanes_but_larger(x, y, factor):
    rows = "tiles:\n- [curve_left/W, straight/E, 3way_left/W, curve_left/N]\n"
    small, large = parse_map(rows, "s"), parse_map(f"{rows}tile_size: {0.585 * factor}", "l")
    for near, far in zip(lane_graph(small).lanes, lane_graph(large).lanes, strict=True):
        if math.dist((x, y), near.pose_at(0.5 * near.length_m)[:2]) < 0.2:
            expected = np.multiply(near.project(x, y), factor)
            assert far.project(x * factor, y * factor) == pytest.approx(expected, abs=1e-9 * factor)


def test_a_pose_on_the_border_of_two_tiles_is_in_a_lane():
    lane = lane_graph(OVAL).lanes[0]
    for _ in range(12):
        end = lane.pose_at(lane.length_m)
        assert lane_pose(OVAL, end) is not None
        lane = lane_graph(OVAL).successors(lane)[0]


@pytest.mark.parametrize("name", ["oval", "s_bends", "zigzag", "held_out_heart"])
def test_looking_ahead_follows_the_road_all_the_way_round(name):
    tile_map = load_map(name)
    start = lane_pose(tile_map, start_pose(tile_map, Scenario("s", name, 1, spawn=Spawn(0.0, 0.0))))
    lane, length_m = start.lane, 0.0
    while length_m == 0.0 or lane != start.lane:
        length_m += lane.length_m
        lane = lane_graph(tile_map).successors(lane)[0]
    assert look_ahead(tile_map, start, length_m) == pytest.approx(start.centre, abs=1e-9)
    line = centre_line(tile_map, start, length_m, step_m=0.01)
    assert len(line) == math.floor(length_m / 0.01 + 1e-9) + 1
    steps = np.hypot(*np.diff(line[:, :2], axis=0).T)
    assert steps.max() <= 0.01 + 1e-9
    assert steps.min() > 0.0099
    assert track_lanes(tile_map, line).in_lane.all()


def test_at_a_crossing_looking_ahead_takes_the_turn_that_is_asked_for():
    start = lane_pose(CROSSINGS, (2.4 * 0.585, 2.28 * 0.585, 0.0))
    aims = {turn: look_ahead(CROSSINGS, start, 0.7, (turn,)) for turn in ("straight", "left", "right")}
    from_entry = lane_pose(CROSSINGS, (1.9 * 0.585, 2.28 * 0.585, 0.0))
    assert look_ahead(CROSSINGS, from_entry, 0.9)[2] == pytest.approx(0.0)
    assert look_ahead(CROSSINGS, from_entry, 0.9, ("left",))[2] == pytest.approx(math.pi / 2)
    assert look_ahead(CROSSINGS, from_entry, 0.9, ("right",))[2] == pytest.approx(-math.pi / 2)
    assert start.lane.turn == "straight"  # inside the crossing the way is chosen already
    assert len({aim[2] for aim in aims.values()}) == 1


def test_where_the_road_ends_looking_ahead_prolongs_it():
    road = parse_map("tiles:\n- [straight/E]", "road")
    aim = look_ahead(road, lane_pose(road, (0.1, 0.28 * 0.585, 0.0)), 2.0)
    assert aim == pytest.approx((2.1, 0.28 * 0.585, 0.0))


def test_the_nearest_lane_is_the_one_to_get_back_to():
    road = parse_map("tiles:\n- [grass, straight/E, grass]\n- [grass, grass, grass]", "road")
    on_grass = nearest_lane_pose(road, (0.9, 0.4, 0.3))
    assert on_grass.centre == pytest.approx((0.9, 1.28 * 0.585, 0.0))
    assert on_grass.lateral_m == pytest.approx(0.4 - 1.28 * 0.585)
    other_way = nearest_lane_pose(road, (0.9, 0.4, 3.0))
    assert abs(other_way.centre[2]) == pytest.approx(math.pi)
    beside_the_end = nearest_lane_pose(road, (1.3, 1.28 * 0.585, 0.0))
    assert beside_the_end.along_m == pytest.approx(0.585)
    in_lane = (0.9, 0.75, 0.1)
    assert nearest_lane_pose(road, in_lane) == lane_pose(road, in_lane)


def test_far_from_any_road_there_is_no_nearest_lane():
    assert nearest_lane_pose(OVAL, (50.0, 50.0, 0.0)) is None
    assert lane_pose(OVAL, (50.0, 50.0, 0.0)) is None
    assert lane_pose(OVAL, (-1.7e308, 1.7e308, 1.7e308)) is None
    assert nearest_lane_pose(OVAL, (-1.7e308, 1.7e308, 1.7e308)) is None


@given(st.integers(0, 2**32), st.floats(0.0, 0.5), st.floats(0.0, math.pi))
def test_a_start_pose_is_always_in_a_lane(seed, lateral_m, heading_rad):
    spawn = Spawn(lateral_m, heading_rad, kinds=())
    pose = draw_start(CROSSINGS, spawn, np.random.default_rng(seed))
    assert lane_pose(CROSSINGS, pose) is not None


def test_a_start_pose_keeps_to_its_tolerances_and_tiles():
    rng = np.random.default_rng(3)
    poses = [draw_start(OVAL, Spawn(0.02, 0.1), rng) for _ in range(200)]
    seen = [lane_pose(OVAL, pose) for pose in poses]
    assert all(abs(s.lateral_m) <= 0.02 + 1e-12 and abs(s.heading_rad) <= 0.1 + 1e-12 for s in seen)
    assert {OVAL.tile(*s.lane.cell).kind for s in seen} == {"straight"}
    assert len({s.lane for s in seen}) == 12  # both directions of all six straight tiles


def test_the_same_seed_gives_the_same_start_and_another_seed_another():
    first = start_pose(OVAL, Scenario("s", "oval", 5))
    np.testing.assert_array_equal(first, start_pose(OVAL, Scenario("t", "oval", 5)))
    assert not np.array_equal(first, start_pose(OVAL, Scenario("s", "oval", 6)))
    assert start_pose(OVAL, Scenario("s", "oval", 5, start=(1.0, 0.2, 0.5))).tolist() == [1.0, 0.2, 0.5]


def test_a_map_without_road_has_no_start():
    with pytest.raises(InvalidInput, match="has no road to start on"):
        start_pose(parse_map("tiles: [[grass]]", "meadow"), Scenario("s", "meadow", 1))


@pytest.mark.parametrize("pose", [(1.0, 2.0), (1.0, 2.0, math.nan), (1.0, math.inf, 0.0)])
def test_a_pose_that_is_none_is_refused(pose):
    with pytest.raises(InvalidInput, match="is not a pose"):
        lane_pose(OVAL, pose)
