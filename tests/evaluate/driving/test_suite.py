import re
from dataclasses import replace

import numpy as np
import pytest

from rilaas.core import InvalidInput, NotFound, Prediction, Timing
from rilaas.evaluate.driving import (
    Latency,
    Spawn,
    Threshold,
    load_map,
    read_suite,
    rollout,
    run_suite,
    score_episode,
    suite_names,
)
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.scenario.surroundings import Lights, Obstacle, Traffic
from rilaas.learn.expert import ExpertPolicy
from tests.evaluate.driving.undrawn import UndrawnWorld

SUITE = """\
name = "mine"
description = "Two maps."

[world]
duration_s = 20.0
camera_noise = 2.0

[spawn]
lateral_tolerance_m = 0.01

[[scenarios]]
map = "oval"
seeds = [1, 2]

[[scenarios]]
name = "long way"
map = "zigzag"
seeds = [3]
duration_s = 40.0
spawn = { heading_tolerance_rad = 0.1, kinds = ["straight", "curve_left"] }

[[scenarios]]
map = "oval"
seeds = [4]
start = [1.0, 0.2, 0.0]

[[thresholds]]
metric = "lane_time_share"
at_least = 0.9

[[thresholds]]
metric = "out_of_lane_s"
at_most = 2
over = "each_map"
"""


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_our_suites_are_read_and_our_judging_one_has_a_held_out_map_and_a_minute_each():
    assert {"lf", "lfv", "intersections", "robustness", "quick-look", "demo"} == set(suite_names())
    suite = read_suite("lf")
    assert len(suite.scenarios) >= 20
    assert {scenario.duration_s for scenario in suite.scenarios} == {60.0}
    assert any(scenario.map == "held_out_heart" for scenario in suite.scenarios)
    assert len({(scenario.map, scenario.seed) for scenario in suite.scenarios}) == len(suite.scenarios)
    assert Threshold("lane_time_share", 0.95, is_minimum=True, over="each_map") in suite.thresholds


@pytest.mark.parametrize("name", suite_names())
def test_seeds_of_our_suites_are_none_that_training_draws(name):
    """Training draws below 2 ** 31; the demo's are its own business, for it passes no judgement."""
    suite = read_suite(name)
    assert not suite.thresholds or all(scenario.seed >= 2**31 for scenario in suite.scenarios)


def test_a_suite_is_read_with_defaults_and_exceptions_from_them(tmp_path):
    suite = read_suite(write(tmp_path, SUITE))
    assert (suite.name, suite.description) == ("mine", "Two maps.")
    assert [(s.name, s.map, s.seed, s.duration_s) for s in suite.scenarios] == [
        ("oval", "oval", 1, 20.0),
        ("oval", "oval", 2, 20.0),
        ("long way", "zigzag", 3, 40.0),
        ("oval", "oval", 4, 20.0),
    ]
    assert {s.camera_noise for s in suite.scenarios} == {2.0}
    assert suite.scenarios[0].spawn == Spawn(0.01)
    assert suite.scenarios[2].spawn == Spawn(0.01, 0.1, ("straight", "curve_left"))
    assert suite.scenarios[3].start == (1.0, 0.2, 0.0)
    assert suite.thresholds == (
        Threshold("lane_time_share", 0.9, is_minimum=True),
        Threshold("out_of_lane_s", 2.0, is_minimum=False, over="each_map"),
    )


def test_a_threshold_is_met_from_its_own_side():
    assert Threshold("lane_time_share", 0.9, is_minimum=True).is_met(0.9)
    assert not Threshold("lane_time_share", 0.9, is_minimum=True).is_met(0.89)
    assert Threshold("out_of_lane_s", 2.0, is_minimum=False).is_met(2.0)
    assert not Threshold("out_of_lane_s", 2.0, is_minimum=False).is_met(2.1)


