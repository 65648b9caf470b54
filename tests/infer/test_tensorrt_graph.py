"""The graph that TensorRT gets computes what the original does: onnxruntime answers for both."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from rilaas.core import InvalidModelFolder
from rilaas.infer.onnx_session import OnnxSession
from rilaas.infer.target import Target
from rilaas.infer.tensorrt_graph import as_tensorrt_takes
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.static import QuantizeStatic
from tests.infer.onnx_graph import graph_of, random
from tests.infer.quantized_graph import answers, network, quantized
from tests.optimize.small_robot import data_of, small_robot


def test_zero_points_are_gone_and_answers_stay_within_a_step_of_the_coarser_grid(tmp_path):
    before, made = quantized(), as_tensorrt_takes(quantized())
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    for node in made.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = stored[node.input[2]]
            assert zero.dtype == np.int8
            assert not zero.any()
    assert [spec.name for spec in made.graph.input] == ["x"]
    was, now = answers(before, tmp_path / "before.onnx"), answers(made, tmp_path / "after.onnx")
    exact = answers(network(), tmp_path / "float.onnx")
    spread = exact.std()
    assert np.abs(was - exact).max() < 0.05 * spread
    assert np.abs(now - exact).max() < 0.1 * spread  # behind the ReLU seven bits are left of eight
    assert not np.array_equal(was, now)


def test_a_relu_that_the_quantizer_left_to_its_zero_point_is_put_back(tmp_path):
    """onnxruntime's quantizer drops a ReLU in front of uint8 with zero point 0; around zero nothing would clip."""
    model = quantized()
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    model.graph.node.remove(relu)
    next(node for node in model.graph.node if node.op_type == "Flatten").input[0] = "c"
    made = as_tensorrt_takes(model)
    assert [node.op_type for node in made.graph.node].count("Relu") == 1
    exact = answers(network(), tmp_path / "float.onnx")
    assert np.abs(answers(made, tmp_path / "made.onnx") - exact).max() < 0.1 * exact.std()


def test_a_lopsided_range_still_cuts_off_where_it_did(tmp_path):
    model = graph_of(
        [("QuantizeLinear", "x s z", "q"), ("DequantizeLinear", "q s z", "y")],
        {"x": (1, 5)},
        {"s": np.float32(0.1), "z": np.uint8(10)},
    )
    given = np.array([[-9.0, -0.5, 0.0, 3.0, 99.0]], np.float32)
    was = answers(model, tmp_path / "was.onnx", given)
    now = answers(as_tensorrt_takes(model), tmp_path / "now.onnx", given)
    assert was.tolist()[0] == pytest.approx([-1.0, -0.5, 0.0, 3.0, 24.5])
    np.testing.assert_allclose(now, was, atol=24.5 / 127)


def test_a_file_of_our_own_quantization_computes_nearly_the_same_around_zero(tmp_path):
    subject = small_robot(tmp_path / "robot")
    data, target = data_of(subject, count=60), Target(precision="int8")
    context = Context(target, subject.network, data.training, data.calibration, data.validation)
    made = QuantizeStatic().apply(subject.network, context).to_onnx()
    given = data.test.inputs()["input"]

    def ask(model, name):
        onnx.save(model, tmp_path / name)
        return OnnxSession(tmp_path / name).run({"input": given})["command"]

    exact = ask(subject.network.to_onnx(), "float.onnx")
    assert np.abs(ask(made, "u8.onnx") - exact).mean() < 0.05 * exact.std()
    assert np.abs(ask(as_tensorrt_takes(made), "s8.onnx") - exact).mean() < 0.05 * exact.std()


def test_what_is_symmetric_already_stays_to_the_bit(tmp_path):
    once = as_tensorrt_takes(quantized())
    twice = as_tensorrt_takes(once)
    assert np.array_equal(answers(once, tmp_path / "once.onnx"), answers(twice, tmp_path / "twice.onnx"))
    assert once.SerializeToString(deterministic=True) == twice.SerializeToString(deterministic=True)


