"""Variants beside each other: errors by element, times of alternating rounds, what weights weigh."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rilaas.core import InvalidInput, ModelFailed
from rilaas.infer.target import Target
from rilaas.optimize.deviation import deviations
from rilaas.optimize.measure import Entry, measure
from rilaas.optimize.network import Network
from rilaas.optimize.weigh import integer_products, weigh
from rilaas.store import read_model_folder
from tests.optimize.small_robot import edited, network_of, samples_of, small_robot, tensors

ORT = Target()
INT8 = Target(precision="int8")


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return small_robot(tmp_path_factory.mktemp("small") / "small")


def variant_of(subject, folder, network):
    small_robot(folder)
    (folder / "weights.onnx").write_bytes(network.data)
    return read_model_folder(folder)


def shifted(network, by):
    return edited(network, lambda name, array: array + np.float32(by) if name == "o.b" else array)


@pytest.fixture(scope="module")
def measured(subject, tmp_path_factory):
    """The float model and one whose second output is off by 0.5, on samples whose targets are the float's answers."""
    network = shifted(subject.network, [0.0, 0.5])
    folder = variant_of(subject, tmp_path_factory.mktemp("v") / "v", network)
    test = samples_of(subject, 40, 9, noise=0.0)
    entries = [Entry("off", folder, INT8, ("a note",)), Entry("float", subject.folder, ORT)]
    return measure(entries, test, calls=3, rounds=4)


def test_errors_are_told_by_element_and_against_the_float_model(measured):
    off, base = measured
    assert off.elements == ("command[0]", "command[1]")
    assert off.output_mse["command[0]"] == pytest.approx(0.0, abs=1e-10)
    assert off.output_mse["command[1]"] == pytest.approx(0.25, rel=1e-4)
    assert off.mse == pytest.approx(0.125, rel=1e-4)
    assert off.difference == pytest.approx(np.tile([0.0, 0.5], (40, 1)), abs=1e-5)
    assert base.mse == pytest.approx(0.0, abs=1e-10)
    assert off.has_targets
    assert off.notes == ("a note",)


def test_every_variant_is_called_as_often_in_every_round(measured):
    for each in measured:
        assert each.compute_s.shape == each.total_s.shape == (12,)
        assert (each.compute_s > 0).all()
        assert (each.total_s > 0).all()
        assert each.load_s > 0


def test_a_file_of_floats_is_not_integer_whatever_its_target_says(measured):
    off, base = measured
    assert off.is_really_integer is False
    assert base.is_really_integer is None


def test_what_the_processor_cannot_compute_in_is_told(subject, tmp_path, monkeypatch):
    openvino_session = pytest.importorskip("rilaas.infer.openvino_session")
    if openvino_session.OPENVINO.missing():
        pytest.skip("openvino is not installed")
    small_robot(tmp_path / "v")
    manifest = tmp_path / "v" / "model.toml"
    manifest.write_text(manifest.read_text().replace('"onnxruntime"', '"openvino"\nprecision = "bf16"', 1))
    entries = [
        Entry("float", subject.folder, ORT),
        Entry("v", read_model_folder(tmp_path / "v"), Target.parse("cpu/openvino/bf16")),
    ]
    test = samples_of(subject, 4, 9)
    monkeypatch.setattr(openvino_session, "_CAPABILITIES", {})  # a processor that has it
    assert measure(entries, test, calls=1, rounds=1)[1].notes == ()
    monkeypatch.setattr(openvino_session, "_CAPABILITIES", {"bf16": "NOBODY HAS THIS"})
    words = "Computed in fp32: this processor has no arithmetic for bf16."
    assert measure(entries, test, calls=1, rounds=1)[1].notes == (words,)


def test_without_targets_the_float_models_answers_stand_for_them(subject, tmp_path):
    folder = variant_of(subject, tmp_path / "v", shifted(subject.network, [0.0, 0.5]))
    test = samples_of(subject, 40, 9, targets=False)
    off, base = measure([Entry("off", folder, ORT), Entry("float", subject.folder, ORT)], test, calls=1, rounds=1)
    assert not off.has_targets
    assert base.mse == 0.0
    assert off.mse == pytest.approx(0.125, rel=1e-4)
    assert base.answer_variance > 0.0


