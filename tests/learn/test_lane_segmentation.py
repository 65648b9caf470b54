"""The shipped segmenter, through the same doors as everybody else's."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rilaas.core import check_policy
from rilaas.evaluate.offline import open_datasets
from rilaas.infer import load
from rilaas.learn.lane_label import draw_labelled
from rilaas.learn.segmentation import intersection_over_union
from rilaas.optimize.dataset import read_samples
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder

FOLDER = Path(__file__).resolve().parents[2] / "models" / "lane-segmentation"
SEEDS = (4_000_000_000, 4_100_000_000)


@pytest.fixture(scope="module")
def policy():
    return load(FOLDER)


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks_of_lane_segmentation", FOLDER / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frames():
    return draw_labelled(("held_out_heart",), 8, 5, SEEDS, seed=1)


def test_it_labels_looks_and_a_map_that_it_never_saw(policy, frames):
    other, road, white, yellow = intersection_over_union(policy, frames)
    assert min(other, road) > 0.9
    assert min(white, yellow) > 0.7


def test_it_is_a_policy_and_small(policy):
    check_policy(policy)
    assert (FOLDER / "weights.onnx").stat().st_size < 1_000_000


def test_recorded_frames_are_samples_whose_targets_the_network_nearly_answers(frames, tmp_path):
    frames.write(tmp_path / "labelled.npz")
    subject = read_subject(read_model_folder(FOLDER))
    with open_datasets(tmp_path / "labelled.npz") as datasets:
        samples = read_samples(datasets, subject)
    assert list(samples.targets) == ["share"]
    assert len(np.unique(samples.groups)) == 8
    with open_network(subject.network) as session:
        share = outputs_of(session, samples)["share"]
    assert np.mean((share - samples.targets["share"]) ** 2) < 0.03


def test_its_pixels_are_scaled_and_its_cells_interpolated_as_opencv_does_it(hooks):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (2, 120, 160, 3), np.uint8)
    seen = hooks.preprocess({"image": image})["input"]
    assert (seen.shape, seen.dtype) == ((2, 3, 120, 160), np.float32)
    assert seen == pytest.approx(image.transpose(0, 3, 1, 2) / 127.5 - 1.0, abs=1e-6)
    share = rng.random((1, 4, 60, 80), np.float32)
    labels = hooks.postprocess({"share": share})["labels"]
    large = cv2.resize(share[0].transpose(1, 2, 0), (160, 120), interpolation=cv2.INTER_LINEAR)
    assert (labels.shape, labels.dtype) == ((1, 120, 160), np.uint8)
    assert np.mean(labels[0] == large.argmax(axis=2)) > 0.999


def test_its_hooks_need_numpy_alone():
    code = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import hooks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"cv2", "torch", "onnxruntime", "rilaas"} & set(loaded)


def test_its_script_records_a_data_set(tmp_path):
    command = [sys.executable, str(FOLDER / "train.py"), "--record", str(tmp_path / "data.npz"), "--looks", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "48 frames of 4 looks" in done.stderr
    with np.load(tmp_path / "data.npz") as data:
        assert data["inputs/image"].shape == (48, 120, 160, 3)
        assert len(np.unique(data["inputs/recording"])) == 4


def test_its_card_tells_the_measured_results():
    card = (FOLDER / "README.md").read_text()
    assert "Trained with `python models/lane-segmentation/train.py --seed" in card
    assert "held_out_heart (not trained on)" in card
