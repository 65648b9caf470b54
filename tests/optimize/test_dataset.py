"""Data sets as samples of a model: what becomes a target, and what is refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rilaas.core import InvalidInput, SignatureMismatch
from rilaas.evaluate.offline import open_datasets
from rilaas.optimize.dataset import read_samples, samples_of
from rilaas.optimize.samples import split
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder

TOML = """
name = "tiny"
task = "test"
backend = "onnxruntime"
weights = "weights.onnx"
{hooks}
[inputs.state]
datatype = "FP32"
shape = [{batch}, 4]
[outputs.{output}]
datatype = "FP32"
shape = [{batch}, 2]
"""
POSTPROCESS = """
def postprocess(outputs):
    return {"wheels": outputs["command"] * 2}
"""
RNG = np.random.default_rng(0)
STATE = RNG.normal(size=(40, 4)).astype(np.float32)
COMMAND = RNG.normal(size=(40, 2)).astype(np.float32)
RECORDING = np.repeat(np.arange(8), 5)


def folder_with(path, *, output="command", hooks="", batch=-1):
    """A model that multiplies its state by a matrix."""
    path.mkdir(exist_ok=True)
    free = "batch" if batch == -1 else batch
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["state", "weight"], ["command"])],
        "tiny",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, [free, 4])],
        [helper.make_tensor_value_info("command", TensorProto.FLOAT, [free, 2])],
        [onnx.numpy_helper.from_array(np.ones((4, 2), np.float32), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path / "weights.onnx")
    line = 'hooks = "hooks.py"' if hooks else ""
    (path / "model.toml").write_text(TOML.format(hooks=line, output=output, batch=batch))
    if hooks:
        (path / "hooks.py").write_text(hooks)
    return read_subject(read_model_folder(path))


@pytest.fixture
def subject(tmp_path):
    return folder_with(tmp_path / "tiny")


@pytest.fixture
def hooked(tmp_path):
    return folder_with(tmp_path / "hooked", output="wheels", hooks=POSTPROCESS)


def read(path, subject, **arrays):
    np.savez(path / "data.npz", **{name.replace("__", "/"): array for name, array in arrays.items()})
    with open_datasets(path / "data.npz") as datasets:
        return read_samples(datasets, subject)


def test_inputs_targets_and_recordings_come_from_one_file(subject, tmp_path):
    samples = read(tmp_path, subject, inputs__state=STATE, expected__command=COMMAND, inputs__recording=RECORDING)
    assert samples.raw["state"].tolist() == STATE.tolist()
    assert samples.targets["command"].tolist() == COMMAND.tolist()
    assert samples.groups.tolist() == RECORDING.tolist()
    assert len(split(samples).test.groups) >= 5


def test_numbers_are_converted_to_what_the_model_takes_and_gives(subject, tmp_path):
    samples = read(tmp_path, subject, state=STATE.astype(np.float64), expected__command=COMMAND.astype(np.float64))
    assert samples.raw["state"].dtype == samples.targets["command"].dtype == np.float32


def test_without_recordings_neighbours_stand_for_them(subject, tmp_path):
    samples = read(tmp_path, subject, state=STATE)
    assert samples.groups is None
    assert samples.targets is None
    assert len(split(samples).training)


def test_four_files_of_a_folder_are_four_recordings_and_fewer_are_none(subject, tmp_path):
    for count, wanted in ((4, [0, 0, 1, 1, 2, 2, 3, 3]), (3, None)):
        place = tmp_path / str(count)
        place.mkdir()
        for k in range(count):
            np.savez(place / f"{k}.npz", state=STATE[2 * k : 2 * k + 2])
        with open_datasets(place) as datasets:
            groups = read_samples(datasets, subject).groups
        assert (groups if groups is None else groups.tolist()) == wanted


def test_recordings_of_two_files_with_one_number_stay_apart(subject, tmp_path):
    place = tmp_path / "files"
    place.mkdir()
    for k in range(2):
        np.savez(place / f"{k}.npz", state=STATE[4 * k : 4 * k + 4], recording=[0, 0, 1, 1])
    with open_datasets(place) as datasets:
        assert len(np.unique(read_samples(datasets, subject).groups)) == 4


def test_what_the_robot_expects_says_nothing_about_a_network_with_postprocessing(hooked, tmp_path):
    assert read(tmp_path, hooked, state=STATE, expected__wheels=COMMAND).targets is None
    both = read(tmp_path, hooked, state=STATE, expected__wheels=COMMAND, expected__command=COMMAND)
    assert list(both.targets) == ["command"]


def test_a_name_that_robot_and_network_share_is_the_robots_where_shapes_do_not_tell(tmp_path):
    same = folder_with(tmp_path / "same", hooks=POSTPROCESS.replace("wheels", "command"))
    assert read(tmp_path, same, state=STATE, expected__command=COMMAND).targets is None


def test_of_a_large_data_set_samples_that_lie_evenly_are_read(subject, tmp_path):
    np.savez(tmp_path / "data.npz", state=STATE)
    with open_datasets(tmp_path / "data.npz") as datasets:
        samples = read_samples(datasets, subject, most=5)
    assert samples.raw["state"].tolist() == STATE[[0, 10, 20, 29, 39]].tolist()


def test_samples_with_a_batch_axis_of_their_own_keep_it(subject, tmp_path):
    samples = read(tmp_path, subject, state=STATE.reshape(20, 2, 4), expected__command=COMMAND.reshape(20, 2, 2))
    assert samples.raw["state"].tolist() == STATE.tolist()
    assert samples.targets["command"].tolist() == COMMAND.tolist()


def test_an_expected_name_that_nothing_has_is_told_with_a_guess(subject, tmp_path):
    with pytest.raises(InvalidInput, match="Nothing that is expected") as caught:
        read(tmp_path, subject, state=STATE, expected__comand=COMMAND)
    assert "command" in caught.value.hint


def test_a_target_of_the_wrong_shape_is_told_with_both(subject, tmp_path):
    with pytest.raises(InvalidInput, match=r"\[40, 3\]; the network gives \[-1, 2\]"):
        read(tmp_path, subject, state=STATE, expected__command=STATE[:, :3])


def test_an_input_of_the_wrong_name_or_shape_is_told(subject, tmp_path):
    with pytest.raises(SignatureMismatch, match="state"):
        read(tmp_path, subject, pose=STATE, speed=STATE)
    with pytest.raises(SignatureMismatch, match="state"):
        read(tmp_path, subject, state=COMMAND)


@pytest.mark.parametrize("name", ["state", "command"])
def test_numbers_that_are_not_finite_are_told_with_their_sample(subject, tmp_path, name):
    arrays = {"state": STATE.copy(), "command": COMMAND.copy()}
    arrays[name][7, 1] = np.nan
    with pytest.raises(InvalidInput, match=f"{name}' is not finite in 1 samples, such as 7"):
        read(tmp_path, subject, state=arrays["state"], expected__command=arrays["command"])


def test_too_few_samples_and_recordings_are_told(subject, tmp_path):
    with pytest.raises(InvalidInput, match="3 samples are too few"):
        read(tmp_path, subject, state=STATE[:3])
    with pytest.raises(InvalidInput, match="come from 2 recordings") as caught:
        read(tmp_path, subject, state=STATE, recording=np.arange(40) % 2)
    assert "4 recordings or more" in caught.value.hint
    with pytest.raises(InvalidInput, match="no samples"):
        read_samples([], subject)


def test_a_recording_that_is_no_whole_number_is_told(subject, tmp_path):
    with pytest.raises(InvalidInput, match="'recording' is float64"):
        read(tmp_path, subject, state=STATE, recording=np.linspace(0.0, 1.0, 40))


def test_a_model_without_a_batch_axis_is_told(tmp_path):
    fixed = folder_with(tmp_path / "fixed", batch=16)
    with pytest.raises(SignatureMismatch, match="does not count samples"):
        samples_of({"state": STATE[:16]}, {}, None, fixed)
