import logging
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency
from rilaas.infer import torch_compiled, torch_session
from rilaas.infer.backends import backend_named
from rilaas.infer.session import Kernels
from tests.infer.onnx_graph import graph_of, random

torch.set_num_threads(1)

CONV = ("Conv", "image conv.weight conv.bias", "c", {"strides": [2, 2]})
WEIGHTS = {
    "conv.weight": random(8, 3, 3, 3),
    "conv.bias": random(8),
    "head.weight": random(2, 72) / 8,
    "head.bias": random(2),
}
FLOAT = graph_of(
    [
        CONV,
        ("Relu", "c", "r"),
        ("Flatten", "r", "f"),
        ("Gemm", "f head.weight head.bias", "command", {"transB": 1}),
        ("Add", "speed command", "faster"),
    ],
    {"image": ("batch", 3, 8, 8), "speed": ("batch", 1)},
    WEIGHTS,
    ("command", "faster"),
)
IMAGE, SPEED = random(3, 3, 8, 8, seed=7), random(3, 1, seed=8)
INPUTS = {"image": IMAGE, "speed": SPEED}


def quantized_graph():
    """The same with integers: activations uint8 by tensor, weights int8 by channel."""
    scales = np.abs(WEIGHTS["conv.weight"]).max((1, 2, 3)) / 127
    stored = np.round(WEIGHTS["conv.weight"] / scales[:, None, None, None]).astype(np.int8)
    head = np.abs(WEIGHTS["head.weight"]).max(1) / 127
    weights = {
        "conv.bias": WEIGHTS["conv.bias"],
        "head.bias": WEIGHTS["head.bias"],
        "w": stored,
        "ws": scales.astype(np.float32),
        "wz": np.zeros(8, np.int8),
        "h": np.round(WEIGHTS["head.weight"] / head[:, None]).astype(np.int8),
        "hs": head.astype(np.float32),
        "hz": np.zeros(2, np.int8),
        "s": np.float32(2 / 255),
        "z": np.uint8(128),
        "rs": np.float32(0.02),
        "rz": np.uint8(0),
    }
    nodes = [
        ("QuantizeLinear", "image s z", "q"),
        ("DequantizeLinear", "q s z", "d"),
        ("DequantizeLinear", "w ws wz", "wd", {"axis": 0}),
        ("Conv", "d wd conv.bias", "c", {"strides": [2, 2]}),
        ("Relu", "c", "r"),
        ("QuantizeLinear", "r rs rz", "rq"),
        ("DequantizeLinear", "rq rs rz", "rd"),
        ("Flatten", "rd", "e"),
        ("QuantizeLinear", "e rs rz", "eq"),
        ("DequantizeLinear", "eq rs rz", "f"),
        ("DequantizeLinear", "h hs hz", "hd", {"axis": 0}),
        ("Gemm", "f hd head.bias", "command", {"transB": 1}),
    ]
    return graph_of(nodes, {"image": ("batch", 3, 8, 8)}, weights, ("command",))


def by_onnxruntime(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([each.name for each in session.get_outputs()], session.run(None, inputs), strict=True))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch")
    onnx.save(FLOAT, folder / "float.onnx")
    onnx.save(quantized_graph(), folder / "int8.onnx")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of this test's own, so that what an earlier version compiled is not taken."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
        yield folder


@pytest.fixture(scope="module")
def sessions(place):
    return {name: backend_named(name).open(place / "float.onnx") for name in ("torch", "torch-compile")}


@pytest.fixture(params=["torch", "torch-compile"])
def session(request, sessions):
    return sessions[request.param]


def test_a_session_says_what_it_takes_and_gives(session):
    assert [str(spec) for spec in session.inputs.values()] == ["image: FP32 [-1, 3, 8, 8]", "speed: FP32 [-1, 1]"]
    assert [str(spec) for spec in session.outputs.values()] == ["command: FP32 [-1, 2]", "faster: FP32 [-1, 2]"]


@pytest.mark.parametrize("rows", [1, 3])
def test_it_answers_as_onnxruntime_does_for_any_number_of_rows(session, rows):
    given = {name: array[:rows] for name, array in INPUTS.items()}
    expected, got = by_onnxruntime(FLOAT, given), session.run(given)
    assert list(got) == ["command", "faster"]
    for name, array in got.items():
        assert array.flags.writeable
        np.testing.assert_allclose(array, expected[name], atol=1e-5)


def test_answers_are_the_callers_and_inputs_stay_as_they_are(session):
    given = {name: array[:1].copy() for name, array in INPUTS.items()}
    for array in given.values():
        array.flags.writeable = False
    first = session.run(given)["command"]
    kept = first.copy()
    first[:] = 0
    session.run({"image": given["image"] * 2, "speed": given["speed"]})
    np.testing.assert_array_equal(session.run(given)["command"], kept)


