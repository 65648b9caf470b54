"""Weights as bytes: nobody can change another one's, and what is no graph is told."""

import numpy as np
import pytest
from onnx import numpy_helper

from rilaas.core import InvalidModelFolder
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.samples import Samples
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder
from tests.model_folders import write_python_model
from tests.optimize.small_robot import network_of, samples_of, small_robot, tensors


def test_a_recipe_cannot_see_what_another_did_to_the_weights():
    network = network_of(tensors())
    model = network.to_onnx()
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(np.zeros(tensor.dims, np.float32), tensor.name))
    fresh = {each.name: numpy_helper.to_array(each) for each in network.to_onnx().graph.initializer}
    assert np.array_equal(fresh["c.w"], tensors()["c.w"])


def test_the_same_graph_gives_the_same_bytes():
    one, two = network_of(tensors()), network_of(tensors())
    assert one.digest == two.digest
    assert Network.of_onnx(one.to_onnx()).digest == one.digest
    assert network_of(tensors(1)).digest != one.digest
    assert Network(one.data, "tflite").digest != one.digest


def test_a_finished_form_is_no_graph_any_more():
    with pytest.raises(InvalidModelFolder, match="tflite already"):
        Network(b"", "tflite").to_onnx()
    with pytest.raises(ValueError, match="format"):
        Network(b"", "torchscript")


def test_batches_give_the_same_answers_as_single_samples(tmp_path):
    subject = small_robot(tmp_path / "small")
    samples = samples_of(subject, 10, 1, targets=False)
    with open_network(subject.network) as session:
        whole, single = (outputs_of(session, samples, batch=size)["command"] for size in (4, 1))
    assert whole.shape == (10, 2)
    assert whole == pytest.approx(single, abs=1e-5)


def test_weights_for_one_sample_are_asked_one_by_one(tmp_path):
    model = network_of(tensors()).to_onnx()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    samples = Samples({"input": np.zeros((3, 3, 8, 8), np.float32)})
    with open_network(Network.of_onnx(model), Target(precision="int8")) as session:
        assert outputs_of(session, samples)["command"].shape == (3, 2)


def test_a_model_without_weights_cannot_be_optimized(tmp_path):
    folder = read_model_folder(write_python_model(tmp_path / "loop"))
    with pytest.raises(InvalidModelFolder, match="no weights that a runtime runs"):
        read_subject(folder)
