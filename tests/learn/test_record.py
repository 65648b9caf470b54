"""Recordings of a driving model, and the way from their file back to what a network is optimized with."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.evaluate.driving import read_suite, suite_names
from rilaas.evaluate.offline import evaluate_dataset, open_datasets
from rilaas.infer import load
from rilaas.learn import record_demonstrations
from rilaas.learn.controls import THROTTLE_STEER_BRAKE, THROTTLE_STEERING, wheels_of
from rilaas.learn.demonstration import RECORDING_SEEDS, TRAINING_SEEDS, Recording
from rilaas.learn.record import answers_as
from rilaas.optimize.dataset import read_samples
from rilaas.optimize.samples import split
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder

FOLDER = Path(__file__).resolve().parents[2] / "models" / "lane-following"
SHORT = Recording(expert_share=0.5, duration_s=3.0)
COMMANDS = np.array([[0.5, 0.1], [0.34 / 0.6, 0.0], [0.3, -0.5], [0.25, 0.5]], np.float32)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def recorded(told):
    return record_demonstrations(FOLDER, frames=300, recording=SHORT, on_progress=lambda *each: told.append(each))


@pytest.fixture(scope="module")
def file(recorded, tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "demonstrations.npz"
    recorded.write(path)
    return path


def test_frames_come_with_the_experts_command_and_the_number_of_their_recording(recorded, told):
    assert (recorded.image.shape, recorded.image.dtype) == ((300, 120, 160, 3), np.uint8)
    assert (recorded.command.shape, recorded.command.dtype) == ((300, 2), np.float32)
    assert len(np.unique(recorded.recording)) >= 10
    assert (np.diff(recorded.recording) >= 0).all()
    assert told[0] == (1, 300)
    assert told[-1] == (300, 300)


def test_a_network_that_says_throttle_and_steering_gets_them_as_targets(recorded):
    assert recorded.expected["command"].tolist() == recorded.command.tolist()
    assert recorded.expected["wheels"] == pytest.approx(wheels_of(recorded.command))


def test_one_seed_records_the_same_bytes_twice_and_another_seed_others(recorded, file, tmp_path):
    record_demonstrations(FOLDER, frames=300, recording=SHORT).write(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == file.read_bytes()
    other = record_demonstrations(FOLDER, frames=300, recording=SHORT, seed=1)
    assert other.image.tobytes() != recorded.image.tobytes()


def test_the_models_own_driving_shows_in_the_frames(recorded):
    alone = record_demonstrations(FOLDER, frames=300, recording=replace(SHORT, expert_share=1.0))
    assert alone.image.tobytes() != recorded.image.tobytes()


def test_seeds_of_recordings_are_in_no_training_and_in_no_suite():
    suites = [read_suite(name) for name in suite_names()]
    seeds = [scenario.seed for suite in suites for scenario in suite.scenarios]
    assert TRAINING_SEEDS[1] <= RECORDING_SEEDS[0]
    assert len(seeds) > 50
    assert not [seed for seed in seeds if RECORDING_SEEDS[0] <= seed < RECORDING_SEEDS[1]]


def test_the_file_is_a_data_set_that_a_model_is_evaluated_on(file):
    with open_datasets(file) as datasets:
        report = evaluate_dataset(load(FOLDER), datasets, samples=50)
    assert report.metrics["mse"].n == 50
    assert report.metrics["mse"].mean < 0.01


def test_the_file_becomes_samples_with_targets_and_recordings(file, recorded):
    with open_datasets(file) as datasets:
        samples = read_samples(datasets, read_subject(read_model_folder(FOLDER)))
    assert samples.raw["image"].tobytes() == recorded.image.tobytes()
    assert samples.targets["command"].tobytes() == recorded.command.tobytes()
    assert set(samples.targets) == {"command"}
    assert samples.inputs(slice(0, 3))["input"].shape == (3, 3, 66, 200)
    data = split(samples)
    assert not set(data.training.groups.tolist()) & set(data.test.groups.tolist())


def test_a_network_whose_numbers_nobody_knows_gets_no_targets(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "lane-following")
    hooks = folder / "hooks.py"
    hooks.write_text(hooks.read_text().replace("throttle - steering, throttle + steering", "throttle, steering"))
    assert answers_as(read_model_folder(folder))(COMMANDS) == {}


@pytest.mark.parametrize("controls", [THROTTLE_STEERING, THROTTLE_STEER_BRAKE], ids=["two", "three"])
def test_what_a_network_says_can_be_said_back(controls):
    answers = controls.encode(COMMANDS)
    assert (answers.shape, answers.dtype) == ((4, len(controls.names)), np.float32)
    assert controls.decode(answers) == pytest.approx(COMMANDS, abs=1e-6)


def test_the_brake_is_used_after_the_throttle_is_lifted():
    throttle, _, brake = THROTTLE_STEER_BRAKE.encode(
        np.array([[0.34 / 0.6, 0.0], [0.5, 0.0], [0.3, 0.0]], np.float32)
    ).T
    assert brake[:2].tolist() == [0.0, 0.0]
    assert brake[2] > 0.1
    assert throttle[0] > throttle[1] > throttle[2]


def test_a_model_that_does_not_drive_is_refused_with_what_one_would_take(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "lane-following")
    text = (folder / "model.toml").read_text().replace("[-1, 120, 160, 3]", "[-1, 240, 320, 3]")
    (folder / "model.toml").write_text(text)
    with pytest.raises(InvalidInput, match=r"no driving model.*UINT8 \[-1, 120, 160, 3\]") as caught:
        record_demonstrations(folder)
    assert "--dataset" in caught.value.hint


def test_too_few_frames_and_maps_that_are_not_there_are_told():
    with pytest.raises(InvalidInput, match="10 frames") as caught:
        record_demonstrations(FOLDER, frames=10)
    assert "300 or more" in caught.value.hint
    with pytest.raises(InvalidInput, match="on 0 maps"):
        record_demonstrations(FOLDER, maps=())
    with pytest.raises(NotFound, match="ovall"):
        record_demonstrations(FOLDER, frames=300, maps=("ovall",))
