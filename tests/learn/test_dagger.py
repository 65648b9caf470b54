import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from rilaas.evaluate.driving import Scenario
from rilaas.learn import Dagger, Demonstrations, PilotNet, collect, export_onnx, train
from rilaas.learn.demonstration import Recording, varied_scenario

HOOKS = Path(__file__).resolve().parents[2] / "models" / "lane-following" / "hooks.py"
TINY = Dagger(
    maps=("oval",),
    iterations=2,
    episodes=2,
    recording=Recording(duration_s=1.5),
    steps=30,
    final_steps=30,
    batch_size=16,
)


@pytest.fixture(scope="module")
def preprocess():
    spec = importlib.util.spec_from_file_location("hooks_of_lane_following", HOOKS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.preprocess


@pytest.fixture(scope="module")
def trained(preprocess):
    told = []
    return train(TINY, preprocess, told.append), told


def test_a_tiny_training_learns_something_and_says_how_far_it_is(trained):
    outcome, told = trained
    assert outcome.steps == 90
    assert not outcome.interrupted
    assert 30 < outcome.demonstrations <= 60
    losses = [progress.loss for progress in told if not np.isnan(progress.loss)]
    assert losses[-1] < 0.5 * losses[0]
    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert told[-1].left_s == pytest.approx(0.0, abs=0.1)
    assert told[0].stage == "drive 1"


def test_one_seed_trains_the_same_weights_twice_and_another_seed_others(trained, preprocess):
    again, other = train(TINY, preprocess), train(replace(TINY, seed=2), preprocess)
    for name, weight in trained[0].network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name])
    assert not torch.equal(trained[0].network.control[0].weight, other.network.control[0].weight)


def test_ctrl_c_ends_the_training_with_the_student_so_far(preprocess):
    def stop(progress):
        if progress.stage == "learn 2":
            raise KeyboardInterrupt

    outcome = train(TINY, preprocess, stop)
    assert outcome.interrupted
    assert 30 < outcome.steps < 90
    assert torch.isfinite(outcome.network(torch.zeros(1, 3, 66, 200))).all()


def test_the_onnx_file_computes_what_the_network_computes_at_any_batch_size(trained, tmp_path):
    network, path = trained[0].network, tmp_path / "weights.onnx"
    export_onnx(network, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for size in (1, 5):
        inputs = rng.uniform(-1.0, 1.0, (size, 3, 66, 200)).astype(np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(inputs)).numpy()
        (command,) = session.run(["command"], {"input": inputs})
        assert command == pytest.approx(expected, abs=1e-5)


def test_the_onnx_file_is_one_small_file_that_does_not_say_where_it_was_made(trained, tmp_path):
    path = tmp_path / "weights.onnx"
    export_onnx(trained[0].network, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.onnx"]
    assert path.stat().st_size < 1_100_000
    assert b"site-packages" not in path.read_bytes()
    assert str(Path.cwd()).encode() not in path.read_bytes()
    (opset,) = onnx.load(path).opset_import
    assert opset.version == 18


def test_pilotnet_has_as_many_parameters_as_its_docstring_says():
    count = sum(weight.numel() for weight in PilotNet().parameters())
    assert f"{count:,} parameters" in PilotNet.__doc__


def test_demonstrations_are_what_the_network_sees_and_what_the_expert_does(preprocess):
    rng = np.random.default_rng(0)
    scenario = Scenario("test", "oval", 1, start=(1.2 * 0.585, 0.28 * 0.585, 0.0))
    recorded = collect(scenario, Recording(duration_s=1.0, bump_rate_hz=0.0), preprocess, None, rng)
    assert recorded.inputs.shape == (10, 3, 66, 200)
    assert recorded.commands[0] == pytest.approx((0.34 / 0.6, 0.0), abs=1e-6)


def test_the_expert_labels_what_the_student_does_wrong(preprocess):
    rng = np.random.default_rng(0)
    scenario = Scenario("test", "oval", 1, start=(1.2 * 0.585, 0.28 * 0.585, 0.0))
    recording = Recording(duration_s=1.0, bump_rate_hz=0.0, expert_share=0.0)
    recorded = collect(scenario, recording, preprocess, lambda seen: (0.5, 0.2), rng)
    assert recorded.commands[-1][1] < -0.1  # the student turns to the left, the expert would turn back


def test_an_episode_ends_where_it_teaches_nothing_any_more(preprocess):
    rng = np.random.default_rng(0)
    scenario = Scenario("test", "oval", 1, start=(1.2 * 0.585, 0.28 * 0.585, 0.0))
    recording = Recording(duration_s=30.0, bump_rate_hz=0.0, expert_share=0.0)
    recorded = collect(scenario, recording, preprocess, lambda seen: (0.8, 0.1), rng)
    assert 0 < len(recorded) < 150


def test_demonstrations_join_in_order_and_none_is_neutral():
    one = Demonstrations(np.ones((2, 3, 66, 200), np.uint8), np.ones((2, 2), np.float32))
    two = Demonstrations(np.zeros((1, 3, 66, 200), np.uint8), np.zeros((1, 2), np.float32))
    joined = Demonstrations.join([Demonstrations.none(), one, two])
    assert len(joined) == 3
    assert joined.commands[:, 0].tolist() == [1.0, 1.0, 0.0]


def test_worlds_to_learn_in_differ_in_look_robot_and_delay():
    rng = np.random.default_rng(0)
    one, other = varied_scenario("oval", 8.0, rng), varied_scenario("oval", 8.0, rng)
    assert one.appearance == other.appearance == "varied"
    assert one.seed != other.seed
    assert one.command_delay_s != other.command_delay_s


def test_the_room_names_what_it_offers():
    import rilaas.learn

    assert all(getattr(rilaas.learn, name) is not None for name in rilaas.learn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Daggger'"):
        _ = rilaas.learn.Daggger