def test_the_range_that_was_calibrated_is_kept():
    made = as_tensorrt_takes(quantized())
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    scales = {node.output[0]: stored[node.input[1]] for node in made.graph.node if node.op_type == "QuantizeLinear"}
    assert 127 * scales["f.q"] == pytest.approx(4.0, rel=1e-6)
    assert 127 * scales["x.q"] == pytest.approx(1.0, rel=0.01)


def test_biases_become_float_and_weights_stay_int8():
    made = as_tensorrt_takes(quantized())
    stored = {tensor.name: tensor.data_type for tensor in made.graph.initializer}
    assert stored["b.dq"] == stored["u.dq"] == TensorProto.FLOAT
    assert TensorProto.INT32 not in stored.values()
    assert stored["w.q"] == stored["v.q"] == TensorProto.INT8


def test_the_model_that_is_given_stays_as_it_is():
    model = quantized()
    before = model.SerializeToString(deterministic=True)
    as_tensorrt_takes(model, "fp16")
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("make", [network, quantized], ids=["float", "int8"])
def test_half_precision_computes_in_half_between_float_inputs_and_outputs(make, tmp_path):
    made = as_tensorrt_takes(make(), "fp16")
    kinds = {tensor.data_type for tensor in made.graph.initializer}
    assert TensorProto.FLOAT not in kinds
    assert {each.type.tensor_type.elem_type for each in (*made.graph.input, *made.graph.output)} == {
        TensorProto.FLOAT
    }
    full, half = answers(as_tensorrt_takes(make()), tmp_path / "f.onnx"), answers(made, tmp_path / "h.onnx")
    assert half.dtype == np.float32
    assert 0.0 < np.abs(half - full).max() < 0.02 * full.std()


def test_bf16_narrows_all_weights_and_casts_at_both_ends():
    made = as_tensorrt_takes(network(), "bf16")
    assert {tensor.data_type for tensor in made.graph.initializer} == {TensorProto.BFLOAT16}
    casts = [node for node in made.graph.node if node.op_type == "Cast"]
    assert [node.attribute[0].i for node in casts] == [TensorProto.BFLOAT16, TensorProto.FLOAT]
    w = next(tensor for tensor in made.graph.initializer if tensor.name == "w")
    assert np.abs(numpy_helper.to_array(w).astype(np.float32) - random(4, 2, 3, 3)).max() < 0.004


def test_a_weight_too_large_for_half_becomes_its_largest_and_not_infinite():
    model = graph_of([("Mul", "x k", "y")], {"x": (1, 3)}, {"k": np.array([1e6, 1.0, -1e6], np.float32)})
    (tensor,) = as_tensorrt_takes(model, "fp16").graph.initializer
    assert numpy_helper.to_array(tensor).tolist() == [65504.0, 1.0, -65504.0]


def test_scales_of_a_resize_stay_float32_as_onnx_wants_them(tmp_path):
    model = graph_of(
        [("Resize", "x - s", "y", {"mode": "nearest"})],
        {"x": ("N", 2, 6, 6)},
        {"s": np.array([1.0, 1.0, 2.0, 2.0], np.float32)},
    )
    made = as_tensorrt_takes(model, "fp16")
    assert answers(made, tmp_path / "r.onnx").shape == (5, 2, 12, 12)


def test_a_scale_that_is_computed_and_a_graph_within_a_graph_are_refused_in_words():
    dynamic = graph_of(
        [
            ("DynamicQuantizeLinear", "x", "q s z"),
            ("DequantizeLinear", "q s z", "y"),
        ],
        {"x": (1, 3)},
    )
    with pytest.raises(InvalidModelFolder, match=r"quantize\.static, not with quantize\.dynamic"):
        as_tensorrt_takes(dynamic)
    branch = graph_of([("Identity", "k", "y")], {}, {"k": np.zeros(3, np.float32)}).graph
    loop = graph_of([("If", "c", "y", {"then_branch": branch, "else_branch": branch})], {"c": ()}, kinds={"c": 9})
    with pytest.raises(InvalidModelFolder, match="holds a graph of its own"):
        as_tensorrt_takes(loop)
