"""Integers throughout; and the defects of the RA-L study's scripts, which have to be caught."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rilaas.core import InvalidInput
from rilaas.infer.backends import backend_named
from rilaas.infer.session import Kernels
from rilaas.infer.target import Target
from rilaas.optimize.gate import Gate, check
from rilaas.optimize.measured import Measured, Weight
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.graph import Graph
from rilaas.optimize.passes.static import QuantizeIntegerOnly, QuantizeStatic, float_operators
from rilaas.optimize.samples import Samples
from tests.infer.onnx_graph import graph_of, random
from tests.optimize.small_networks import answers, context, error, images, pilot, samples


@pytest.fixture(scope="module")
def integers():
    return QuantizeIntegerOnly().apply(pilot(), context())


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_between_input_and_output_there_are_integers_only(integers, runtime):
    if reason := backend_named(runtime).missing():
        pytest.skip(reason)
    model = integers.to_onnx()
    onnx.checker.check_model(model, full_check=True)
    assert float_operators(integers) == set()
    assert [node.op_type for node in model.graph.node if "image" in node.input] == ["QuantizeLinear"]
    assert Graph(model).producer("command").op_type == "DequantizeLinear"
    with open_network(integers, Target("cpu", runtime)) as session:
        assert [str(spec) for spec in session.inputs.values()] == ["image: FP32 [-1, 3, 16, 12]"]
        assert [str(spec) for spec in session.outputs.values()] == ["command: FP32 [-1, 2]"]
        kernels = session.kernels()
    assert kernels.integer == kernels.total > 1
    assert error(integers, runtime=runtime) < 2 * error(pilot())


def test_an_output_has_256_steps_at_most(integers):
    found = answers(integers, Samples({"image": images(600, 4)}))["command"]
    assert len(np.unique(found)) <= 256


def test_float_fallback_leaves_float_operators_and_says_so():
    assert float_operators(QuantizeStatic(min_macs=100).apply(pilot(), context())) >= {"Gemm"}


def test_an_operator_without_integers_is_told():
    nodes = [("Conv", "x w", "a"), ("Erf", "a", "b"), ("Conv", "b v", "y")]
    weights = {"w": random(4, 3, 3, 3), "v": random(2, 4, 3, 3, seed=1)}
    network = Network.of_onnx(graph_of(nodes, {"x": ("n", 3, 8, 8)}, weights))
    given = Samples({"x": random(8, 3, 8, 8)})
    with pytest.raises(InvalidInput, match="Erf cannot be computed with integers") as raised:
        QuantizeIntegerOnly().apply(network, context(network, calibration=given))
    assert "quantize.static" in raised.value.hint
    mixed = QuantizeStatic().apply(network, context(network, calibration=given))
    np.testing.assert_allclose(answers(mixed, given)["y"], answers(network, given)["y"], atol=0.1)


def test_an_input_out_of_range_is_clipped_and_does_not_wrap_around(integers):
    step = next(node for node in integers.to_onnx().graph.node if "image" in node.input)
    constants = Graph(integers.to_onnx())
    scale, zero = (float(constants.array(name)) for name in step.input[1:])
    top = (255 - zero) * scale
    bright = np.full((1, 3, 16, 12), top, np.float32)
    clipped, rounded = (answers(integers, Samples({"image": x}))["command"] for x in (bright * 3, bright))
    np.testing.assert_array_equal(clipped, rounded)
    half = answers(integers, Samples({"image": bright * 0 + 10.6 * scale}))["command"]
    np.testing.assert_array_equal(half, answers(integers, Samples({"image": bright * 0 + 11 * scale}))["command"])
    with np.errstate(invalid="ignore"):
        wrapped = (bright * 3 / scale + zero).astype(np.int64).astype(np.uint8)  # what the study's script does
    assert wrapped.max() < 255


def undequantized(network):
    """The study's mistake: the integers of the output, taken as numbers."""
    model = network.to_onnx()
    restore = Graph(model).producer("command")
    cast = helper.make_node("Cast", [restore.input[0]], ["command"], to=TensorProto.FLOAT)
    nodes = [cast if node.name == restore.name else node for node in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return Network.of_onnx(model)


def measured(name, network, kernels=None):
    """As the engine measures it, times aside."""
    given = samples(32, 9)
    found, base = answers(network, given)["command"], answers(pilot(), given)["command"]
    squares = np.square(found - given.answers()["command"])
    return Measured(
        name=name,
        target="cpu/onnxruntime/int8",
        weight=Weight(len(network.data), len(network.data), 1, 1, 0.0, 1),
        load_s=0.01,
        compute_s=np.full(10, 1e-4),
        total_s=np.full(10, 1e-4),
        squared_error=squares.mean(axis=1).astype(np.float64),
        output_mse={},
        difference=found - base,
        elements=("command[0]", "command[1]"),
        kernels=kernels,
        wanted_integer=kernels is not None,
        has_targets=True,
        answer_variance=float(base.var(axis=0).mean()),
    )


def test_an_output_that_nobody_dequantizes_is_caught_by_the_gate(integers):
    wrong = undequantized(integers)
    assert error(wrong) > 1000 * error(pilot())
    gate = Gate(max_mse_ratio=2.0)
    reference = measured("float", pilot())
    assert check(gate, measured("int8", integers), reference) == []
    limits = {violation.limit for violation in check(gate, measured("wrong", wrong), reference)}
    assert {"max_mse_ratio", "knows_something"} <= limits
    assert "knows_something" in {v.limit for v in check(Gate(), measured("wrong", wrong), reference)}


def test_a_network_that_only_looks_quantized_is_caught_by_the_gate():
    """Weights stored in s8 and restored before every product: smaller, and all float."""
    from rilaas.optimize.passes.dynamic import QuantizeDynamic

    network = QuantizeDynamic(activations="float", convolutions=True, min_macs=0).apply(pilot(), context())
    with open_network(network) as session:
        kernels = session.kernels()
    assert kernels == Kernels(4, 0)
    found = check(Gate(), measured("weights", network, kernels), measured("float", pilot()))
    assert [violation.limit for violation in found] == ["integer"]
    assert "only looks quantized" in found[0].words
