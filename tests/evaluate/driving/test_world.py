import math

import numpy as np
import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.view.appearance import Appearance
from rilaas.evaluate.driving.world.world import World, appearance_of

S = 0.585
START = (1.2 * S, 0.28 * S, 0.0)


def world(**changes):
    return World(Scenario("test", **{"map": "oval", "seed": 3, "start": START, **changes}))


def test_a_world_begins_at_the_scenarios_start_in_its_lane():
    tested = world()
    assert tested.pose == START
    assert tested.t_s == 0.0
    assert tested.is_on_road
    assert tested.lane_pose.lateral_m == pytest.approx(0.0, abs=1e-9)


def test_a_step_takes_the_scenarios_time_and_gives_a_frame():
    tested = world(dt_s=1.0 / 15.0)
    frame = tested.step((0.5, 0.5))
    assert (frame.shape, frame.dtype) == ((120, 160, 3), np.uint8)
    assert tested.t_s == pytest.approx(1.0 / 15.0)
    tested.step((0.5, 0.5), 0.01)
    assert tested.t_s == pytest.approx(1.0 / 15.0 + 0.01, abs=0.001)


def test_the_wheels_wait_for_the_commands_delay():
    tested = world(command_delay_s=0.15)
    tested.step((1.0, 1.0), 0.149)
    assert tested.pose == START
    tested.step((1.0, 1.0), 0.002)
    assert tested.pose[0] > START[0]


def test_a_robot_that_drives_off_is_not_on_the_road():
    tested = world(duration_s=60.0)
    for _ in range(200):
        tested.step((0.8, 0.5))
        if not tested.is_on_road:
            break
    assert not tested.is_on_road
    assert tested.lane_pose is None


@pytest.mark.parametrize("appearance", ["fixed", "varied"])
def test_the_same_scenario_gives_the_same_bytes(appearance):
    runs = []
    for _ in range(2):
        tested = world(appearance=appearance, wheel_gain_spread=0.05, camera_noise=3.0, start=None)
        frames = [tested.step((0.5, 0.45 + 0.01 * k)).tobytes() for k in range(10)]
        runs.append((frames, tested.pose))
    assert runs[0] == runs[1]


def test_a_reset_world_repeats_itself():
    tested = world(camera_noise=3.0)
    first = [tested.step((0.5, 0.4)).tobytes() for _ in range(5)]
    tested.reset()
    assert [tested.step((0.5, 0.4)).tobytes() for _ in range(5)] == first


def test_two_seeds_give_two_looks_and_two_starts():
    one, other = world(seed=1, start=None, appearance="varied"), world(seed=2, start=None, appearance="varied")
    assert one.pose != other.pose
    assert not np.array_equal(one.look(), other.look())


def test_the_fixed_look_is_the_same_for_every_seed():
    assert appearance_of(Scenario("a", "oval", 1)) == appearance_of(Scenario("a", "oval", 2)) == Appearance()
    assert np.array_equal(world(seed=1).look(), world(seed=2).look())


def test_noise_of_the_scenario_is_added_to_the_fixed_look():
    difference = world(camera_noise=5.0).look().astype(float) - world().look()
    assert 2.0 < difference.std() < 6.0


def test_a_robot_that_is_not_calibrated_pulls_to_one_side():
    ways = []
    for seed in range(4):
        tested = world(seed=seed, wheel_gain_spread=0.1)
        for _ in range(20):
            tested.advance((0.5, 0.5), 50)
        ways.append(tested.pose[2])
    assert len({round(way, 6) for way in ways}) == 4
    assert max(map(abs, ways)) > 0.02


@pytest.mark.parametrize(
    ("field", "spread"), [("motor_gain_spread", 0.2), ("drag_spread", 0.2), ("command_delay_spread_s", 0.05)]
)
def test_a_robots_motors_floor_and_delay_may_vary_with_the_seed(field, spread):
    """The way made in 1 s at half power is one for all seeds without a spread, another for each with one."""
    ways = {}
    for value in (0.0, spread):
        for seed in range(4):
            tested = world(seed=seed, **{field: value})
            tested.advance((0.5, 0.5), 1000)
            ways.setdefault(value, set()).add(round(tested.pose[0], 9))
            assert tested.pose[1:] == pytest.approx(START[1:])
    assert (len(ways[0.0]), len(ways[spread])) == (1, 4)


def test_a_part_of_the_look_may_vary_alone():
    fixed = Appearance()
    varied = appearance_of(Scenario("a", "oval", 1, appearance="varied"))
    light, colours, camera = (
        appearance_of(Scenario("a", "oval", 1, appearance=part)) for part in ("light", "colours", "camera")
    )
    assert (light.gain, light.yellow, light.noise) == (varied.gain, fixed.yellow, fixed.noise)
    assert (colours.gain, colours.yellow, colours.noise) == (fixed.gain, varied.yellow, fixed.noise)
    assert (camera.gain, camera.yellow, camera.noise) == (fixed.gain, fixed.yellow, varied.noise)
    assert (light.sky, colours.ground, camera.blur_px) == (varied.sky, varied.ground, varied.blur_px)


def test_time_in_small_pieces_is_the_same_as_in_one():
    one, other = world(), world()
    one.advance((0.5, 0.3), 50)
    for ticks in (1, 7, 42):
        other.advance((0.5, 0.3), ticks)
    assert one.motion == other.motion


@pytest.mark.parametrize(("wheels", "ticks"), [((math.nan, 0.0), 1), ((0.0, math.inf), 1), ((0.0, 0.0), -1)])
def test_a_command_that_is_not_a_number_is_refused(wheels, ticks):
    with pytest.raises(InvalidInput, match="finite"):
        world().advance(wheels, ticks)


def test_a_map_that_does_not_exist_is_named_with_a_guess():
    with pytest.raises(NotFound, match="oval"):
        world(map="ovel")
