"""TensorRT and Torch-TensorRT: what can be known without a card is tested without one; the rest says why not."""

import json
import sys

import numpy as np
import onnx
import pytest

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency
from rilaas.infer import nvidia, tensorrt_session
from rilaas.infer.backends import backend_named
from rilaas.infer.session import Kernels
from rilaas.infer.target import Target
from rilaas.infer.tensorrt_graph import as_tensorrt_takes
from rilaas.infer.tensorrt_kernels import kernels_of_engine
from rilaas.infer.tensorrt_session import MAX_BATCH, batch_range, engine_key
from tests.infer.quantized_graph import X, answers, network, quantized

BACKENDS = ("tensorrt", "torch-tensorrt")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