def test_the_digest_is_of_what_is_run_and_not_of_how_it_is_written(tmp_path):
    digest = read_suite(write(tmp_path, SUITE)).digest
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    rewritten = "# A remark.\n" + SUITE.replace('"Two maps."', '"Two."').replace("20.0", "2e1")
    assert read_suite(write(tmp_path, rewritten)).digest == digest
    for changed in ("seeds = [1, 7]", "seeds = [2, 1]"):
        assert read_suite(write(tmp_path, SUITE.replace("seeds = [1, 2]", changed))).digest != digest
    assert read_suite(write(tmp_path, SUITE.replace("at_least = 0.9", "at_least = 0.8"))).digest != digest


def test_a_map_may_lie_beside_the_suite_and_its_tiles_count_in_the_digest(tmp_path):
    suite = '[[scenarios]]\nmap = "maps/loop.yaml"\nseeds = [1]'
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "loop.yaml").write_text("tiles: [[straight/E]]")
    first = read_suite(write(tmp_path, suite))
    assert first.scenarios[0].name == "loop"
    assert load_map(first.scenarios[0].map).name == "loop"
    digest = first.digest
    (tmp_path / "maps" / "loop.yaml").write_text("tiles: [[straight/N]]")
    assert read_suite(write(tmp_path, suite)).digest != digest


def test_other_seeds_take_the_place_of_the_suites_own(tmp_path):
    suite = read_suite(write(tmp_path, SUITE)).with_seeds([7, 8])
    assert [(s.name, s.seed) for s in suite.scenarios] == [
        ("oval", 7),
        ("oval", 8),
        ("long way", 7),
        ("long way", 8),
        ("oval", 7),
        ("oval", 8),
    ]


