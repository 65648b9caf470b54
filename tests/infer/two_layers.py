"""Two dense layers as weights of every format: ``y = w2 relu(w1 x + b1) + b2``, and the hidden values."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TAKES, HIDDEN, GIVES = 4, 8, 3


def arrays():
    draw = np.random.default_rng(5)
    shapes = {"w1": (HIDDEN, TAKES), "b1": (HIDDEN,), "w2": (GIVES, HIDDEN), "b2": (GIVES,)}
    return {name: draw.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def expected(x):
    """By output name, in float64."""
    w = arrays()
    hidden = np.maximum(x.astype(np.float64) @ w["w1"].T + w["b1"], 0)
    return {"y": hidden @ w["w2"].T + w["b2"], "hidden": hidden}


def write_onnx(path, axis="batch"):
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "first", transB=1),
        helper.make_node("Relu", ["h"], ["hidden"], "relu"),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["y"], "second", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "two_layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [axis, TAKES])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [axis, GIVES]),
            helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [axis, HIDDEN]),
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays().items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def write_tflite(path):
    """The same as a LiteRT flat buffer, by the classes that LiteRT brings for its schema."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    w = arrays()
    model, graph, signature = schema.ModelT(), schema.SubGraphT(), schema.SignatureDefT()
    model.buffers, graph.tensors = [schema.BufferT()], []

    def tensor(name, shape, data=None):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), schema.TensorType.FLOAT32, 0
        if data is None:
            made.shapeSignature = [-1, *shape[1:]]
        else:
            made.buffer = len(model.buffers)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            model.buffers.append(buffer)
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def dense(source, weight, bias, out, activation):
        node, options = schema.OperatorT(), schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        node.opcodeIndex, node.inputs, node.outputs = 0, [source, weight, bias], [out]
        node.builtinOptionsType, node.builtinOptions = schema.BuiltinOptions.FullyConnectedOptions, options
        return node

    def named(name, index):
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, index
        return made

    x, hidden, y = tensor("x", (1, TAKES)), tensor("hidden", (1, HIDDEN)), tensor("y", (1, GIVES))
    constants = [tensor(name, w[name].shape, w[name]) for name in ("w1", "b1", "w2", "b2")]
    kinds = schema.ActivationFunctionType
    graph.inputs, graph.outputs = [x], [y, hidden]
    graph.operators = [
        dense(x, *constants[:2], hidden, kinds.RELU),
        dense(hidden, *constants[2:], y, kinds.NONE),
    ]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    signature.signatureKey, signature.inputs = "serving_default", [named("x", x)]
    signature.outputs = [named("y", y), named("hidden", hidden)]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
