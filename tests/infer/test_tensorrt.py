"""TensorRT and Torch-TensorRT: what can be known without a card is tested without one; the rest says why not."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency
from rilaas.infer import nvidia, tensorrt_session
from rilaas.infer.backends import backend_named
from rilaas.infer.onnx_session import OnnxSession
from rilaas.infer.session import Kernels
from rilaas.infer.target import Target
from rilaas.infer.tensorrt_graph import as_tensorrt_takes
from rilaas.infer.tensorrt_kernels import kernels_of_engine
from rilaas.infer.tensorrt_session import MAX_BATCH, batch_range, engine_key
from tests.infer.onnx_graph import graph_of, random

BACKENDS = ("tensorrt", "torch-tensorrt")
X = np.random.default_rng(0).uniform(-1.0, 1.0, (5, 2, 6, 6)).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network():
    """Convolution, ReLU, and a product with weights: x (N, 2, 6, 6) to y (N, 3)."""
    return graph_of(
        [
            ("Conv", "x w b", "c", {"kernel_shape": [3, 3]}),
            ("Relu", "c", "r"),
            ("Flatten", "r", "f"),
            ("Gemm", "f v u", "y", {"transB": 1}),
        ],
        {"x": ("N", 2, 6, 6)},
        {"w": random(4, 2, 3, 3), "b": random(4), "v": random(3, 64), "u": random(3)},
        opset=21,
    )


def quantized():
    """The same with activations in uint8 with zero points, weights in int8 by channel, biases in int32."""
    model = network()
    graph = model.graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes, weights = [], {}

    def pair(name, low, high):
        scale = np.float32((high - low) / 255.0)
        weights[f"{name}.s"], weights[f"{name}.z"] = scale, np.uint8(round(-low / scale))
        ends = [name, f"{name}.q", f"{name}.dq"]
        nodes.append(helper.make_node("QuantizeLinear", [ends[0], f"{name}.s", f"{name}.z"], [ends[1]]))
        nodes.append(helper.make_node("DequantizeLinear", [ends[1], f"{name}.s", f"{name}.z"], [ends[2]]))
        return scale

    def weight(name, bias, given):
        array = stored[name]
        scale = (np.abs(array).reshape(len(array), -1).max(axis=1) / 127.0).astype(np.float32)
        spread = scale.reshape([-1] + [1] * (array.ndim - 1))
        weights[f"{name}.q"] = np.rint(array / spread).astype(np.int8)
        weights[f"{name}.s"], weights[f"{name}.z"] = scale, np.zeros(len(array), np.int8)
        weights[f"{bias}.q"] = np.rint(stored[bias] / (given * scale)).astype(np.int32)
        weights[f"{bias}.s"] = (given * scale).astype(np.float32)
        weights[f"{bias}.z"] = np.zeros(len(array), np.int32)
        for each in (name, bias):
            operands = [f"{each}.q", f"{each}.s", f"{each}.z"]
            nodes.append(helper.make_node("DequantizeLinear", operands, [f"{each}.dq"], axis=0))

    weight("w", "b", pair("x", -1.0, 1.0))
    nodes.append(helper.make_node("Conv", ["x.dq", "w.dq", "b.dq"], ["c"], name="conv", kernel_shape=[3, 3]))
    nodes.append(helper.make_node("Relu", ["c"], ["r"], name="relu"))
    nodes.append(helper.make_node("Flatten", ["r"], ["f"], name="flatten"))
    weight("v", "u", pair("f", 0.0, 4.0))
    nodes.append(helper.make_node("Gemm", ["f.dq", "v.dq", "u.dq"], ["y"], name="gemm", transB=1))
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items())
    return model


def answers(model, path, given=X):
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return OnnxSession(path).run({"x": given})["y"]


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_says_all_that_is_missing_and_refuses_to_open(name, monkeypatch, tmp_path):
    monkeypatch.setattr(nvidia, "card", lambda: "")
    backend = backend_named(name)
    reason = backend.missing()
    assert "there is no NVIDIA card" in reason
    if "not installed" in reason:
        assert "pip install 'rilaas[tensorrt]'" in reason
    with pytest.raises(MissingDependency, match="no NVIDIA card"):
        backend.open(tmp_path / "weights.onnx")
    with pytest.raises(MissingDependency, match=f"cuda/{name}/fp16 is not available here"):
        Target.parse(f"cuda/{name}/fp16").check_is_there()


def test_a_card_without_the_packages_names_them_alone(monkeypatch):
    monkeypatch.setattr(nvidia, "card", lambda: "NVIDIA RTX 3090")
    said = nvidia.missing_for({"rilaas": "rilaas", "no_such_module_here": "rilaas[tensorrt]"})
    assert said == "no_such_module_here is not installed: pip install 'rilaas[tensorrt]'"
    assert nvidia.missing_for({"rilaas": "rilaas"}) == ""


def test_a_torch_without_cuda_is_said_where_there_is_a_card(monkeypatch):
    monkeypatch.setattr(nvidia, "card", lambda: "NVIDIA RTX 3090")
    monkeypatch.setattr(nvidia, "_torch_has_cuda", lambda: False)
    assert "install its CUDA build" in nvidia.missing_for({"torch": "rilaas[optimize]"})


def test_a_machine_without_the_driver_has_no_card(monkeypatch):
    monkeypatch.setattr(nvidia, "_DRIVER", "libno-such-driver.so.1")
    nvidia.card.cache_clear()
    assert nvidia.card() == ""
    nvidia.card.cache_clear()


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


def test_what_is_symmetric_already_stays_to_the_bit(tmp_path):
    once = as_tensorrt_takes(quantized())
    twice = as_tensorrt_takes(once)
    assert np.array_equal(answers(once, tmp_path / "once.onnx"), answers(twice, tmp_path / "twice.onnx"))
    assert once.SerializeToString(deterministic=True) == twice.SerializeToString(deterministic=True)


def test_the_range_that_was_calibrated_is_kept():
    made = as_tensorrt_takes(quantized())
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    scales = {node.input[0]: stored[node.input[1]] for node in made.graph.node if node.op_type == "QuantizeLinear"}
    assert 127 * scales["f"] == pytest.approx(4.0, rel=1e-6)
    assert 127 * scales["x"] == pytest.approx(1.0, rel=0.01)


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


def test_an_engine_is_kept_for_one_graph_one_card_and_one_version():
    key = engine_key(b"graph", "NVIDIA RTX 3090", "11.4.0.106")
    assert key == engine_key(b"graph", "NVIDIA RTX 3090", "11.4.0.106")
    others = {
        engine_key(b"other", "NVIDIA RTX 3090", "11.4.0.106"),
        engine_key(b"graph", "NVIDIA H100", "11.4.0.106"),
        engine_key(b"graph", "NVIDIA RTX 3090", "10.16.1.11"),
    }
    assert len(others | {key}) == 4


def test_engines_lie_in_a_folder_of_the_users_own_and_others_are_not_loaded(monkeypatch, tmp_path):
    monkeypatch.setenv("RILAAS_HOME", str(tmp_path))
    folder = tensorrt_session.engine_folder()
    tensorrt_session._keep(folder / "a.engine", b"plan")
    assert (folder / "a.engine").read_bytes() == b"plan"
    assert [file.name for file in folder.iterdir()] == ["a.engine"]
    assert folder.stat().st_mode & 0o077 == 0

    class Loads:
        def Runtime(self, logger):
            return self

        def deserialize_cuda_engine(self, plan):
            return f"engine of {plan.decode()}"

    assert tensorrt_session._kept_engine(Loads(), None, folder / "a.engine") == "engine of plan"
    assert tensorrt_session._kept_engine(Loads(), None, folder / "b.engine") is None
    folder.chmod(0o777)  # now somebody else could have written it
    assert tensorrt_session._kept_engine(Loads(), None, folder / "a.engine") is None


def test_a_free_batch_axis_has_a_profile_and_another_free_axis_is_refused():
    assert batch_range("x", (-1, 3, 200, 66)) == ((1, 3, 200, 66), (1, 3, 200, 66), (MAX_BATCH, 3, 200, 66))
    with pytest.raises(InvalidModelFolder, match=r"shape\.fix"):
        batch_range("x", (-1, 3, -1, 66))


TEN = {"Name": "c", "LayerType": "CaskConvolution", "Inputs": [{"Format/Datatype": "Thirty-two wide channel Int8"}]}
ELEVEN = {"Name": "c", "LayerType": "CaskConvolution", "Inputs": [{"Format": "NC/32HW32", "DataType": "Int8"}]}
FLOAT = {"Name": "g", "LayerType": "CaskGemmMatrixMultiply", "Inputs": [{"Format/Datatype": "Row major FP32"}]}
OTHER = {"Name": "p", "LayerType": "Reformat", "Inputs": [{"Format/Datatype": "Int8"}]}


@pytest.mark.parametrize("convolution", [TEN, ELEVEN], ids=["10", "11"])
def test_integer_kernels_are_counted_from_what_the_inspector_says(convolution):
    said = json.dumps({"Layers": [convolution, FLOAT, OTHER]})
    assert kernels_of_engine(said) == Kernels(2, 1)


def test_an_integer_output_alone_is_no_integer_kernel():
    layer = {**FLOAT, "Outputs": [{"Format/Datatype": "Int8"}]}
    assert kernels_of_engine(json.dumps({"Layers": [layer]})) == Kernels(1, 0)


@pytest.mark.parametrize("said", ["", "[]", '{"Layers": ["conv"]}', '{"Layers": []}'])
def test_an_engine_that_does_not_say_its_layers_is_not_judged(said):
    assert kernels_of_engine(said) is None


def quantize_op():
    """NVIDIA's operator, as Model Optimizer registers it, where that is not installed."""
    import torch

    try:
        torch.library.define(
            "tensorrt::quantize_op",
            "(Tensor input, Tensor amax, int num_bits, int exponent_bits, "
            "bool unsigned, bool narrow_range) -> Tensor",
        )
    except RuntimeError:
        return  # it is there

    @torch.library.impl("tensorrt::quantize_op", "cpu")
    def quantize(input, amax, num_bits, exponent_bits, unsigned, narrow_range):
        scale = amax / 127.0
        return torch.clamp(torch.round(input / scale), -128, 127) * scale


