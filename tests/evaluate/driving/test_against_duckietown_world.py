"""Our lane metrics against the AI Driving Olympics' own judge, duckietown-world, on trajectories of every sort."""

import logging
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import (
    lane_poses,
    load_map,
    look_ahead,
    nearest_lane_pose,
    parse_map,
    score_trajectory,
    start_pose,
)
from rilaas.evaluate.driving.scenario.scenario import Scenario

TOLERANCE = 1e-4
SIZE_M = 0.585
ROADS = ("straight", "curve_left", "curve_right", "3way_left", "3way_right", "4way")
RIGHT = 0.28 * SIZE_M  # centre of the right lane of a straight/E tile


@pytest.fixture(scope="module")
def duckietown():
    """The judge: its rules, and its lane poses; quiet, for it warns and logs on import."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import duckietown_world  # must come before geometry
        import geometry
        from duckietown_world.geo import SE2Transform
        from duckietown_world.rules import evaluate_rules
        from duckietown_world.seqs import SampledSequence
        from duckietown_world.world_duckietown.map_loading import construct_map
        from duckietown_world.world_duckietown.tile import get_lane_poses

    class Judge:
        @staticmethod
        def load(rows, size_m):
            return construct_map({"tile_size": size_m, "tiles": rows})

        maps = Path(duckietown_world.__file__).parent / "data" / "gd1" / "maps"

        @staticmethod
        def totals(world, t_s, poses):
            sequence = SampledSequence[SE2Transform](
                t_s.tolist(), [SE2Transform(p[:2], p[2]) for p in poses.tolist()]
            )
            interval = SampledSequence.from_iterator(enumerate(sequence.timestamps))
            rules = evaluate_rules(poses_sequence=sequence, interval=interval, world=world, ego_name="ego")
            return {
                (name if not key else key[0]): metric.total
                for name, rule in rules.items()
                for key, metric in rule.metrics.items()
            }

        @staticmethod
        def lane_poses(world, pose):
            found = get_lane_poses(world, geometry.SE2_from_translation_angle(pose[:2], pose[2]))
            return [result.lane_pose for result in found]

    yield Judge
    logging.disable(logging.NOTSET)


def rows_of(tile_map):
    return [[f"{t.kind}/{t.orientation}" if t.is_road else t.kind for t in row] for row in reversed(tile_map.tiles)]


def assert_agree(duckietown, tile_map, t_s, poses):
    ours = score_trajectory(tile_map, t_s, poses)
    theirs = duckietown.totals(duckietown.load(rows_of(tile_map), tile_map.tile_size_m), t_s, poses)
    size_m = tile_map.tile_size_m
    assert ours["driven_lane_m"] == pytest.approx(theirs["driven_lanedir"], abs=TOLERANCE)
    assert ours["driven_lane_tiles"] == pytest.approx(theirs["driven_lanedir"] / size_m, abs=TOLERANCE)
    assert ours["survival_s"] == pytest.approx(theirs["survival_time"], abs=TOLERANCE)
    assert ours["lateral_deviation_m_s"] / size_m == pytest.approx(theirs["deviation-center-line"], abs=TOLERANCE)
    assert ours["heading_deviation_rad_s"] == pytest.approx(theirs["deviation-heading"], abs=TOLERANCE)
    assert ours["out_of_lane_s"] == pytest.approx(theirs["in-drivable-lane"], abs=TOLERANCE)
    return ours


def line(x0, y0, heading, speed_m_per_s, count=40, dt_s=0.1):
    t_s = np.arange(count) * dt_s
    x = x0 + np.cos(heading) * speed_m_per_s * t_s
    y = y0 + np.sin(heading) * speed_m_per_s * t_s
    return t_s, np.column_stack([x, y, np.full(count, heading)])


def unicycle(start, rng, count=40, dt_s=0.05):
    """A robot with random speeds and turns, now and then in reverse, at uneven times."""
    t_s = np.cumsum(rng.uniform(0.5, 1.5, count) * dt_s)
    poses = [np.asarray(start, float)]
    for k in range(count - 1):
        v, w = rng.normal(0.25, 0.2), rng.normal(0.0, 2.0)
        x, y, heading = poses[-1]
        dt = t_s[k + 1] - t_s[k]
        poses.append(np.array([x + math.cos(heading) * v * dt, y + math.sin(heading) * v * dt, heading + w * dt]))
    return t_s, np.array(poses)


@pytest.mark.parametrize("orientation", "ENWS")
@pytest.mark.parametrize("kind", ROADS)
def test_lane_poses_agree_on_every_kind_and_orientation_of_tile(duckietown, kind, orientation):
    world = duckietown.load([[f"{kind}/{orientation}", "grass"]], SIZE_M)
    tile_map = parse_map(f"tiles:\n- [{kind}/{orientation}, grass]", "one tile")
    rng = np.random.default_rng([ord(orientation), *kind.encode()])
    for pose in rng.uniform([0, 0, -math.pi], [SIZE_M, SIZE_M, math.pi], (12, 3)):
        theirs = sorted(
            (p.relative_heading, p.along_lane * SIZE_M, p.lateral * SIZE_M)
            for p in duckietown.lane_poses(world, pose)
        )
        ours = sorted((p.heading_rad, p.along_m, p.lateral_m) for p in lane_poses(tile_map, pose))
        assert len(ours) == len(theirs), pose
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize("orientation", "ENWS")
@pytest.mark.parametrize("kind", ROADS)
def test_totals_agree_on_a_random_drive_over_every_kind_and_orientation_of_tile(duckietown, kind, orientation):
    tile_map = parse_map(f"tiles:\n- [{kind}/{orientation}, asphalt]", "one tile")
    rng = np.random.default_rng([7, ord(orientation), *kind.encode()])
    start = rng.uniform([0.1, 0.1, -math.pi], [SIZE_M - 0.1, SIZE_M - 0.1, math.pi])
    assert_agree(duckietown, tile_map, *unicycle(start, rng))


STRAIGHT_ROAD = parse_map("tiles:\n- [straight/E, straight/E, straight/E]", "road")


@pytest.mark.parametrize(
    ("trajectory", "out_of_lane_share"),
    [
        pytest.param(line(0.1, RIGHT, 0.0, 0.3), 0.0, id="in the middle of the lane"),
        pytest.param(line(0.1, RIGHT + 0.05, 0.1, 0.1), 0.0, id="slanted within the lane"),
        pytest.param(line(0.1, SIZE_M - RIGHT, 0.0, 0.3), 1.0, id="in the other lane, against its direction"),
        pytest.param(line(1.6, SIZE_M - RIGHT, math.pi, 0.3), 0.0, id="in the other lane, its way"),
        pytest.param(line(1.6, RIGHT, 0.0, -0.3), 0.0, id="reversing"),
        pytest.param(line(0.1, RIGHT, 0.5, 0.3), None, id="across the middle line and off the map"),
        pytest.param(line(0.5, -0.5, 0.0, 0.3), 1.0, id="beside the map"),
        pytest.param(line(1.0, RIGHT, 0.0, 0.3), None, id="over the end of the road"),
        pytest.param(line(1.0, RIGHT, 0.0, 0.0), 0.0, id="standing still"),
        pytest.param(line(0.1, RIGHT, 2 * math.pi, 0.3), 0.0, id="with a heading of one turn"),
        pytest.param(line(0.1, RIGHT, math.pi / 2 + 0.01, 0.0), 1.0, id="turned by more than 90 degrees"),
        pytest.param(line(0.1, RIGHT, math.pi / 2 - 0.01, 0.0), 0.0, id="turned by less than 90 degrees"),
    ],
)
def test_totals_agree_on_a_straight_road(duckietown, trajectory, out_of_lane_share):
    ours = assert_agree(duckietown, STRAIGHT_ROAD, *trajectory)
    if out_of_lane_share is not None:
        assert ours["out_of_lane_s"] == pytest.approx(out_of_lane_share * ours["survival_s"])


def test_totals_agree_on_a_drive_there_and_back(duckietown):
    _, there = line(0.1, 0.28 * SIZE_M, 0.0, 0.3, count=30)
    poses = np.concatenate([there, there[::-1]])
    ours = assert_agree(duckietown, STRAIGHT_ROAD, np.arange(60) * 0.1, poses)
    assert ours["driven_lane_m"] == pytest.approx(0.0, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "seed"), [("oval", 1), ("s_bends", 2), ("zigzag", 3), ("crossings", 4), ("held_out_heart", 5)]
)
def test_totals_agree_on_a_recorded_drive_on_our_maps(duckietown, name, seed):
    tile_map = load_map(name)
    t_s, poses = drive_along_the_lane(tile_map, seed)
    ours = assert_agree(duckietown, tile_map, t_s, poses)
    assert ours["driven_lane_tiles"] > 4.0


def drive_along_the_lane(tile_map, seed, count=120, dt_s=0.1):
    """A robot that aims at a point of the lane 15 cm ahead and wobbles, past curves and crossings."""
    rng = np.random.default_rng(seed)
    poses = [start_pose(tile_map, Scenario("recorded", tile_map.name, seed))]
    for _ in range(count - 1):
        x, y, heading = poses[-1]
        aim_x, aim_y, _ = look_ahead(tile_map, nearest_lane_pose(tile_map, poses[-1]), 0.15)
        turn = math.remainder(math.atan2(aim_y - y, aim_x - x) - heading, 2 * math.pi)
        heading += 0.5 * turn + rng.normal(0.0, 0.15)
        poses.append(np.array([x + math.cos(heading) * 0.03, y + math.sin(heading) * 0.03, heading]))
    return np.arange(count) * dt_s, np.array(poses)


def test_figures_of_the_lane_facts_hold():
    """A straight road driven at 0.3 m/s for 10 s in the lane: 3 m, no deviation, no time out of lane."""
    road = parse_map("tiles:\n- [" + ", ".join(["straight/E"] * 8) + "]", "road")
    t_s, poses = line(0.1, 0.25 * SIZE_M, 0.0, 0.3, count=201, dt_s=0.05)
    ours = score_trajectory(road, t_s, poses)
    assert ours["driven_lane_m"] == pytest.approx(3.0, abs=1e-9)
    assert ours["heading_deviation_rad_s"] == 0.0
    assert ours["lateral_deviation_m_s"] == pytest.approx(0.3 * SIZE_M, abs=1e-9)
    assert ours["out_of_lane_s"] == 0.0
    assert ours["lane_time_share"] == 1.0


def test_their_own_maps_are_read_and_totals_agree_on_them(duckietown):
    for name, seed in (("ETHZ_loop", 6), ("udem1", 7), ("regress_4way_drivable", 8)):
        tile_map = load_map(duckietown.maps / f"{name}.yaml")
        path = str(duckietown.maps / f"{name}.yaml")
        rng = np.random.default_rng(seed)
        assert_agree(duckietown, tile_map, *unicycle(start_pose(tile_map, Scenario("s", path, seed)), rng))


def test_every_map_of_theirs_but_the_calibration_pattern_is_read(duckietown):
    paths = sorted(duckietown.maps.glob("*.yaml"))
    assert len(paths) > 40
    for path in paths:
        if "calibration_map_ext" in path.stem:
            with pytest.raises(InvalidInput, match="there is no tile kind 'calibration_tile'"):
                load_map(path)
        else:
            assert load_map(path).name == path.stem
