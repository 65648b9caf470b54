"""The document's PilotNet in the tile world, through the same doors as everybody else's."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from rilaas.core import check_policy
from rilaas.evaluate.driving import Scenario, load_map, rollout, score_trajectory
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.world.world import World
from rilaas.infer import load
from rilaas.infer.torch_export import onnx_of_module
from rilaas.learn import Dagger, PilotNetBev, train
from rilaas.learn.controls import THROTTLE_STEER_BRAKE, wheels_of
from rilaas.learn.demonstration import Recording
from rilaas.learn.pilotnet_bev import INPUT_SHAPE

FOLDER = Path(__file__).resolve().parents[2] / "models" / "pilotnet-bev"
S = 0.585
COMMANDS = np.array([[0.5, 0.1], [0.34 / 0.6, 0.0], [0.3, -0.45], [0.25, 0.5]], np.float32)


@pytest.fixture(scope="module")
def policy():
    return load(FOLDER)


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks_of_pilotnet_bev", FOLDER / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_has_exactly_the_documents_layers():
    network = PilotNetBev()
    assert sum(weight.numel() for weight in network.parameters()) == 1_595_539
    assert network.control[0].weight.numel() + network.control[0].bias.numel() == 1_342_092
    assert network.normalize.eps == 1e-3
    with torch.no_grad():
        assert network.features(torch.zeros(1, 3, 200, 66)).shape == (1, 18 * 1 * 64)


def test_its_file_holds_these_layers_with_the_batch_normalisation_as_a_node():
    model = onnx.load(FOLDER / "weights.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds[0] == "BatchNormalization"
    assert kinds.count("Conv") == kinds.count("Gemm") == 5
    (eps,) = (each.f for each in model.graph.node[0].attribute if each.name == "epsilon")
    assert eps == pytest.approx(1e-3)
    numbers = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer if tensor.data_type == 1)
    assert numbers == 1_595_539 + 6  # the running mean and variance
    assert [each.type.tensor_type.shape.dim[k].dim_value for each in model.graph.input for k in (1, 2, 3)] == [
        3,
        200,
        66,
    ]
    assert (FOLDER / "weights.onnx").stat().st_size < 6.5e6


def test_the_view_shows_each_place_where_it_is_on_the_ground(hooks):
    """Dots on the ground, drawn by the camera's own projection, appear at their place in the view."""
    (rows, columns), (first, last), (left, right) = hooks.SIZE, hooks.AHEAD_M, hooks.LEFT_M
    for ahead_m, left_m in ((0.3, 0.0), (0.4, 0.15), (0.5, -0.2), (0.25, 0.1)):
        u, v = np.rint(Camera().project(np.array([[ahead_m, left_m]]))[0]).astype(int)
        image = np.zeros((1, 120, 160, 3), np.uint8)
        image[0, v - 1 : v + 2, u - 1 : u + 2] = 255
        bright = hooks.preprocess({"image": image})["input"][0].mean(axis=0) + 1.0
        row, column = (np.indices(bright.shape) * bright).sum(axis=(1, 2)) / bright.sum()
        assert last - (row + 0.5) / rows * (last - first) == pytest.approx(ahead_m, abs=0.02)
        assert left + (column + 0.5) / columns * (right - left) == pytest.approx(left_m, abs=0.01)


def test_a_straight_lane_is_straight_in_the_view(hooks):
    world = World(Scenario("test", "oval", 1, start=(1.2 * S, 0.28 * S, 0.0)))
    view = hooks.preprocess({"image": world.look()[None]})["input"][0]
    white = (view.min(axis=0) > 0.4)[100:180]  # 0.22 to 0.62 m ahead
    columns = np.array([np.flatnonzero(row).mean() for row in white if row.any()])
    assert len(columns) > 60
    assert abs(np.median(columns[:20]) - np.median(columns[-20:])) <= 0.5  # of 1 cm


def test_what_the_camera_does_not_see_is_black_and_white_is_one(hooks):
    image = np.full((2, 120, 160, 3), 255, np.uint8)
    view = hooks.preprocess({"image": image})["input"]
    assert (view.shape, view.dtype) == ((2, 3, 200, 66), np.float32)
    assert set(np.unique(view[:, :, :100])) == {np.float32(1.0)}
    assert (view[:, :, -1, 0] == -1.0).all()


def test_the_hooks_decode_what_the_expert_encodes(hooks):
    wheels = hooks.postprocess({"controls": THROTTLE_STEER_BRAKE.encode(COMMANDS)})["wheels"]
    assert wheels == pytest.approx(wheels_of(COMMANDS), abs=1e-6)
    beyond = hooks.postprocess({"controls": np.array([[2.0, -1.0, -3.0]], np.float32)})["wheels"]
    assert beyond.tolist() == [[0.5, 1.0]]


def test_its_hooks_need_numpy_alone():
    code = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import hooks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"cv2", "torch", "onnxruntime", "rilaas"} & set(loaded)


@pytest.mark.parametrize("map_name", ["zigzag", "held_out_heart"])
def test_it_drives_in_its_lane(policy, map_name):
    scenario = Scenario("test", map_name, 4_000_000_007, duration_s=40.0, appearance="varied")
    result = rollout(policy, scenario)
    scores = score_trajectory(load_map(map_name), result.t_s, result.poses)
    assert result.status == "completed"
    assert scores["lane_time_share"] >= 0.95
    assert scores["driven_lane_m"] > 8.0


def test_it_is_a_policy(policy):
    check_policy(policy)


def test_a_batch_gives_what_its_frames_give_alone(policy):
    world = World(Scenario("test", "oval", 6, appearance="varied"))
    frames = np.stack([world.step((0.5, 0.4)) for _ in range(3)])
    together = policy.predict({"image": frames})["wheels"]
    alone = np.concatenate([policy.predict({"image": frame[None]})["wheels"] for frame in frames])
    assert together == pytest.approx(alone, abs=1e-5)


def test_dagger_trains_it_as_it_trains_the_other_one(hooks):
    dagger = Dagger(
        maps=("oval",),
        iterations=2,
        episodes=1,
        recording=Recording(duration_s=1.5),
        steps=12,
        final_steps=12,
        batch_size=8,
        weights=(1.0, 4.0, 0.1),
    )
    told = []
    outcome = train(dagger, hooks.preprocess, told.append, network=PilotNetBev, controls=THROTTLE_STEER_BRAKE)
    losses = [progress.loss for progress in told if not np.isnan(progress.loss)]
    assert outcome.steps == 36
    assert losses[-1] < losses[0]
    model = onnx_of_module(outcome.network, {"input": torch.zeros(2, *INPUT_SHAPE)}, ("controls",))
    assert model.graph.node[0].op_type == "BatchNormalization"


def test_its_card_tells_the_measured_results():
    card = (FOLDER / "README.md").read_text()
    assert "Trained with `python models/pilotnet-bev/train.py --seed" in card
    assert "held_out_heart (not trained on)" in card
