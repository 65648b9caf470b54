"""Surveyed roads: lanes of a CARLA town, sampled by its real client library, as a map of ours."""

import math

import numpy as np
import pytest

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import centre_line, lane_graph, lane_pose, lane_poses, load_map, track_lanes
from rilaas.evaluate.driving.judge.drawing import draw_map
from rilaas.evaluate.driving.road.survey import parse_survey, survey_text, surveyed_map
from rilaas.evaluate.driving.simulator.carla_survey import survey_town
from tests.evaluate.driving.carla_exchange import town

carla = pytest.importorskip("carla", reason="CARLA's client is not here; install it: pip install 'rilaas[carla]'")


@pytest.fixture(scope="module")
def oval():
    """Two straights of 60 m and two half circles of radius 20 m; lanes of 3.5 m."""
    return survey_town(town(carla))


def right_lane(oval):
    x_m, y_m = oval.survey.origin_m
    return lane_pose(oval, (10.0 - x_m, -1.75 - y_m, 0.0))


def test_a_lap_of_the_outer_lane_has_its_length(oval):
    """2 * 60 m + 2 pi (20 + 1.75) m = 256.66 m; after it one is where one was."""
    start = right_lane(oval)
    lap_m = 120.0 + 2.0 * math.pi * 21.75
    line = centre_line(oval, start, lap_m + 1e-6, lap_m / 400.0)
    assert line[-1] == pytest.approx(line[0], abs=0.01)
    assert np.hypot(*np.diff(line[:, :2], axis=0).T) == pytest.approx(lap_m / 400.0, abs=1e-3)


def test_a_pose_is_seen_from_the_lane_as_carla_sees_it(oval):
    """300 places up to 1.6 m beside the middle: CARLA's own waypoint is as far away, within 10 cm.

    It finds the nearest place of a bend only to within 10 cm along the lane; the true distance is found to 1 cm.
    """
    rng, world = np.random.default_rng(0), town(carla)
    line = centre_line(oval, right_lane(oval), 250.0, 0.5)
    ox, oy = oval.survey.origin_m
    for x_m, y_m, heading in line[rng.integers(len(line), size=300)]:
        side_m = rng.uniform(-1.6, 1.6)
        x_m, y_m = x_m - side_m * math.sin(heading), y_m + side_m * math.cos(heading)
        seen = lane_poses(oval, (x_m, y_m, heading))[0]
        place = world.get_waypoint(carla.Location(x_m + ox, -(y_m + oy), 0.0)).transform.location
        assert abs(seen.lateral_m) == pytest.approx(math.hypot(place.x - x_m - ox, -place.y - y_m - oy), abs=0.1)
        assert seen.lateral_m == pytest.approx(side_m, abs=0.01)


def test_a_whole_track_is_the_same_as_pose_by_pose(oval):
    line = centre_line(oval, right_lane(oval), 250.0, 1.0)
    line[:, 1] += 0.9
    track = track_lanes(oval, line)
    seen = [lane_poses(oval, pose)[0] for pose in line]
    assert track.in_lane.all()
    assert track.lateral_m == pytest.approx([each.lateral_m for each in seen], abs=1e-9)
    assert lane_graph(oval).successors(seen[0].lane)


def test_beside_the_road_there_is_none(oval):
    x_m, y_m = oval.survey.origin_m
    assert oval.tile_at(30.0 - x_m, 20.0 - y_m).kind == "grass"
    assert oval.tile_at(30.0 - x_m, -1.0 - y_m).is_road
    assert lane_poses(oval, (30.0 - x_m, 20.0 - y_m, 0.0)) == []


def test_a_survey_is_read_as_it_was_written(oval, tmp_path):
    path = tmp_path / "oval.json"
    path.write_text(survey_text(oval))
    assert load_map(path) == oval
    assert b"<svg" in draw_map(oval)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a survey"),
        ('{"survey": "x", "cell_m": 4, "origin_m": [0, 0], "nodes": []}', "links"),
        ('{"survey": "x", "cell_m": 4, "origin_m": [0, 0], "nodes": [[1, 1, 0, 3]], "links": [[0, 7]]}', "indexes"),
        ('{"survey": "x", "cell_m": 4, "origin_m": [0, 0], "nodes": [[-1, 1, 0, 3]], "links": [[0, 0]]}', "left of"),
        ('{"survey": "x", "cell_m": 0, "origin_m": [0, 0], "nodes": [[1, 1, 0, 3]], "links": [[0, 0]]}', "above 0"),
    ],
)
def test_what_is_no_survey_is_refused(text, words):
    with pytest.raises(InvalidInput, match=words):
        parse_survey(text, "road", "road.json")


def test_only_a_surveyed_map_is_written_as_one():
    with pytest.raises(InvalidInput, match="made of tiles"):
        survey_text(load_map("oval"))
    assert surveyed_map.__doc__
