import numpy as np
import pytest

from rilaas.core import DeadlineExceeded, SignatureMismatch, check_policy
from rilaas.evaluate.driving import Scenario, rollout, score_trajectory
from rilaas.evaluate.driving.world.world import World
from rilaas.learn import Expert, ExpertPolicy

S = 0.585


def at(x, y, heading, map_name="oval"):
    return World(Scenario("test", map_name, 1, start=(x, y, heading)))


@pytest.mark.parametrize("map_name", ["oval", "s_bends", "zigzag", "held_out_heart"])
def test_the_expert_stays_in_its_lane_on_every_loop(map_name):
    scenario = Scenario("test", map_name, 11, duration_s=30.0)
    world = World(scenario)
    result = rollout(ExpertPolicy(world), scenario, simulator=world)
    scores = score_trajectory(world.tile_map, result.t_s, result.poses)
    assert result.status == "completed"
    assert scores["lane_time_share"] == 1.0
    assert scores["driven_lane_m"] > 0.25 * 30.0
    assert scores["lateral_deviation_m_s"] / 30.0 < 0.03


def test_the_expert_still_drives_when_commands_take_twice_as_long():
    scenario = Scenario("test", "zigzag", 2, duration_s=20.0, command_delay_s=0.3)
    world = World(scenario)
    result = rollout(ExpertPolicy(world), scenario, simulator=world)
    assert score_trajectory(world.tile_map, result.t_s, result.poses)["lane_time_share"] == 1.0


def test_on_the_centre_line_of_a_straight_it_cruises_straight_ahead():
    throttle, steering = Expert().command(at(2.0 * S, 0.28 * S, 0.0))
    assert throttle == pytest.approx(0.34 / 0.6)
    assert steering == pytest.approx(0.0, abs=1e-9)


def test_it_steers_back_to_the_centre_line_from_both_sides():
    assert Expert().command(at(2.0 * S, 0.28 * S + 0.05, 0.0))[1] < 0.0
    assert Expert().command(at(2.0 * S, 0.28 * S - 0.05, 0.0))[1] > 0.0


def test_it_steers_against_a_heading_error_and_slows_down():
    throttle, steering = Expert().command(at(2.0 * S, 0.28 * S, 0.5))
    assert steering < 0.0
    assert throttle < 0.34 / 0.6


def test_it_begins_to_steer_before_the_curve_begins():
    ahead_m = 0.1
    assert Expert().command(at(3.0 * S - ahead_m, 0.28 * S, 0.0))[1] > 0.01


def test_far_from_every_road_it_has_no_advice_and_the_policy_stands_still():
    world = at(100.0, 100.0, 0.0)
    assert Expert().command(world) is None
    image = np.zeros((1, 120, 160, 3), np.uint8)
    assert (ExpertPolicy(world).predict({"image": image})["wheels"] == 0.0).all()


def test_the_expert_is_a_policy():
    check_policy(ExpertPolicy(at(2.0 * S, 0.28 * S, 0.0)))


def test_the_expert_keeps_its_signature_and_deadline():
    policy = ExpertPolicy(at(2.0 * S, 0.28 * S, 0.0))
    with pytest.raises(SignatureMismatch):
        policy.predict({"image": np.zeros((120, 160, 3), np.uint8)})
    with pytest.raises(DeadlineExceeded):
        policy.predict({"image": np.zeros((1, 120, 160, 3), np.uint8)}, deadline_s=0.0)
