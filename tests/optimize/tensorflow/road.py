"""A small camera network with layers of every kind that TensorFlow's passes treat differently, and what it saw."""

import numpy as np

from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.registry import make_pass
from rilaas.optimize.samples import Samples
from tests.infer.onnx_graph import graph_of, random

LITERT = Target("cpu", "litert")


def network(normalized=False):
    """(N, 3, 12, 16) pictures to (N, 2) commands; the first dense layer reads a flattened picture.

    Args:
        normalized: Whether pictures are normalized by the network, as the document's are.
    """
    first = [("BatchNormalization", "image s s s t", "normal")] if normalized else []
    seen = "normal" if normalized else "image"
    return Network.of_onnx(
        graph_of(
            [
                *first,
                (
                    "Conv",
                    f"{seen} c1 d1",
                    "a",
                    {"strides": [2, 2], "pads": [1, 1, 1, 1]},
                ),
                ("Relu", "a", "b"),
                ("Conv", "b c2 d2", "c"),
                ("Relu", "c", "d"),
                ("Flatten", "d", "e"),
                ("Gemm", "e w1 v1", "f", {"transB": 1}),
                ("Relu", "f", "g"),
                ("Gemm", "g w2 v2", "command", {"transB": 1}),
            ],
            {"image": ("batch", 3, 12, 16)},
            {
                "s": random(3, low=0.5, high=0.8),
                "t": random(3, low=0.8, high=1.2),
                "c1": random(8, 3, 3, 3, low=-0.4, high=0.4),
                "d1": random(8),
                "c2": random(12, 8, 3, 3, low=-0.2, high=0.2),
                "d2": random(12),
                "w1": random(16, 288, low=-0.1, high=0.1),
                "v1": random(16),
                "w2": random(2, 16, low=-0.4, high=0.4),
                "v2": random(2),
            },
            ("command",),
        )
    )


def samples(count, seed, targets=False):
    """Pictures of a robot, bytes that its own preprocess makes floats of."""
    raw = np.random.default_rng(seed).integers(0, 256, (count, 3, 12, 16)).astype(np.uint8)
    made = Samples({"camera": raw}, _preprocess)
    if not targets:
        return made
    with open_network(network()) as session:
        wanted = outputs_of(session, made)
    return Samples({"camera": raw}, _preprocess, {"command": wanted["command"] + 1})


def _preprocess(inputs):
    return {"image": inputs["camera"].astype(np.float32) / 128 - 1}


TEST = samples(40, 4)


def context(**more):
    """What a pass gets: parts without a common sample."""
    given = {"training": samples(64, 1), "calibration": samples(24, 2), "validation": samples(8, 3), **more}
    return Context(LITERT, network(), **given)


def applied(name, given=None, before=None, **fields):
    """What a pass makes of a network."""
    before = before or network()
    return make_pass(name, fields).apply(before, given or context())


def answers(made):
    """Commands for the test samples, and the session's kernels, inputs and outputs."""
    target = LITERT if made.format == "tflite" else Target()
    with open_network(made, target) as session:
        kernels = session.kernels() if made.format == "tflite" else None
        return outputs_of(session, TEST)["command"], kernels, session.inputs, session.outputs


def weights_of(made):
    """Weights of convolutions and dense layers in a LiteRT file: arrays whose first axis is the output channel."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = {schema.TensorType.INT8: np.int8, schema.TensorType.FLOAT32: np.float32}
    model = schema.Model.GetRootAs(made.data)
    graph = model.Subgraphs(0)
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
            tensor = graph.Tensors(operator.Inputs(1))
            data = model.Buffers(tensor.Buffer()).DataAsNumpy()
            found.append(data.view(kinds[tensor.Type()]).reshape(tensor.ShapeAsNumpy()))
    return found