def test_the_torch_module_quantizes_where_the_graph_does_with_the_operator_of_torch_tensorrt(monkeypatch, tmp_path):
    import torch

    from rilaas.infer import torch_tensorrt_session

    quantize_op()
    monkeypatch.setattr(torch_tensorrt_session, "_import_modelopt", lambda: None)
    module, kernels = torch_tensorrt_session.module_for_tensorrt(quantized())
    called = [str(node.target) for node in module.graph.nodes if node.op == "call_function"]
    assert called.count("tensorrt.quantize_op.default") == 4  # two activations, two weights
    assert not any("quantized_decomposed" in name for name in called)
    assert kernels == Kernels(2, 2)
    with torch.inference_mode():
        (made,) = module(torch.from_numpy(X))
    wanted = answers(as_tensorrt_takes(quantized()), tmp_path / "w.onnx")
    np.testing.assert_allclose(made.numpy(), wanted, atol=0.02 * wanted.std())


def test_int8_without_model_optimizer_says_what_to_install(monkeypatch):
    from rilaas.infer import torch_tensorrt_session

    monkeypatch.setitem(sys.modules, "modelopt", None)
    with pytest.raises(MissingDependency, match="pip install nvidia-modelopt"):
        torch_tensorrt_session.module_for_tensorrt(quantized())


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_the_torch_module_computes_in_the_precision_that_is_asked_for(precision, tmp_path):
    import torch

    from rilaas.infer.torch_tensorrt_session import module_for_tensorrt

    module, kernels = module_for_tensorrt(network(), precision)
    kinds = {parameter.dtype for parameter in module.parameters()}
    assert kinds == {{"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]}
    assert kernels == Kernels(2, 0)
    with torch.inference_mode():
        (made,) = module(torch.from_numpy(X))
    assert made.dtype == torch.float32
    wanted = answers(network(), tmp_path / "w.onnx")
    tolerance = {"fp32": 1e-5, "fp16": 0.01, "bf16": 0.05}[precision]
    np.testing.assert_allclose(made.numpy(), wanted, atol=tolerance * wanted.std())


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_on_a_card_it_answers_as_onnxruntime_does(name, precision, tmp_path):
    backend = backend_named(name)
    if reason := backend.missing():
        pytest.skip(reason)
    wanted = answers(network(), tmp_path / "weights.onnx")
    session = backend.open(tmp_path / "weights.onnx", precision=precision)
    assert {str(spec) for spec in session.inputs.values()} == {"x: FP32 [-1, 2, 6, 6]"}
    tolerance = {"fp32": 1e-4, "fp16": 0.02, "bf16": 0.1}[precision] * wanted.std()
    for rows in (1, 5, 2, 70):
        given = np.tile(X, (14, 1, 1, 1))[:rows]
        made = session.only(("y",)).run({"x": given})["y"]
        np.testing.assert_allclose(made, np.tile(wanted, (14, 1))[:rows], atol=tolerance)
        made[:] = 0.0  # it is the caller's to keep
    with pytest.raises((ValueError, TypeError)):
        session.run({"x": np.zeros((1, 2, 5, 6), np.float32)})
    with pytest.raises(KeyError):
        session.run({})


@pytest.mark.parametrize("name", BACKENDS)
def test_on_a_card_int8_really_is(name, tmp_path):
    backend = backend_named(name)
    if reason := backend.missing():
        pytest.skip(reason)
    wanted = answers(as_tensorrt_takes(quantized()), tmp_path / "symmetric.onnx")
    onnx.save(quantized(), tmp_path / "weights.onnx")
    session = backend.open(tmp_path / "weights.onnx")
    np.testing.assert_allclose(session.run({"x": X})["y"], wanted, atol=0.05 * wanted.std())
    kernels = session.kernels()
    assert kernels is None or kernels.integer > 0


@pytest.mark.parametrize("name", BACKENDS)
def test_a_card_is_no_target_of_the_processors_runtimes(name):
    with pytest.raises(InvalidInput, match="run on cuda"):
        Target.parse(f"cpu/{name}/fp16")
