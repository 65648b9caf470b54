"""The contract of a simulator: that the tile world keeps it, and that the checker finds those who do not."""

import math
import pickle
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.evaluate.driving import Scenario, World
from rilaas.evaluate.driving.scenario.surroundings import Duckies, Lights, Obstacle, Traffic
from rilaas.evaluate.driving.simulator.check import check_simulator
from rilaas.evaluate.driving.simulator.gym_duckietown import open_gym_duckietown
from rilaas.evaluate.driving.simulator.registry import SIMULATORS, simulator_named

SCENARIO = Scenario("check", "oval", 3, start=(0.9, 0.164, 0.1))


@pytest.mark.parametrize(
    "scenario",
    [
        SCENARIO,
        replace(SCENARIO, appearance="varied", camera_noise=4.0, wheel_gain_spread=0.05, command_delay_s=0.0),
        replace(SCENARIO, dt_s=0.0625, command_delay_s=0.3),
        replace(SCENARIO, dt_s=0.001),
        Scenario(
            "town",
            "town",
            4,
            start=(2.18, 2.47, 0.0),
            traffic=Traffic(vehicles=3),
            duckies=Duckies(standing=1, crossing=1),
            lights=Lights(crossings=1),
            obstacles=(Obstacle("cone"),),
        ),
    ],
    ids=["plain", "varied", "16 Hz", "1 kHz", "with traffic"],
)
def test_the_tile_world_is_a_simulator(scenario):
    check_simulator(lambda given: nullcontext(World(given)), scenario)


class Faulty(World):
    """A world that breaks one sentence."""

    fault = ""
    made = 0

    def __init__(self, scenario):
        super().__init__(scenario)
        Faulty.made += 1
        self.number = Faulty.made

    def reset(self):
        start = super().reset()
        return replace(start, tick=1) if self.fault == "starts late" else start

    def advance(self, wheels, ticks):
        if self.fault == "mirrored":
            wheels = wheels[::-1]
        if self.fault == "takes anything" and not all(map(math.isfinite, wheels)):
            return self.snapshot
        now = super().advance(wheels, ticks)
        if self.fault == "in degrees":
            return replace(now, rate_rad_per_s=math.degrees(now.rate_rad_per_s))
        if self.fault == "not sliced" and ticks > 1:
            x, y, heading = now.pose
            return replace(now, pose=(x + 1e-12, y, heading))
        return now

    def frame(self, number):
        frame = super().frame(number)
        if self.fault == "grey":
            return frame[..., 0]
        if self.fault == "shared":
            self.kept = getattr(self, "kept", {})
            return self.kept.setdefault((self.tick, number), frame)
        if self.fault == "by chance":
            return np.bitwise_xor(frame, np.uint8(self.number % 2))
        if self.fault == "newest only":
            return super().frame(self.tick // self.ticks_per_frame)
        return frame


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("starts late", "reset begins at tick 0"),
        ("mirrored", "a faster right wheel turns counter-clockwise"),
        ("in degrees", "the poses tell"),
        ("not sliced", "one by one are the same as at once"),
        ("takes anything", "raise InvalidInput"),
        ("grey", "RGB"),
        ("shared", "belongs to the caller"),
        ("newest only", "is the same as at its time"),
        ("by chance", "in a new simulator of the same scenario"),
    ],
)
def test_the_checker_names_the_sentence_that_is_broken(fault, sentence):
    made = type(fault, (Faulty,), {"fault": fault})
    with pytest.raises(AssertionError, match=sentence):
        check_simulator(lambda given: nullcontext(made(given)), SCENARIO)


def test_simulators_go_by_name():
    with simulator_named("tile-world")(SCENARIO) as simulator:
        assert isinstance(simulator, World)
    assert simulator_named("gym-duckietown") is open_gym_duckietown
    assert simulator_named("carla").keywords == {"address": ("127.0.0.1", 2000)}
    assert simulator_named("carla:robot.example:2002").keywords == {"address": ("robot.example", 2002)}


def test_simulators_are_pickled_for_workers():
    for name in SIMULATORS:
        assert pickle.loads(pickle.dumps(simulator_named(name)))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("gym-ducktown", NotFound, "Did you mean 'gym-duckietown'"),
        ("tile-world:1", InvalidInput, "has no address"),
        ("carla:somewhere", InvalidInput, "is not the address of a server"),
        ("carla:host:99999", InvalidInput, "is not the address of a server"),
    ],
)
def test_what_is_no_simulator_is_refused_with_what_would_have_been_right(text, error, words):
    with pytest.raises(error, match=words):
        simulator_named(text)


def test_the_page_on_simulators_tells_how_to_check_one():
    page = Path(__file__).parents[3] / "docs" / "simulators.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile(code, page.name, "exec"), {})
