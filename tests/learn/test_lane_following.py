"""The shipped model, through the same doors as everybody else's."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rilaas.core import check_policy
from rilaas.evaluate.driving import Latency, Scenario, load_map, rollout, score_trajectory
from rilaas.evaluate.driving.world.world import World
from rilaas.infer import load
from rilaas.learn import ExpertPolicy

FOLDER = Path(__file__).resolve().parents[2] / "models" / "lane-following"


@pytest.fixture(scope="module")
def policy():
    return load(FOLDER)


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks_of_the_shipped_model", FOLDER / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drive(policy, scenario, latency=None):
    result = rollout(policy, scenario, latency)
    return result, score_trajectory(load_map(scenario.map), result.t_s, result.poses)


@pytest.mark.parametrize("map_name", ["zigzag", "held_out_heart"])
def test_it_drives_a_minute_nearly_as_far_as_the_expert(policy, map_name):
    scenario = Scenario("test", map_name, 4_000_000_007, duration_s=60.0, appearance="varied")
    result, scores = drive(policy, scenario)
    world = World(scenario)
    expert = rollout(ExpertPolicy(world), scenario, simulator=world)
    best = score_trajectory(world.tile_map, expert.t_s, expert.poses)
    assert result.status == "completed"
    assert scores["lane_time_share"] >= 0.95
    assert scores["driven_lane_m"] >= 0.8 * best["driven_lane_m"]


def test_it_drives_in_the_fixed_look_too(policy):
    result, scores = drive(policy, Scenario("test", "s_bends", 3, duration_s=30.0))
    assert result.status == "completed"
    assert scores["lane_time_share"] >= 0.95


def test_it_drives_worse_half_a_second_late(policy):
    scenario = Scenario("test", "zigzag", 5, duration_s=30.0)
    _, now = drive(policy, scenario)
    _, late = drive(policy, scenario, Latency.fixed(0.5))
    assert late["driven_lane_m"] < 0.7 * now["driven_lane_m"]


def test_its_episodes_are_the_same_bytes_twice(policy):
    scenario = Scenario("test", "oval", 6, duration_s=3.0, appearance="varied")
    one, other = (drive(policy, scenario, Latency.drawn([0.01, 0.06]))[0] for _ in range(2))
    assert one.poses.tobytes() == other.poses.tobytes()
    assert one.commands.tobytes() == other.commands.tobytes()


def test_it_is_a_policy(policy):
    check_policy(policy)


def test_a_batch_gives_what_its_frames_give_alone(policy):
    world = World(Scenario("test", "oval", 6, appearance="varied"))
    frames = np.stack([world.step((0.5, 0.4)) for _ in range(3)])
    together = policy.predict({"image": frames})["wheels"]
    alone = np.concatenate([policy.predict({"image": frame[None]})["wheels"] for frame in frames])
    assert together == pytest.approx(alone, abs=1e-5)


def test_the_preprocessing_is_opencvs_bilinear_resize_of_what_is_below_the_horizon(hooks):
    image = np.random.default_rng(0).integers(0, 256, (1, 120, 160, 3), np.uint8)
    got = hooks.preprocess({"image": image})["input"]
    resized = cv2.resize(image[0, 36:].astype(np.float32), (200, 66), interpolation=cv2.INTER_LINEAR)
    assert (got.shape, got.dtype) == ((1, 3, 66, 200), np.float32)
    assert got[0] == pytest.approx(resized.transpose(2, 0, 1) / 127.5 - 1.0, abs=1e-5)


def test_throttle_and_steering_become_wheels_within_their_limits(hooks):
    command = np.array([[0.5, 0.1], [0.9, 0.4]], np.float32)
    wheels = hooks.postprocess({"command": command})["wheels"]
    assert wheels == pytest.approx(np.array([[0.4, 0.6], [0.5, 1.0]]))


def test_its_hooks_need_numpy_alone():
    code = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import hooks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"cv2", "torch", "onnxruntime", "rilaas"} & set(loaded)


def test_its_card_tells_the_measured_results():
    card = (FOLDER / "README.md").read_text()
    assert "Trained with `python models/lane-following/train.py --seed" in card
    assert "held_out_heart (not trained on)" in card
