"""Who drives in circles comes nowhere."""

import math

import numpy as np
import pytest

from rilaas.evaluate.driving import Drive, load_map, score_drive
from rilaas.evaluate.driving.objective.route import way_on_route_m
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from tests.evaluate.driving.drives import CROSS, ROAD, SIZE_M, drive, steady

PARTS = np.arange(15) / 15


def circle_of(tile_map):
    """The lanes of one direction of a loop, from the first one on."""
    graph = lane_graph(tile_map)
    lanes = [graph.lanes[0]]
    while (after := graph.successors(lanes[-1])[0]) is not lanes[0]:
        lanes.append(after)
    return lanes


def circling(tile_map, x_m, y_m, radius_m, speed_m_per_s=0.3, seconds=60.0):
    """Round and round to the left about a point, every 0.05 s."""
    t_s = 0.05 * np.arange(round(seconds / 0.05) + 1)
    angle = speed_m_per_s * t_s / radius_m
    poses = np.column_stack([x_m + radius_m * np.cos(angle), y_m + radius_m * np.sin(angle), angle + math.pi / 2])
    return Drive(tile_map, t_s, poses, seconds)


def test_straight_on_the_way_is_the_progress():
    """10 s at 0.3 m/s are 3 m."""
    assert way_on_route_m(steady(10.0)) == pytest.approx(3.0)


def test_every_lap_counts():
    """Twice round the oval, a chord every 4 cm or so: the same as the progress, to within rounding."""
    oval = load_map("oval")
    lanes = circle_of(oval)
    poses = np.array([lane.pose_at(part * lane.length_m) for _ in range(2) for lane in lanes for part in PARTS])
    lap = Drive(oval, 0.1 * np.arange(len(poses)), poses, 60.0)
    assert way_on_route_m(lap) == pytest.approx(float(lap.track.progress_m.sum()))
    assert way_on_route_m(lap) > 1.9 * sum(lane.length_m for lane in lanes)


def test_round_and_round_on_a_crossing_is_one_passage():
    """With a radius of 0.22 tiles a robot is in one of the lanes of a crossing all the time, and passes no line."""
    round_and_round = circling(CROSS, 1.5 * SIZE_M, 1.5 * SIZE_M, 0.22 * SIZE_M)
    scores = score_drive(round_and_round)
    assert scores["lane_time_share"] == 1.0
    assert scores["driven_lane_m"] > 15.0
    assert way_on_route_m(round_and_round) <= 1.5 * SIZE_M
    assert scores["driving_score"] < 5.0


def test_turning_round_in_a_road_again_and_again_is_no_way():
    """Fast enough it would make 60 s times 0.3 m/s, in the right lane for nine tenths of the time."""
    turns = circling(ROAD, 3.5 * SIZE_M, 0.5 * SIZE_M, 0.22 * SIZE_M, speed_m_per_s=0.55)
    assert score_drive(turns)["driven_lane_m"] > 18.0
    assert score_drive(turns)["driving_score"] < 5.0


def test_turning_round_over_the_border_of_two_tiles_is_no_way_either():
    turns = circling(ROAD, 4.0 * SIZE_M, 0.5 * SIZE_M, 0.22 * SIZE_M, speed_m_per_s=0.55)
    assert abs(way_on_route_m(turns)) < 3.0 * SIZE_M


def test_way_that_is_driven_back_is_taken_back():
    """East for 3 m in its lane, then west in the other lane for 3 m: 11 s, and it is where it was."""
    there = np.arange(0.1, 3.1, 0.03)
    x_m = np.concatenate([there, there[::-1]])
    back = np.arange(len(x_m)) >= len(there)
    forth_and_back = drive(x_m, np.where(back, 0.44 * SIZE_M, 0.0), np.where(back, math.pi, 0.0))
    assert float(forth_and_back.track.progress_m.sum()) == pytest.approx(6.0, abs=0.1)
    assert way_on_route_m(forth_and_back) < 1.25 * SIZE_M + 0.1


def test_reversing_takes_way_back_and_going_on_makes_it_again():
    """3 m forward, 2 m back, 1 m forward: 2 m."""
    x_m = np.concatenate([np.linspace(0.1, 3.1, 101), np.linspace(3.1, 1.1, 68)[1:], np.linspace(1.1, 2.1, 35)[1:]])
    assert way_on_route_m(drive(x_m)) == pytest.approx(2.0)


def test_who_only_reverses_is_behind_the_start():
    assert way_on_route_m(drive(np.linspace(3.0, 1.0, 101))) == pytest.approx(-2.0)


def test_a_single_sample_has_made_no_way():
    assert way_on_route_m(drive([1.0])) == 0.0