SCENARIO = '[[scenarios]]\nmap = "oval"\nseeds = [1]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 episodes; a suite has 1 to 10000"),
        ("names = 'x'\n" + SCENARIO, "there is no key 'names'. Did you mean 'name'?"),
        ("name = 3\n" + SCENARIO, "name is 3, which has the wrong type"),
        ("world = 3\n" + SCENARIO, "world is 3; it is a table: [world]"),
        ("[world]\nduration = 3\n" + SCENARIO, "[world]: there is no key 'duration'. Did you mean 'duration_s'?"),
        ("[spawn]\nkind = 3\n" + SCENARIO, "[spawn]: there is no key 'kind'. Did you mean 'kinds'?"),
        ('[spawn]\nkinds = ["grass"]\n' + SCENARIO, "No robot starts on 'grass'"),
        ("scenarios = 3", "it is a list of tables: [[scenarios]]"),
        ("[[scenarios]]\nseeds = [1]", "[[scenarios]] 1: map is missing"),
        ('[[scenarios]]\nmap = "ovall"\nseeds = [1]', "There is no map 'ovall'. Did you mean 'oval'?"),
        ('[[scenarios]]\nmap = "x.yaml"\nseeds = [1]', "[[scenarios]] 1: There is no file"),
        ('[[scenarios]]\nmap = "oval"', "seeds is missing"),
        ('[[scenarios]]\nmap = "oval"\nseeds = []', "seeds is a list of whole numbers, got []"),
        ('[[scenarios]]\nmap = "oval"\nseeds = [1.5]', "seeds is a list of whole numbers"),
        ('[[scenarios]]\nmap = "oval"\nseeds = [-1]', "a seed is a whole number >= 0"),
        (SCENARIO + "dt_s = 9.0", "[[scenarios]] 1: Scenario 'oval' has dt_s = 9.0"),
        (SCENARIO + 'dt_s = "fast"', "[[scenarios]] 1: dt_s is 'fast'; it is a number"),
        (SCENARIO + "start = [1.0]", "it is (x [m], y [m], heading [rad])"),
        (SCENARIO + '[[thresholds]]\nmetric = "speed"\nat_least = 1', "there is no metric 'speed'"),
        (SCENARIO + '[[thresholds]]\nmetric = "survival_s"', "has no bound; it has at_least or at_most"),
        (
            SCENARIO + '[[thresholds]]\nmetric = "survival_s"\nat_least = 1\nat_most = 2',
            "has at_least and at_most; it has at_least or at_most",
        ),
        (
            SCENARIO + '[[thresholds]]\nmetric = "survival_s"\nat_least = 1\nover = "maps"',
            "over = 'maps'. Available: all, each_map.",
        ),
        (
            SCENARIO + '[[thresholds]]\nmetric = "survival_s"\nat_least = true',
            "at_least is True, which has the wrong",
        ),
        ("name = [", "is not valid TOML"),
        ("[trafic]\n" + SCENARIO, "there is no key 'trafic'. Did you mean 'traffic'?"),
        ("[traffic]\nvehicle = 1\n" + SCENARIO, "[traffic]: there is no key 'vehicle'. Did you mean 'vehicles'?"),
        ("[traffic]\nvehicles = 1.5\n" + SCENARIO, "vehicles is 1.5; it is a whole number from 0 to 100"),
        ("[traffic]\nvehicles = true\n" + SCENARIO, "vehicles is True, which has the wrong type"),
        ('[traffic]\nvehicles = "many"\n' + SCENARIO, "[[scenarios]] 1.traffic: vehicles is 'many'; it is a number"),
        ("[traffic]\nleading = 1\n" + SCENARIO, "leading is 1; it is a whole number from 0 to vehicles"),
        (
            "[traffic]\nspeed_min_m_per_s = 0.5\n" + SCENARIO,
            "speed_min_m_per_s is 0.5 and speed_max_m_per_s 0.28; both are from 0.02 to 1, the first the smaller",
        ),
        ("[duckies]\npause_min_s = 20\n" + SCENARIO, "pause_min_s is 20 and pause_max_s 12.0"),
        (SCENARIO + "lights = { crossings = -1 }", "lights are asked for, and map 'oval' has no crossing"),
        ('[[obstacles]]\nlook = "cones"\n' + SCENARIO, "[[obstacles]] 1: There is no obstacle 'cones'."),
        ('[[obstacles]]\nplace = "middle"\n' + SCENARIO, "There is no place 'middle'. Available"),
        ("[[obstacles]]\npose = [1.0, 2.0]\n" + SCENARIO, "pose is (1.0, 2.0); it is (x [m], y [m], heading [rad])"),
        ("[[obstacles]]\npose = [1.0, 2.0, 0.0]\ncount = 2\n" + SCENARIO, "a pose is for one obstacle"),
        ("[camera_faults]\ndropped_share = 2\n" + SCENARIO, "dropped_share is 2; it is from 0 to 0.9"),
        ("[constants]\nomega = 1\n" + SCENARIO, "[constants]: there is no key 'omega'"),
        ("[constants]\nnu = 1.0\n" + SCENARIO, "[constants]: The constants break the order of the traffic laws"),
        (SCENARIO + 'appearance = "dark"', "has appearance 'dark'"),
        (SCENARIO + f"command_delay_s = {'9' * 400}", "it is a number >= 0"),
        (SCENARIO + f"start = [0, 0, {'9' * 400}]", "a number is too large"),
        (SCENARIO + '[[thresholds]]\nmetric = "survival_s"\nat_least = nan', "at_least is no finite number"),
        (SCENARIO + f'[[thresholds]]\nmetric = "survival_s"\nat_least = {"9" * 400}', "is no finite number"),
        (f"obstacles = [{'{},' * 5000}]\n{SCENARIO}", "[[scenarios]] 1 has 5000 obstacles; it has at most 100"),
        (f"obstacles = [{'{count = 100},' * 2}]\n{SCENARIO}", "has 200 obstacles; it has at most 100"),
        (SCENARIO + 'end = ["crash"]', "has no end rule 'crash'"),
    ],
)
def test_a_wrong_suite_is_refused_with_its_place_and_what_would_be_valid(tmp_path, text, message):
    with pytest.raises((InvalidInput, NotFound)) as error:
        read_suite(write(tmp_path, text))
    assert message in str(error.value)
    assert "mine.toml" in str(error.value)


ONCE_MORE = '[[scenarios]]\nname = "again"\nmap = "oval"\nseeds = [2]\n\n[[thresholds]]'


