"""``docs/scenarios.md`` shows a whole suite: it can be read, and has every key that there is."""

import re
from dataclasses import fields
from pathlib import Path

from rilaas.evaluate.driving import Scenario, Spawn, World, read_suite, suite_names
from rilaas.evaluate.driving.scenario.camera_faults import CameraFaults
from rilaas.evaluate.driving.scenario.surroundings import Duckies, Lights, Obstacle, Traffic

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scenarios.md").read_text()
(TOML,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_suite_and_its_worlds_can_be_made(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    suite = read_suite(path)
    assert [scenario.name for scenario in suite.scenarios] == ["town"] * 3 + ["without traffic"]
    town, alone = suite.scenarios[0], suite.scenarios[-1]
    assert (town.traffic, alone.traffic) == (Traffic(4, 1), Traffic(0, 0))
    assert town.obstacles == (Obstacle("barrier", (0.29, 2.4, 1.57)), Obstacle(place="edge", count=2))
    assert alone.obstacles == ()
    assert suite.constants.nu == 50.0
    assert len(World(town).actors) == 4 + 3 + 3
    assert World(alone).look().shape == (120, 160, 3)


def test_the_example_has_every_key():
    world = {field.name for field in fields(Scenario)} - {"seed", "start"}
    for keys in (world, *({field.name for field in fields(kind)} for kind in PARTS)):
        for key in keys:
            assert re.search(rf"\b{key}\b", TOML), f"{key} is not in the example"


PARTS = (Spawn, Traffic, Duckies, Lights, Obstacle, CameraFaults)


def test_the_table_of_suites_has_all_of_ours_with_their_number_of_episodes():
    for name in suite_names():
        assert f"`{name}`" in PAGE
    for name in ("lf", "lfv", "intersections", "robustness"):
        (row,) = re.findall(rf"^\| `{name}` \| (\d+) of (\d+) s", PAGE, re.MULTILINE)
        scenarios = read_suite(name).scenarios
        assert row == (str(len(scenarios)), f"{scenarios[0].duration_s:.0f}")
