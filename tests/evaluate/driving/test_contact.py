import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import Prediction, Timing
from rilaas.evaluate.driving import Constants, Scenario, World, rollout
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor
from rilaas.evaluate.driving.road.footprint import gap_m
from rilaas.evaluate.driving.scenario.surroundings import Obstacle, Traffic
from rilaas.evaluate.driving.world.contact import Box, depth_m
from rilaas.learn import ExpertPolicy
from tests.evaluate.driving.undrawn import UndrawnWorld

S = 0.585
START = (1.2 * S, 0.28 * S, 0.0)
WALL = Obstacle("barrier", pose=(START[0] + 0.4, START[1], 0.0), place="lane")
"""The robot's front end is 0.066 m ahead of its axle, the barrier's face 0.015 m before its middle: 0.319 m to go."""

NUMBER = st.floats(-0.3, 0.3)


class Ahead:
    signature = DRIVING_SIGNATURE

    def predict(self, inputs, *, deadline_s=None):
        return Prediction({"wheels": np.array([[0.5, 0.5]], np.float32)}, Timing(total_s=0.001))

    def reset(self):
        pass


def world(**changes):
    return World(Scenario("test", "oval", 3, **{"start": START, "obstacles": (WALL,), **changes}))


@given(NUMBER, NUMBER, st.floats(-4.0, 4.0), st.floats(-4.0, 4.0))
def test_boxes_overlap_where_their_bodies_have_no_gap(x_m, y_m, one_heading, other_heading):
    cone = Actor("cone", "obstacle", 0.06, 0.04, 0.08)
    one, other = (0.0, 0.0, one_heading), (x_m, y_m, other_heading)
    depth = depth_m(Box.of(DUCKIEBOT, one), Box.of(cone, other))
    gap = gap_m(DUCKIEBOT, one, cone, other)
    if abs(depth) > 1e-9:
        assert (depth > 0.0) == (gap == 0.0)
    assert depth <= 0.0 or depth == pytest.approx(depth_m(Box.of(cone, other), Box.of(DUCKIEBOT, one)))
    assert gap >= -depth - 1e-9


def test_two_squares_that_overlap_by_a_centimetre_are_that_deep():
    """Sides of 0.06 m, 0.05 m apart: 0.03 + 0.03 - 0.05 = 0.01 m."""
    square = Actor("cone", "obstacle", 0.06, 0.06, 0.08)
    here, there = Box.of(square, (0.0, 0.0, 0.0)), Box.of(square, (0.05, 0.0, math.pi / 2))
    assert depth_m(here, there) == pytest.approx(0.01)


def test_a_robot_is_held_by_what_it_runs_into():
    tested = world()
    for _ in range(80):
        tested.advance((0.5, 0.5), 50)
    assert tested.pose[0] - START[0] == pytest.approx(0.319, abs=0.001)
    assert gap_m(DUCKIEBOT, tested.pose, tested.actors[0], tested.snapshot.actors[0]) == 0.0
    assert tested.motion.speed_m_per_s == 0.0


def test_a_robot_that_is_held_may_back_off():
    tested = world()
    for _ in range(80):
        tested.advance((0.5, 0.5), 50)
    for _ in range(40):
        tested.advance((-0.5, -0.5), 50)
    assert gap_m(DUCKIEBOT, tested.pose, tested.actors[0], tested.snapshot.actors[0]) > 0.2


def test_a_robot_that_is_held_cannot_turn_through_a_body():
    tested = world()
    for k in range(400):
        tested.advance((0.9, 0.1) if k % 40 < 20 else (0.1, 0.9), 50)
        box, wall = Box.of(DUCKIEBOT, tested.pose), Box.of(tested.actors[0], tested.snapshot.actors[0])
        assert depth_m(box, wall) < 0.001


def test_contact_does_not_depend_on_how_time_is_sliced():
    one, other = world(), world()
    for _ in range(60):
        one.advance((0.5, 0.45), 50)
    for _ in range(300):
        other.advance((0.5, 0.45), 10)
    assert one.motion == other.motion


def test_a_collision_ends_the_episode_where_that_is_a_rule_and_is_stood_through_where_it_is_not():
    """0.319 m at up to 0.3 m/s, after 0.15 s of delay and 0.2 s to get going: about 1.5 s."""
    ended = rollout(Ahead(), world(end=("off_road", "collision")).scenario)
    assert (ended.status, ended.t_s[-1]) == ("collision", pytest.approx(1.45, abs=0.2))
    stood = rollout(Ahead(), world(duration_s=4.0).scenario)
    assert stood.status == "completed"
    assert stood.poses[-1, 0] - START[0] == pytest.approx(0.319, abs=0.001)


def test_running_into_a_vehicle_that_drives_is_a_collision_too():
    """The vehicle ahead drives 0.1 m/s, the robot 0.3 m/s: it is reached soon, and stands where it is hit."""
    slow = Traffic(1, 1, speed_min_m_per_s=0.1, speed_max_m_per_s=0.1)
    for seed in range(5):
        scenario = Scenario("test", "s_bends", seed, traffic=slow, end=("off_road", "collision"), duration_s=30.0)
        tested = UndrawnWorld(scenario)
        ended = rollout(ExpertPolicy(tested), scenario, simulator=tested)
        assert ended.status == "collision"
        (vehicle,) = ended.actors
        assert gap_m(DUCKIEBOT, ended.poses[-1], vehicle.actor, vehicle.poses[-1]) < Constants().contact_m


def test_a_vehicle_that_was_hit_goes_on_after_a_second():
    tested = World(Scenario("test", "s_bends", 1, traffic=Traffic(1, 1, 0.1, 0.1)))
    driver = ExpertPolicy(tested)
    image = np.zeros((1, 120, 160, 3), np.uint8)
    while tested.t_s < 20.0:
        gap = gap_m(DUCKIEBOT, tested.pose, tested.actors[0], tested.snapshot.actors[0])
        if gap == 0.0:
            break
        tested.advance(driver.predict({"image": image})["wheels"][0].tolist(), 50)
    hit_s, place = tested.t_s, tested.snapshot.actors[0]
    tested.advance((0.0, 0.0), 800)
    assert (tested.t_s - hit_s, tested.snapshot.actors[0]) == (pytest.approx(0.8), place)
    tested.advance((0.0, 0.0), 2000)
    assert math.dist(tested.snapshot.actors[0][:2], place[:2]) > 0.05


def test_a_world_without_others_drives_as_before_and_far_others_change_nothing():
    far = Obstacle("cone", pose=(0.29, 1.5, 0.0))
    alone, among = world(obstacles=()), world(obstacles=(far,))
    assert alone.town is None
    for _ in range(40):
        assert alone.advance((0.5, 0.47), 50).pose == among.advance((0.5, 0.47), 50).pose
