"""A small network as float and as int8, with what onnxruntime answers."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rilaas.infer.onnx_session import OnnxSession
from tests.infer.onnx_graph import graph_of, random

X = np.random.default_rng(0).uniform(-1.0, 1.0, (5, 2, 6, 6)).astype(np.float32)


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