def test_images_may_lie_in_memory_as_a_transposed_frame_does(session):
    frame = np.ascontiguousarray(IMAGE[:1].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    got = session.run({"image": frame, "speed": SPEED[:1]})
    np.testing.assert_allclose(got["command"], session.run({"image": IMAGE[:1], "speed": SPEED[:1]})["command"])


def test_what_does_not_fit_is_refused(session):
    with pytest.raises(KeyError, match="speed"):
        session.run({"image": IMAGE})
    with pytest.raises(ValueError, match=r"input 'image' has shape \[3, 3, 8, 9\]; float.onnx takes image: FP32"):
        session.run({"image": random(3, 3, 8, 9), "speed": SPEED})
    with pytest.raises(TypeError, match="input 'speed' is of type float64"):
        session.run({"image": IMAGE, "speed": SPEED.astype(np.float64)})


def test_one_output_alone_needs_no_more_than_that(sessions):
    only = sessions["torch"].only(("command",))
    assert list(only.run(INPUTS)) == list(only.outputs) == ["command"]
    np.testing.assert_array_equal(only.run(INPUTS)["command"], sessions["torch"].run(INPUTS)["command"])
    assert list(sessions["torch"].run(INPUTS)) == ["command", "faster"]
    assert list(sessions["torch"].only(("faster", "command")).run(INPUTS)) == ["faster", "command"]


def test_threads_are_those_of_the_session_while_it_computes_and_then_what_they_were(place):
    seen = []
    session = backend_named("torch").open(place / "float.onnx", threads=2)
    compute = session._call
    session._call = lambda *given: (seen.append(torch.get_num_threads()), compute(*given))[1]
    assert torch.get_num_threads() == 1
    session.run(INPUTS)
    assert (seen, torch.get_num_threads()) == ([2], 1)
    with pytest.raises(KeyError):
        session.run({})
    assert torch.get_num_threads() == 1
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", ["torch", "torch-compile"])
def test_bfloat16_is_close_with_float32_outside(place, sessions, name):
    session = backend_named(name).open(place / "float.onnx", precision="bf16")
    exact, got = sessions["torch"].run(INPUTS)["command"], session.run(INPUTS)["command"]
    assert got.dtype == np.float32
    assert 0 < np.abs(got - exact).max() < 0.05


def test_integers_are_simulated_by_torch_and_computed_by_its_compiler(place):
    expected = by_onnxruntime(quantized_graph(), {"image": IMAGE})["command"]
    simulated = backend_named("torch").open(place / "int8.onnx")
    compiled = backend_named("torch-compile").open(place / "int8.onnx")
    for session in (simulated, compiled):
        np.testing.assert_allclose(session.run({"image": IMAGE})["command"], expected, atol=0.02)
    assert simulated.kernels() == Kernels(2, 0)
    if sys.platform == "linux" and os.uname().machine == "x86_64":
        assert compiled.kernels() == Kernels(2, 2)


def test_float_kernels_are_counted_as_float(session):
    assert session.kernels() == Kernels(2, 0)


def test_quantized_weights_in_bfloat16_are_refused(place):
    with pytest.raises(InvalidModelFolder, match="quantized weights"):
        backend_named("torch").open(place / "int8.onnx", precision="bf16")


@pytest.mark.parametrize("name", ["torch", "torch-compile"])
def test_a_precision_that_it_lacks_is_refused(place, name):
    with pytest.raises(InvalidInput, match="torch computes in fp32, bf16, not in 'fp16'"):
        backend_named(name).open(place / "float.onnx", precision="fp16")


def test_a_file_that_is_no_onnx_or_has_a_foreign_operator_is_named(tmp_path):
    (tmp_path / "weights.onnx").write_bytes(b"no weights")
    with pytest.raises(InvalidModelFolder, match="torch cannot load weights.onnx"):
        backend_named("torch").open(tmp_path / "weights.onnx")
    onnx.save(graph_of([("Det", "x", "y")], {"x": ("b", 3, 3)}), tmp_path / "weights.onnx")
    with pytest.raises(InvalidModelFolder, match=r"torch cannot load weights.onnx: .* operator Det \(node 'n0'\)"):
        backend_named("torch").open(tmp_path / "weights.onnx")


def test_safetensors_alone_have_no_network(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InvalidModelFolder, match="weights without a network"):
        backend_named("torch").open(tmp_path / "weights.safetensors")


def test_free_sizes_besides_the_batch_are_refused_by_the_compiler_and_not_by_torch(tmp_path):
    onnx.save(graph_of([("Relu", "x", "y")], {"x": ("batch", "width")}), tmp_path / "w.onnx")
    with pytest.raises(InvalidModelFolder, match="needs fixed shapes"):
        backend_named("torch-compile").open(tmp_path / "w.onnx")
    session = backend_named("torch").open(tmp_path / "w.onnx")
    assert session.run({"x": -np.ones((2, 5), np.float32)})["y"].shape == (2, 5)
    assert session.kernels() is None


def test_compiling_is_logged_with_its_time_and_kept_in_the_cache(cache, place, caplog):
    with caplog.at_level(logging.INFO, "rilaas.infer"):
        backend_named("torch-compile").open(place / "float.onnx")
    assert "torch-compile: float.onnx compiled in " in caplog.text
    kept = cache / "rilaas" / "torch-compile"
    assert any(kept.iterdir())
    assert kept.stat().st_mode & 0o077 == 0


def test_without_a_compiler_it_says_what_to_install(monkeypatch, place):
    monkeypatch.setenv("CXX", "/nonexistent/g++")
    assert "C++ compiler" in torch_compiled.TORCH_COMPILE.missing()
    with pytest.raises(MissingDependency, match=r"apt-get install g\+\+"):
        torch_compiled.TORCH_COMPILE.open(place / "float.onnx")


def test_too_little_memory_is_told_before_torch_is_loaded(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (500 * 2**20, 500 * 2**20))
    with pytest.raises(
        InvalidModelFolder, match=r"needs about \d+ MiB of address space; this process may use 500 MiB"
    ):
        torch_session.check_memory("torch")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64 * 2**30, 64 * 2**30))
    torch_session.check_memory("torch")


def test_nothing_heavy_is_loaded_with_the_room_or_to_ask_what_is_missing():
    code = """
import sys
import rilaas.infer
from rilaas.infer.backends import backend_named
assert backend_named("torch").missing() == ""
assert backend_named("torch-compile").missing() == ""
print(sorted({"torch", "onnx", "onnxscript", "torchao"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert Path(torch_session.__file__).is_file()
