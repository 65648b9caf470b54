"""QuantizeLinear and DequantizeLinear around what is to be computed with integers.

The one form of int8 that onnxruntime, OpenVINO, TensorRT and torch all read: activations in u8 with a zero point,
weights in s8, symmetric, one scale for each output channel, biases in s32. On x86 with VNNI this pair of types is the
fastest (s8 with s8 took 1.2 times as long in onnxruntime, u8 with u8 1.8 times).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, MissingDependency
from rilaas.infer.onnx_session import import_onnxruntime
from rilaas.optimize.network import Network
from rilaas.optimize.passes.graph import MATRIX_OPS, Graph
from rilaas.optimize.passes.ranges import Ranges

# What moves eight-bit values without computing, and sums and maxima that int8 does not hurt.
MOVING_OPS = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "Pad",
    "Relu",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
FALLBACK_OPS = (*MATRIX_OPS, *MOVING_OPS)
INTEGER_OPS = (*FALLBACK_OPS, "Gather", "HardSigmoid", "LeakyRelu", "Mul", "Sigmoid", "Softmax", "Sub", "Tanh")
_RESHAPING = ("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is quantized, and how.

    Attributes:
        keep_float: Names of nodes that stay in float.
        only: Names of the nodes that are quantized; empty for all of ``ops``.
        ops: Operators that are quantized.
        per_channel: One scale for each output channel of weights instead of one for all.
        reduce_range: Seven bits for weights: without VNNI, sums of two products overflow 16 bits on x86.
        float_outputs: Whether layers that give the network's outputs give them in float, not in 256 steps.
    """

    keep_float: Collection[str] = ()
    only: Collection[str] = ()
    ops: Collection[str] = FALLBACK_OPS
    per_channel: bool = True
    reduce_range: bool = False
    float_outputs: bool = True


def insert_qdq(network: Network, ranges: Ranges, choice: Choice) -> Network:
    """Quantize a network by ranges of its activations.

    Args:
        network: Float ONNX.
        ranges: Of every tensor that is quantized.
        choice: What of it, and how.

    Raises:
        InvalidInput: It is quantized already, or has nothing that could be.
    """
    from onnx import TensorProto, shape_inference

    graph = Graph(network.to_onnx())
    check_float(graph)
    quantizer, data = _onnxruntime_quantizer()
    quantizer = quantizer(
        shape_inference.infer_shapes(graph.model),
        choice.per_channel,
        choice.reduce_range,
        TensorProto.INT8,
        TensorProto.UINT8,
        data({name: _pair(*ends) for name, ends in ranges.items()}),
        sorted(choice.only) or None,
        sorted(choice.keep_float),
        sorted(choice.ops),
        {"MinimumRealRange": 1e-6},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    model = quantizer.model.model
    model.producer_name, model.producer_version = network.to_onnx().producer_name, ""
    result = Graph(model)
    if choice.float_outputs:
        for name in result.outputs:
            _give_float(result, name)
    return Network.of_onnx(result.tidy())


def check_float(graph: Graph) -> None:
    """Raise ``InvalidInput`` where a network is quantized already, or has no layer with constant weights."""
    if any(node.op_type in ("QuantizeLinear", "ConvInteger", "MatMulInteger", "QLinearConv") for node in graph.nodes):
        raise InvalidInput("The network is quantized already.", "Put one pass of the family quantize into a recipe.")
    if not graph.layers():
        raise InvalidInput(
            "The network has no convolution or matrix product with constant weights: there is nothing to quantize."
        )


def _give_float(graph: Graph, name: str) -> None:
    """Drop the last quantization before an output, and those before the reshapes on the way to it."""
    while name:
        restore = graph.producer(name)
        if restore is None or restore.op_type != "DequantizeLinear":
            return
        round_off = graph.producer(restore.input[0])
        if round_off is None or round_off.op_type != "QuantizeLinear":
            return
        source = round_off.input[0]
        maker = graph.producer(source)
        if maker is None or graph.only_consumer(source) is None or graph.only_consumer(round_off.output[0]) is None:
            return
        if name not in graph.outputs and graph.only_consumer(name) is None:
            return
        graph.nodes.remove(round_off)
        graph.nodes.remove(restore)
        graph.rename(source, name)
        name = maker.input[0] if maker.op_type in _RESHAPING else ""


def _pair(low: float, high: float) -> tuple[Any, Any]:
    return np.array(low, np.float32), np.array(high, np.float32)


def _onnxruntime_quantizer() -> tuple[Any, Any]:
    """The class of onnxruntime that inserts the nodes, and what makes ranges for it."""
    import_onnxruntime()
    try:
        from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    except ImportError as error:
        raise MissingDependency(
            "Quantization needs the package onnx.", "Install it with: pip install 'rilaas[optimize]'"
        ) from error
    return QDQQuantizer, lambda ranges: TensorsData(CalibrationMethod.MinMax, ranges)
