"""Dynamic-range int8: weights are quantized once, activations at run time; no data are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rilaas.core import InvalidInput, MissingDependency, did_you_mean
from rilaas.infer.onnx_session import import_onnxruntime
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.fold import FoldNormalization
from rilaas.optimize.passes.graph import Graph, attribute
from rilaas.optimize.passes.qdq import check_float

ACTIVATIONS = ("dynamic", "float")


@dataclass(frozen=True)
class QuantizeDynamic:
    """Weights in s8, a quarter of the file; activations in u8 with the range of the sample at hand, or in float.

    ``dynamic`` computes with integers: MatMulInteger behind DynamicQuantizeLinear, which looks at every activation
    twice. onnxruntime runs it, at about the speed of float for a small network; OpenVINO reads it and computes it in
    float. ``float`` restores the weights to float: the size alone changes, and any runtime reads it. OpenVINO does
    that once, when it loads the file, onnxruntime at every call (738 us instead of 412 for the RA-L study's network).

    Attributes:
        activations: ``dynamic`` or ``float``.
        convolutions: Whether convolutions are quantized, and not matrix products alone. onnxruntime's ConvInteger is
            slow: 2100 us instead of 395 for the network of the RA-L study; PyTorch has none.
        per_channel: One scale for each output channel of weights instead of one for all.
        min_macs: Layers with fewer multiplications for one sample stay in float; see ``quantize.static``.
    """

    name: ClassVar[str] = "quantize.dynamic"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    activations: str = "dynamic"
    convolutions: bool = False
    per_channel: bool = True
    min_macs: int = 1000

    def __post_init__(self) -> None:
        if self.activations not in ACTIVATIONS:
            raise InvalidInput(
                f"activations = {self.activations!r} does not exist.", did_you_mean(self.activations, ACTIVATIONS)
            )
        if self.min_macs < 0:
            raise InvalidInput(f"min_macs = {self.min_macs}: it is at least 0.")

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        network = FoldNormalization().apply(network, context)
        check_float(Graph(network.to_onnx()))
        return self._integers(network) if self.activations == "dynamic" else self._weights(network)

    def _integers(self, network: Network) -> Network:
        from onnx import TensorProto, shape_inference

        import_onnxruntime()
        try:
            from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
            from onnxruntime.quantization.quant_utils import QuantizationMode
        except ImportError as error:
            raise MissingDependency(
                "Quantization needs the package onnx.", "Install it with: pip install 'rilaas[optimize]'"
            ) from error
        model = network.to_onnx()
        producer = model.producer_name
        quantizer = ONNXQuantizer(
            shape_inference.infer_shapes(_gemm_as_matmul(model)),
            self.per_channel,
            False,
            QuantizationMode.IntegerOps,
            False,
            TensorProto.INT8,
            TensorProto.UINT8,
            None,
            None,
            sorted(Graph(network.to_onnx()).small_layers(self.min_macs)),
            ["MatMul", *(["Conv"] if self.convolutions else [])],
            {"MatMulConstBOnly": True},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        result = quantizer.model.model
        result.producer_name, result.producer_version = producer, ""
        return Network.of_onnx(Graph(result).tidy())

    def _weights(self, network: Network) -> Network:
        from onnx import helper

        graph = Graph(network.to_onnx())
        restored: dict[str, str] = {}
        small = graph.small_layers(self.min_macs)
        for layer in graph.layers():
            if layer.name in small or (layer.op.startswith("Conv") and not self.convolutions):
                continue
            node = next(node for node in graph.nodes if node.name == layer.name)
            at = list(node.input).index(layer.weight)
            if layer.weight not in restored:
                array = np.asarray(graph.array(layer.weight))
                axis = _output_axis(node, array.ndim)
                scale = _scale(array, axis if self.per_channel else None)
                shape = [-1 if each == axis and self.per_channel else 1 for each in range(array.ndim)]
                whole = np.rint(array / scale.reshape(shape if self.per_channel else ())).clip(-127, 127)
                names = [
                    graph.constant(whole.astype(np.int8), f"{layer.weight}.s8"),
                    graph.constant(scale, f"{layer.weight}.scale"),
                ]
                restored[layer.weight] = graph.fresh(f"{layer.weight}.float")
                extra = {"axis": axis} if self.per_channel else {}
                graph.nodes.insert(
                    0, helper.make_node("DequantizeLinear", names, [restored[layer.weight]], names[0], **extra)
                )
            node.input[at] = restored[layer.weight]
        return Network.of_onnx(graph.tidy())


def _scale(array: Any, axis: int | None) -> Any:
    """Scale of symmetric s8, of each channel along an axis or of all; 1 where all weights are 0."""
    others = None if axis is None else tuple(each for each in range(array.ndim) if each != axis)
    size = np.abs(array).max(axis=others)
    return np.asarray(np.where(size > 0, size / 127, 1.0), np.float32)


def _output_axis(node: Any, rank: int) -> int:
    """The axis of the weights that counts the output channels."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return 1 if node.op_type == "ConvTranspose" else rank - 1


def _gemm_as_matmul(model: Any) -> Any:
    """Gemm with constant weights as MatMul and Add: there is no Gemm of dynamic integers."""
    from onnx import helper

    graph = Graph(model)
    for node in list(graph.nodes):
        weight = graph.array(node.input[1]) if node.op_type == "Gemm" else None
        if weight is None or attribute(node, "transA", 0):
            continue
        turned = weight.T if attribute(node, "transB", 0) else weight
        factor = graph.constant(
            (turned * attribute(node, "alpha", 1.0)).astype(np.float32), f"{node.input[1]}.turned"
        )
        has_bias = len(node.input) > 2 and node.input[2]
        bias = graph.array(node.input[2]) if has_bias else None
        if has_bias and bias is None:
            continue
        out = node.output[0] if bias is None else graph.fresh(f"{node.output[0]}.product")
        nodes = [helper.make_node("MatMul", [node.input[0], factor], [out], f"{node.name}")]
        if bias is not None:
            summand = graph.constant(
                (bias * attribute(node, "beta", 1.0)).astype(np.float32), f"{node.input[2]}.summand"
            )
            nodes.append(helper.make_node("Add", [out, summand], [node.output[0]], f"{node.name}.bias"))
        place = list(graph.nodes).index(node)
        graph.nodes.remove(node)
        for new in reversed(nodes):
            graph.nodes.insert(place, new)
    return graph.tidy()
