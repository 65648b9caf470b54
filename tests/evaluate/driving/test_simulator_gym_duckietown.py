"""gym-duckietown behind our protocol; skipped where it is not installed (it wants an environment of its own)."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from rilaas.core import InvalidInput, MissingDependency, Prediction, Timing
from rilaas.evaluate.driving import (
    Latency,
    Scenario,
    World,
    check_simulator,
    map_names,
    nearest_lane_pose,
    parse_map,
    rollout,
    score_episode,
)
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.scenario.surroundings import Duckies, Lights, Obstacle, Traffic
from rilaas.evaluate.driving.simulator.gym_duckietown import import_engine, open_gym_duckietown, own_map

SCENARIO = Scenario("check", "oval", 3, start=(0.9, 0.164, 0.1))


def _missing() -> str:
    try:
        import_engine()
    except MissingDependency as error:
        return f"{error.message} {error.hint}"
    return ""


needs_it = pytest.mark.skipif(bool(_missing()), reason=_missing() or "is there")


def test_a_map_is_handed_over_in_its_own_format_with_the_top_row_first():
    """Two rows: the file's first one is the map's second from below; a hole becomes a floor."""
    tile_map = parse_map("tiles: [[straight/N, empty], [4way/S, grass]]\ntile_size: 0.6", "two")
    assert own_map(tile_map) == {
        "tile_size": 0.6,
        "tiles": [["straight/N", "floor"], ["4way", "grass"]],
        "objects": {},
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traffic", Traffic(vehicles=1)),
        ("duckies", Duckies(standing=1)),
        ("lights", Lights(crossings=-1)),
        ("obstacles", (Obstacle(),)),
    ],
)
def test_a_scenario_with_others_on_the_road_is_refused(name, value):
    with (
        pytest.raises(InvalidInput, match=f"has {name}, which gym-duckietown"),
        open_gym_duckietown(replace(SCENARIO, **{name: value})),
    ):
        pass


def test_without_the_package_the_message_tells_what_to_install(monkeypatch):
    from rilaas.evaluate.driving import simulator

    monkeypatch.delattr(simulator, "gym_duckietown_engine", raising=False)
    monkeypatch.delitem(sys.modules, "rilaas.evaluate.driving.simulator.gym_duckietown_engine", raising=False)
    monkeypatch.setitem(sys.modules, "duckietown_world", None)
    with pytest.raises(MissingDependency) as caught:
        import_engine()
    assert "pip install 'rilaas[gym-duckietown]'" in (caught.value.hint or "")


@needs_it
@pytest.mark.parametrize(
    "scenario",
    [SCENARIO, replace(SCENARIO, appearance="varied", camera_noise=4.0, wheel_gain_spread=0.1)],
    ids=["plain", "varied"],
)
def test_gym_duckietown_is_a_simulator(scenario):
    check_simulator(open_gym_duckietown, scenario)


@needs_it
@pytest.mark.parametrize("delay_s", [0.0, 0.15])
def test_the_robot_moves_as_in_our_world(delay_s):
    """The same equations with steps of 5 ms instead of 1 ms: after 3 s of a bend within 1 cm and 0.01 rad."""
    scenario = replace(SCENARIO, wheel_gain_spread=0.1, command_delay_s=delay_s)
    ours = World(scenario)
    with open_gym_duckietown(scenario) as theirs:
        assert theirs.reset().pose == pytest.approx(ours.reset().pose)
        for _ in range(60):
            a = ours.advance((0.4, 0.5), ours.ticks_per_frame)
            b = theirs.advance((0.4, 0.5), theirs.ticks_per_frame)
    assert math.dist(a.pose[:2], b.pose[:2]) < 0.01
    assert abs(math.remainder(a.pose[2] - b.pose[2], 2.0 * math.pi)) < 0.01
    assert b.speed_m_per_s == pytest.approx(a.speed_m_per_s, abs=0.001)
    assert b.rate_rad_per_s == pytest.approx(a.rate_rad_per_s, abs=0.001)


@needs_it
@pytest.mark.parametrize("name", map_names())
def test_its_lines_lie_where_ours_do(name):
    """Both cameras are the same pinhole: where one frame is brightest (paint), the other is.

    Correlation of the brightest 15 % of the rows below the horizon, as shares of 8 x 8 pixels. Measured: 0.7 on the
    map with most red, 0.86 to 0.94 on the others; with one of the two mirrored, below 0.
    """
    here, there = [], []
    for seed in (1, 3):
        scenario = Scenario("look", name, seed)
        here.append(_paint(World(scenario).frame(0)))
        with open_gym_duckietown(scenario) as theirs:
            there.append(_paint(theirs.frame(0)))
    assert _correlation(here, there) > 0.6
    assert _correlation(here, np.flip(there, axis=2)) < 0.2


def _paint(frame):
    grey = frame[44:116].max(axis=2)
    return (grey > np.quantile(grey, 0.85)).reshape(9, 8, 20, 8).mean(axis=(1, 3))


def _correlation(some, others):
    return float(np.corrcoef(np.ravel(some), np.ravel(others))[0, 1])


class _Steered:
    signature = DRIVING_SIGNATURE

    def __init__(self, simulator):
        self.simulator = simulator

    def predict(self, inputs, *, deadline_s=None):
        seen = nearest_lane_pose(self.simulator.tile_map, self.simulator.reached.pose)
        steering = -0.5 * seen.lateral_m - 0.3 * seen.heading_rad
        return Prediction({"wheels": np.array([[0.5 - steering, 0.5 + steering]], np.float32)}, Timing(total_s=0.001))

    def reset(self):
        pass


@needs_it
def test_an_episode_in_it_is_scored_by_the_same_metrics():
    """Steering back to the lane by the true pose, at 0.5 duty: up to 0.3 m/s, so less than 0.9 m in 3 s."""
    scenario = replace(SCENARIO, duration_s=3.0)
    with open_gym_duckietown(scenario) as simulator:
        result = rollout(_Steered(simulator), scenario, Latency.none(), simulator=simulator)
    scored = score_episode(result)
    assert result.status == "completed"
    assert scored.scores["lane_time_share"] == 1.0
    assert 0.6 < scored.scores["driven_lane_m"] < 0.9
