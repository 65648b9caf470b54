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
# What integer kernels exist for besides; in float they would be more exact.
INTEGER_OPS = (*FALLBACK_OPS, "Gather", "LeakyRelu", "Mul", "Sigmoid", "Softmax")
_QUANTIZED = ("ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear")
_BEFORE_OUTPUT = "_QuantizeLinear_Input"  # what onnxruntime calls an output before it rounds it
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

    original = Graph(network.to_onnx())
    check_float(original)
    model = original.model
    quantizer, data = _onnxruntime_quantizer()
    quantizer = quantizer(
        shape_inference.infer_shapes(model),
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
    result = Graph(quantizer.model.model)
    result.model.producer_name, result.model.producer_version = network.to_onnx().producer_name, ""
    while any(_dropped(result, original, node, choice) for node in list(result.nodes)):
        pass
    return Network.of_onnx(result.tidy())


def check_float(graph: Graph) -> None:
    """Raise ``InvalidInput`` where a network is quantized already, or has no layer with constant weights."""
    if any(node.op_type in _QUANTIZED for node in graph.nodes):
        raise InvalidInput("The network is quantized already.", "Put one pass of the family quantize into a recipe.")
    if not graph.layers():
        raise InvalidInput(
            "The network has no convolution or matrix product with constant weights: there is nothing to quantize."
        )


def _dropped(graph: Graph, original: Graph, round_off: Any, choice: Choice) -> bool:
    """Take out a rounding to 256 steps that nobody multiplies with integers afterwards; whether it was one.

    Behind a convolution it stays, unless it leads to an output alone: onnxruntime's integer convolutions have integer
    results.
    """
    restore = graph.only_consumer(round_off.output[0]) if round_off.op_type == "QuantizeLinear" else None
    maker = graph.producer(round_off.input[0])
    if restore is None or maker is None or graph.only_consumer(round_off.input[0]) is None:
        return False
    name = restore.output[0]
    if any(_is_integer(graph, taker) for taker in graph.consumers(name)):
        return False
    if not (
        choice.float_outputs if _reaches_output(graph, name) else choice.only or maker.op_type in ("Gemm", "MatMul")
    ):
        return False
    source = round_off.input[0]
    tensor = source.removesuffix(_BEFORE_OUTPUT)  # as the float network calls it
    graph.nodes.remove(round_off)
    graph.nodes.remove(restore)
    graph.rename(source, name)
    activation = original.producer(tensor)
    if activation is not None and activation.op_type != maker.op_type and activation.op_type in ("Relu", "Clip"):
        _put_back(graph, maker, activation, name)
    return True


def _put_back(graph: Graph, maker: Any, activation: Any, name: str) -> None:
    """An activation that the range of the rounding had stood for."""
    inner = graph.fresh(f"{name}.before")
    at = list(maker.output).index(name)
    maker.output[at] = inner
    activation.input[0] = inner
    activation.output[0] = name
    graph.nodes.insert(list(graph.nodes).index(maker) + 1, activation)


def _is_integer(graph: Graph, node: Any) -> bool:
    """Whether a node works on restored integers and gives what is made integer again, or multiplies such weights."""
    if node.op_type in MATRIX_OPS:
        makers = [graph.producer(name) for name in node.input[:2]]
        return all(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)
    return any(taker.op_type == "QuantizeLinear" for name in node.output for taker in graph.consumers(name))


def _reaches_output(graph: Graph, name: str) -> bool:
    """Whether a tensor is an output of the network, or becomes one without anything being computed."""
    takers = graph.consumers(name)
    if name in graph.outputs:
        return True
    return bool(takers) and all(
        taker.op_type in _RESHAPING and _reaches_output(graph, taker.output[0]) for taker in takers
    )


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
