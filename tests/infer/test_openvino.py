"""What is particular about OpenVINO: shapes, memory order, precisions, kernels, telemetry, the sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rilaas.core import InvalidModelFolder
from rilaas.infer.backends import backend_named
from rilaas.infer.openvino_session import MAX_SHAPES, OPENVINO
from rilaas.serve.isolation import launch
from rilaas.store import Limits
from tests.infer.onnx_graph import graph_of, random
from tests.model_folders import write_affine_model
from tests.replica_client import ReplicaClient

pytestmark = pytest.mark.skipif(bool(OPENVINO.missing()), reason=OPENVINO.missing() or "openvino is there")

IMAGES = random(5, 3, 8, 6, seed=1)


def save(model, path):
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def convolution(tmp_path_factory):
    """Images (N, 3, 8, 6) to (N, 4, 6, 4)."""
    weights = {"w": random(4, 3, 3, 3, seed=2), "b": random(4, seed=3)}
    model = graph_of([("Conv", "x w b", "y")], {"x": ("n", 3, 8, 6)}, weights)
    return save(model, tmp_path_factory.mktemp("openvino") / "conv.onnx")


def test_images_whose_channels_lie_together_are_taken_as_they_lie(convolution):
    session, other = OPENVINO.open(convolution), backend_named("onnxruntime").open(convolution)
    for rows in (1, 5):
        frames = np.ascontiguousarray(IMAGES[:rows].transpose(0, 2, 3, 1))
        turned = frames.transpose(0, 3, 1, 2)
        assert not turned.flags.c_contiguous
        wanted = other.run({"x": turned})["y"]
        for given in (turned, IMAGES[:rows], turned):
            np.testing.assert_allclose(session.run({"x": given})["y"], wanted, atol=1e-5)


def test_more_batch_sizes_than_are_kept_are_computed_all_the_same(convolution):
    session = OPENVINO.open(convolution)
    sizes = [*range(1, MAX_SHAPES + 4), 2, MAX_SHAPES + 3]
    for size in sizes:
        found = session.run({"x": np.repeat(IMAGES[:1], size, axis=0)})["y"]
        assert found.shape == (size, 4, 6, 4)
        np.testing.assert_allclose(found[-1], found[0], atol=1e-5)
    assert len(session._bound) == MAX_SHAPES


def test_an_empty_batch_gives_an_empty_answer(convolution):
    assert OPENVINO.open(convolution).run({"x": IMAGES[:0]})["y"].shape == (0, 4, 6, 4)


def test_axes_besides_the_batch_may_be_free(tmp_path):
    weights = {"w": random(4, 3, 3, 3, seed=2)}
    path = save(graph_of([("Conv", "x w", "y")], {"x": ("n", 3, "height", "width")}, weights), tmp_path / "free.onnx")
    session, other = OPENVINO.open(path), backend_named("onnxruntime").open(path)
    assert str(session.inputs["x"]) == "x: FP32 [-1, 3, -1, -1]"
    for shape in ((1, 3, 8, 6), (2, 3, 5, 9)):
        x = random(*shape)
        np.testing.assert_allclose(session.run({"x": x})["y"], other.run({"x": x})["y"], atol=1e-5)
    with pytest.raises(TypeError, match="float64"):
        session.run({"x": x.astype(np.float64)})
    assert session.kernels().total == 1


def test_another_datatype_is_not_converted_silently(convolution):
    with pytest.raises(TypeError):
        OPENVINO.open(convolution).run({"x": IMAGES[:1].astype(np.float64)})


def test_sizes_that_depend_on_values_are_given_as_they_come(tmp_path):
    nodes = [("NonZero", "x", "at"), ("Transpose", "at", "y", {"perm": [1, 0]})]
    session = OPENVINO.open(save(graph_of(nodes, {"x": (1, 5)}), tmp_path / "found.onnx"))
    for count in (2, 4, 0):
        x = np.zeros((1, 5), np.float32)
        x[0, :count] = 1.0
        assert session.run({"x": x})["y"].shape == (count, 2)


def test_an_operator_that_it_lacks_is_named(tmp_path):
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain="example.org")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"]
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("example.org", 1)]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    path = save(helper.make_model(graph, opset_imports=sets, ir_version=8), tmp_path / "odd.onnx")
    with pytest.raises(InvalidModelFolder, match=r"odd\.onnx.*Frobnicate") as raised:
        OPENVINO.open(path)
    assert "onnxruntime" in raised.value.hint


def test_half_precision_files_are_computed_as_they_are(tmp_path):
    w = numpy_helper.from_array(random(4, 3).astype(np.float16), "w")
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["n", size]) for name, size in (("x", 4), ("y", 3))
    ]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", values[:1], values[1:], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = save(model, tmp_path / "half.onnx")
    x = random(2, 4).astype(np.float16)
    for name in ("openvino", "onnxruntime"):
        found = backend_named(name).open(path, precision="fp16").run({"x": x})["y"]
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, x.astype(np.float32) @ random(4, 3), atol=2e-3)


def test_importing_it_sends_nothing_and_writes_nothing(tmp_path, convolution):
    code = f"""
import socket, sys, urllib.request
def refuse(*_, **__):
    raise SystemExit("somebody wants to send something")
socket.socket.connect = refuse
urllib.request.urlopen = refuse
from pathlib import Path
from rilaas.infer.openvino_session import OPENVINO
OPENVINO.open(Path({str(convolution)!r}))
assert sys.modules["openvino_telemetry"] is None
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
"""
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "TF_BUILD", "JENKINS_URL")}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_replica_serves_it_in_the_memory_that_a_model_has_by_default(tmp_path):
    folder = write_affine_model(tmp_path / "model")
    toml = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(toml.replace('"onnxruntime"', '"openvino"'))
    replica = launch(folder, Path(tmp_path, "s"), limits=Limits(), isolation="process")
    try:
        with ReplicaClient(Path(tmp_path, "s")) as client:
            for rows in (1, 4):
                x = np.full((rows, 3), 2.0, np.float32)
                np.testing.assert_allclose(client.predict({"x": x}).tensors["y"], 2 * x + 1)
    finally:
        replica.stop()