def test_the_variance_of_answers_is_that_of_somebody_who_always_gives_the_mean(subject):
    test = samples_of(subject, 70, 9, noise=0.0)
    from rilaas.optimize.opened import open_network

    with open_network(subject.network) as session:
        found = deviations([session], ["float"], 0, test)[0]
    assert found.answer_variance == pytest.approx(test.targets["command"].var(axis=0).mean(), rel=1e-5)


def test_an_output_of_many_elements_tells_the_largest_difference_of_each_sample():
    class Constant:
        def __init__(self, at):
            self.inputs, self.at = {}, at

        def run(self, inputs):
            values = np.zeros((len(inputs["x"]), 10, 10), np.float32)
            values[:, 3, self.at] = -2.0 if self.at else 0.0
            return {"map": values}

    from rilaas.optimize.samples import Samples

    test = Samples({"x": np.arange(5.0, dtype=np.float32)[:, None]})
    base, other = deviations([Constant(0), Constant(4)], ["float", "other"], 0, test)
    assert other.elements == ("map[largest]",)
    assert (other.difference == -2.0).all()
    assert other.output_mse == {"map": pytest.approx(4.0 / 100)}
    assert base.output_mse == {"map": 0.0}


def test_a_variant_with_other_outputs_is_named(subject, tmp_path):
    model = subject.network.to_onnx()
    model.graph.node[-1].output[0] = model.graph.output[0].name = "other"
    hooks = tmp_path / "v" / "hooks.py"
    variant_of(subject, tmp_path / "v", Network.of_onnx(model))
    hooks.write_text(hooks.read_text().replace('outputs["command"]', 'outputs["other"]'))
    folder = read_model_folder(tmp_path / "v")
    with pytest.raises(ModelFailed, match=r"v2 answers other \[1, 2\]; the model that it was made from command"):
        measure([Entry("float", subject.folder, ORT), Entry("v2", folder, ORT)], samples_of(subject, 24, 5))


def test_the_reference_has_to_be_among_the_entries_and_names_are_unique(subject):
    test = samples_of(subject, 4, 5)
    with pytest.raises(InvalidInput, match="Nothing called 'float' is measured"):
        measure([Entry("int8", subject.folder, ORT)], test)
    with pytest.raises(InvalidInput, match="Two variants have one name"):
        measure([Entry("float", subject.folder, ORT)] * 2, test)


def test_targets_that_the_model_does_not_give_are_told(subject):
    samples = samples_of(subject, 4, 5)
    from dataclasses import replace

    wrong = replace(samples, targets={"comand": samples.targets["command"]})
    with pytest.raises(InvalidInput, match="targets for 'comand'.*Did you mean 'command'"):
        measure([Entry("float", subject.folder, ORT)], wrong)


def test_parameters_and_multiplications_are_those_of_the_layers():
    weight = weigh(network_of(tensors()))
    assert weight.parameters == 8 * 27 + 8 + 16 * 72 + 16 + 2 * 16 + 2
    assert weight.macs == 8 * 9 * 27 + 72 * 16 + 16 * 2
    assert weight.sparsity == 0.0
    assert weight.unique_weights == 16 * 72
    assert weight.gzip_bytes < weight.size_bytes


def test_zeros_and_distinct_values_are_counted_in_weights_and_not_in_biases():
    def change(name, array):
        return np.sign(array) * (np.abs(array) > 0.3) if name.endswith(".w") else np.zeros_like(array)

    network = edited(network_of(tensors()), change)
    weight = weigh(network)
    stored = np.concatenate([array.ravel() for name, array in tensors().items() if name.endswith(".w")])
    assert weight.sparsity == pytest.approx((np.abs(stored) <= 0.3).mean())
    assert weight.unique_weights == 3


def quantized():
    """x -> u8 -> dequantized; weights s8 with zero point 0, dequantized; MatMul."""
    weights = np.array([[1, 0, -3], [0, 5, 0]], np.int8)
    constants = {"s": np.float32(0.1), "zu": np.uint8(128), "w": weights, "zs": np.int8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "zu"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "zu"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "s", "zs"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "q",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return Network.of_onnx(model)


def test_a_quantized_graph_is_weighed_by_the_integers_that_it_stores():
    weight = weigh(quantized())
    assert (weight.parameters, weight.macs, weight.unique_weights) == (6, 6, 4)
    assert weight.sparsity == pytest.approx(0.5)
    assert integer_products(quantized()) == (1, 1)
    assert integer_products(network_of(tensors())) == (3, 0)
