import math

import pytest

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import Duckies, Lights, Obstacle, Scenario, Spawn, Traffic, load_map, start_pose
from rilaas.evaluate.driving.road.stop_line import stop_lines


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"appearance": "variedd"}, "Did you mean 'varied'"),
        ({"seed": -1}, "a seed is a whole number >= 0"),
        ({"dt_s": 0.0}, "a step is from 0.001 to 1 s"),
        ({"dt_s": math.nan}, "a step is from 0.001 to 1 s"),
        ({"duration_s": 0.01}, "from dt_s to one day"),
        ({"duration_s": math.inf}, "from dt_s to one day"),
        ({"command_delay_s": -0.1}, "command_delay_s = -0.1; it is a number >= 0"),
        ({"wheel_gain_spread": math.inf}, "wheel_gain_spread = inf"),
        ({"camera_noise": math.nan}, "camera_noise = nan"),
        ({"command_delay_s": 61.0}, "command_delay_s = 61.0; it is at most 60"),
        ({"start": (1e7, 0.0, 0.0)}, "it is (x [m], y [m], heading [rad])"),
        ({"start": (0.0, 0.0, math.nan)}, "it is (x [m], y [m], heading [rad])"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(InvalidInput) as error:
        Scenario(**{"name": "s", "map": "oval", "seed": 1, **fields})
    assert message in str(error.value)


def test_a_start_may_be_asked_to_be_clear_of_the_line_ahead():
    """The drawn place is 0.35 m or more before every line that is ahead in its lane."""
    tile_map = load_map("crossings")
    near = []
    for clearance_m in (0.0, 0.35):
        spawn = Spawn(heading_tolerance_rad=0.0, lateral_tolerance_m=0.0, line_clearance_m=clearance_m)
        poses = [start_pose(tile_map, Scenario("s", "crossings", seed, spawn=spawn)) for seed in range(40)]
        ahead_m = [
            line.see(pose[0], pose[1])[0]
            for pose in poses
            for line in stop_lines(tile_map)
            if abs(line.see(pose[0], pose[1])[1]) < 0.05 and math.cos(line.pose[2] - pose[2]) > 0.9
        ]
        near.append(min(each for each in ahead_m if each > 0.0))
    assert near[0] < 0.35 <= near[1]


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Traffic, {"vehicles": -1}, "vehicles is -1; it is a whole number from 0 to 100"),
        (Traffic, {"dwell_s": math.nan}, "dwell_s is nan; it is from 0 to 60"),
        (Duckies, {"speed_m_per_s": 0.0}, "speed_m_per_s is 0.0; it is from 0.02 to 0.5"),
        (Lights, {"crossings": -2}, "it is a whole number >= 0, or -1 for all crossings"),
        (Lights, {"green_s": 0.0}, "green_s is 0.0; it is from 0.1 to 600"),
        (Obstacle, {"pose": (0.0, math.inf, 0.0)}, "it is (x [m], y [m], heading [rad])"),
    ],
)
def test_surroundings_that_make_no_sense_are_refused(kind, fields, message):
    with pytest.raises(InvalidInput) as error:
        kind(**fields)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "fields", [{"lateral_tolerance_m": -0.1}, {"lateral_tolerance_m": 1e308}, {"heading_tolerance_rad": 4.0}]
)
def test_a_spawn_rule_that_makes_no_sense_is_refused(fields):
    with pytest.raises(InvalidInput, match=next(iter(fields))):
        Spawn(**fields)
