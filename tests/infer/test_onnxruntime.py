"""What is particular about onnxruntime: the kernels that its optimized graph has."""

import subprocess
import sys

import numpy as np
import onnx
import pytest

from rilaas.core import InvalidInput
from rilaas.infer.backends import backend_named
from rilaas.infer.onnx_session import ONNXRUNTIME
from rilaas.infer.session import Kernels
from tests.infer.onnx_graph import graph_of, random

SCALE = {"s": np.float32(0.02), "z": np.uint8(128), "ws": np.float32(0.01), "wz": np.int8(0)}


def opened(model, path, name="onnxruntime"):
    onnx.save(model, str(path))
    return backend_named(name).open(path)


def quantized(*, is_integer):
    """A convolution between QuantizeLinear and DequantizeLinear, or beside them: both files look quantized."""
    weight = np.random.default_rng(0).integers(-100, 100, (4, 3, 3, 3)).astype(np.int8)
    given = "xd" if is_integer else "x"
    nodes = [
        ("QuantizeLinear", "x s z", "xq"),
        ("DequantizeLinear", "xq s z", "xd"),
        ("DequantizeLinear", "wq ws wz", "w"),
        ("Conv", f"{given} w", "c"),
        ("QuantizeLinear", "c s z", "cq"),
        ("DequantizeLinear", "cq s z", "y"),
        ("Relu", "xd", "other"),
    ]
    return graph_of(nodes, {"x": (1, 3, 8, 8)}, {**SCALE, "wq": weight}, outputs=("y", "other"))


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_integer_kernels_are_told_from_files_that_only_look_quantized(name, tmp_path):
    backend = backend_named(name)
    if reason := backend.missing():
        pytest.skip(reason)
    assert opened(quantized(is_integer=True), tmp_path / "i.onnx", name).kernels() == Kernels(1, 1)
    assert opened(quantized(is_integer=False), tmp_path / "f.onnx", name).kernels() == Kernels(1, 0)


def test_dynamic_products_are_integer(tmp_path):
    weight = np.random.default_rng(0).integers(-100, 100, (4, 3)).astype(np.int8)
    nodes = [
        ("DynamicQuantizeLinear", "x", "xq xs xz"),
        ("MatMulInteger", "xq wq xz", "p"),
        ("Cast", "p", "f", {"to": onnx.TensorProto.FLOAT}),
        ("Mul", "xs ws", "scale"),
        ("Mul", "f scale", "y"),
    ]
    model = graph_of(nodes, {"x": ("n", 4)}, {"wq": weight, "ws": np.float32(0.01)})
    assert opened(model, tmp_path / "d.onnx").kernels() == Kernels(1, 1)


def test_kernels_inside_branches_count(tmp_path):
    def branch(name, weight):
        made = graph_of([("MatMul", "x w", name)], {}, {"w": weight}, (name,)).graph
        made.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        return made

    attributes = {"then_branch": branch("a", random(4, 3)), "else_branch": branch("b", random(4, 3, seed=1))}
    node = onnx.helper.make_node("If", ["flag"], ["y"], **attributes)
    values = [
        onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4]),
        onnx.helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, []),
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3]),
    ]
    graph = onnx.helper.make_graph([node], "g", values[:2], values[2:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    assert opened(model, tmp_path / "if.onnx").kernels() == Kernels(2, 0)


def test_bfloat16_is_refused_with_a_backend_that_has_it(tmp_path):
    onnx.save(graph_of([("Relu", "x", "y")], {"x": ("n", 4)}), str(tmp_path / "r.onnx"))
    with pytest.raises(InvalidInput) as raised:
        ONNXRUNTIME.open(tmp_path / "r.onnx", precision="bf16")
    assert "openvino" in raised.value.hint


def test_backends_are_listed_without_loading_any():
    code = (
        "import sys, rilaas.infer.backends as b; assert 'openvino' in b.backend_names();"
        "print(sorted({'onnxruntime', 'openvino', 'torch', 'onnx'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