@pytest.mark.parametrize(
    ("text", "map_name", "seed"),
    [
        (SUITE.replace("seeds = [1, 2]", "seeds = [1, 5, 1]"), "oval", 1),
        (SUITE.replace("seeds = [3]", "seeds = [3, 3]"), "zigzag", 3),
        (SUITE.replace("[[thresholds]]", ONCE_MORE, 1), "oval", 2),
    ],
)
def test_an_episode_that_would_count_twice_is_refused_by_map_and_seed(tmp_path, text, map_name, seed):
    with pytest.raises(InvalidInput, match=rf"mine\.toml: Map '{map_name}' with seed {seed} is there 2 times"):
        read_suite(write(tmp_path, text))
    with pytest.raises(InvalidInput, match="seed 7 is there 2 times"):
        read_suite(write(tmp_path, SUITE)).with_seeds([7, 7])


def test_the_same_seed_in_another_world_is_another_episode(tmp_path):
    text = SUITE.replace("[[thresholds]]", ONCE_MORE.replace("seeds", "camera_noise = 1.0\nseeds"), 1)
    assert len(read_suite(write(tmp_path, text)).scenarios) == 5


def test_a_scenario_changes_single_fields_of_a_table_and_its_own_obstacles_replace_the_suites(tmp_path):
    text = """
    [traffic]
    vehicles = 2
    dwell_s = 2.0
    [[obstacles]]
    look = "cone"
    [constants]
    d_safe_m = 0.05
    [[scenarios]]
    map = "oval"
    seeds = [1]
    [[scenarios]]
    map = "crossings"
    seeds = [1]
    traffic = { vehicles = 3 }
    obstacles = [{ look = "barrier", pose = [1.0, 2.0, 0.0] }]
    lights = { crossings = 1 }
    """
    suite = read_suite(write(tmp_path, text))
    oval, town = suite.scenarios
    assert (oval.traffic, town.traffic) == (Traffic(2, dwell_s=2.0), Traffic(3, dwell_s=2.0))
    assert (oval.obstacles, town.obstacles) == ((Obstacle(),), (Obstacle("barrier", (1.0, 2.0, 0.0)),))
    assert town.lights == Lights(1)
    assert suite.constants == Constants(d_safe_m=0.05)
    assert len({oval, town, replace(oval)}) == 2
    other = read_suite(write(tmp_path, text.replace("d_safe_m = 0.05", "d_safe_m = 0.04")))
    assert other.digest != suite.digest


def test_a_suite_with_traffic_gives_the_same_bytes_whatever_the_number_of_workers():
    suite = read_suite("lfv")
    few = replace(suite, scenarios=tuple(replace(each, duration_s=3.0) for each in suite.scenarios[:3]))
    reports = [run_suite(Straight, few, latency=Latency.fixed(0.05), workers=workers) for workers in (1, 2)]
    episodes = [[replace(episode, metrics=dict(episode.metrics)) for episode in each.episodes] for each in reports]
    assert episodes[0] == episodes[1]


class Straight:
    """Goes the faster the brighter the image is: what it does depends on what it sees."""

    signature = DRIVING_SIGNATURE

    def predict(self, inputs, *, deadline_s=None):
        level = 0.2 + 0.1 * float(inputs["image"].mean()) / 255.0
        return Prediction({"wheels": np.array([[level, level]], np.float32)}, Timing(total_s=0.001))

    def reset(self):
        pass


def test_an_unknown_suite_is_answered_with_a_guess(tmp_path):
    with pytest.raises(NotFound, match=r"There is no suite 'quick-lok'. Did you mean 'quick-look'\?"):
        read_suite("quick-lok")
    with pytest.raises(NotFound, match="There is no file"):
        read_suite(tmp_path / "none.toml")


def test_the_distance_that_our_judging_suite_asks_for_is_four_fifths_of_the_experts():
    suite = read_suite("lf")
    driven_m = []
    for name in ("oval", "s_bends", "zigzag", "held_out_heart"):
        world = UndrawnWorld(next(scenario for scenario in suite.scenarios if scenario.map == name))
        driven_m.append(
            score_episode(rollout(ExpertPolicy(world), world.scenario, simulator=world)).scores["driven_lane_m"]
        )
    asked_m = next(threshold.value for threshold in suite.thresholds if threshold.metric == "driven_lane_m")
    assert asked_m / (sum(driven_m) / len(driven_m)) == pytest.approx(0.8, abs=0.03)
