"""The trajectory as a whole against the same lanes seen pose by pose."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.evaluate.driving import lane_graph, lane_poses, load_map, map_names, parse_map, track_lanes
from rilaas.evaluate.driving.road.lane import wrap_angle
from rilaas.evaluate.driving.road.lane_table import wrap_angles


def one_by_one(tile_map, poses):
    """What ``track_lanes`` is defined as, in plain Python."""
    rows = []
    for k, pose in enumerate(poses.tolist()):
        found = lane_poses(tile_map, pose)
        following = poses[k + 1] if k + 1 < len(poses) else None
        progress_m = 0.0
        if found and following is not None:
            progress_m = max(
                math.cos(seen.centre[2]) * (following[0] - seen.centre[0])
                + math.sin(seen.centre[2]) * (following[1] - seen.centre[1])
                for seen in found
            )
        best = (found[0].along_m, found[0].lateral_m, found[0].heading_rad) if found else (math.nan,) * 3
        rows.append((bool(found), *best, progress_m))
    return rows


def assert_the_same(tile_map, poses):
    track, rows = track_lanes(tile_map, poses), one_by_one(tile_map, poses)
    in_lane, _, lateral_m, heading_rad, progress_m = map(np.array, zip(*rows, strict=True))
    np.testing.assert_array_equal(track.in_lane, in_lane)
    np.testing.assert_allclose(track.lateral_m, lateral_m, atol=1e-12, rtol=0)
    np.testing.assert_allclose(track.heading_rad, heading_rad, atol=1e-12, rtol=0)
    np.testing.assert_allclose(track.progress_m, progress_m[:-1], atol=1e-12, rtol=0)
    lanes = lane_graph(tile_map).lanes
    for k in np.flatnonzero(track.in_lane):
        lane = lanes[track.lane[k]]
        assert lane.pose_at(track.along_m[k])[:2] == pytest.approx(
            beside(poses[k], -track.lateral_m[k], -track.heading_rad[k]), abs=1e-9
        )
    assert (track.lane[~track.in_lane] == -1).all()


def beside(pose, lateral_m, turn_rad):
    heading = pose[2] + turn_rad
    return pose[0] - math.sin(heading) * lateral_m, pose[1] + math.cos(heading) * lateral_m


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(map_names()), st.integers(0, 2**31))
def test_a_trajectory_anywhere_is_seen_as_its_poses_are(name, seed):
    tile_map, rng = load_map(name), np.random.default_rng(seed)
    low, high = [-0.3, -0.3, -7.0], [tile_map.width_m + 0.3, tile_map.height_m + 0.3, 7.0]
    jumps = rng.uniform(low, high, (40, 3))
    walk = rng.uniform(low, high) + np.cumsum(rng.normal(0.0, 0.04, (40, 3)), axis=0)
    assert_the_same(tile_map, jumps)
    assert_the_same(tile_map, walk)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(map_names()), st.integers(0, 2**31), st.booleans())
def test_on_the_borders_of_tiles_and_at_right_angles_too(name, seed, swap):
    """Half tiles one way, hundredths the other, headings in eighths of a turn: all that rounding could decide."""
    tile_map, rng = load_map(name), np.random.default_rng(seed)
    parts = (2, 100) if not swap else (100, 2)
    cells = (tile_map.width, tile_map.height)
    places = [
        rng.integers(0, part * n + 1, 60) * tile_map.tile_size_m / part for part, n in zip(parts, cells, strict=True)
    ]
    assert_the_same(tile_map, np.column_stack([*places, rng.integers(-8, 9, 60) * math.pi / 4]))


def test_a_map_without_a_lane_and_a_pose_beyond_every_map_are_out_of_lane():
    meadow = parse_map("tiles:\n- [grass, grass]", "meadow")
    assert not track_lanes(meadow, [[0.3, 0.3, 0.0], [0.4, 0.3, 0.0]]).in_lane.any()
    far = track_lanes(load_map("oval"), [[1e300, 0.2, 0.0], [-1e12, 5.0, 1e6]])
    assert far.lane.tolist() == [-1, -1]
    assert far.progress_m.tolist() == [0.0]


def test_no_pose_and_one_pose_have_no_progress():
    for count in (0, 1):
        track = track_lanes(load_map("oval"), np.full((count, 3), 0.2))
        assert track.progress_m.shape == (0,)
        assert track.in_lane.shape == (count,)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_angles_are_wrapped_as_one_is(angles):
    assert wrap_angles(np.array(angles)).tolist() == [wrap_angle(angle) for angle in angles]
