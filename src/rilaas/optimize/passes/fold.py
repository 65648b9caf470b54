"""Folding: what is the same for every sample is computed once, into the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.graph import Graph, attribute, set_attribute

_BEHIND = ("Conv", "ConvTranspose", "Gemm")
_MAX_CONSTANT_BYTES = 16 * 2**20  # a constant that would become larger than this is left to the runtime
_NOT_CONSTANT = ("QuantizeLinear", "DequantizeLinear", "If", "Loop", "Scan", "Cast")
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class FoldNormalization:
    """Batch normalization, and Mul, Add, Sub, Div by constants, go into the weights beside them.

    Behind a convolution or Gemm ``y = W x + b`` the factor s and summand t of each channel give ``W' = s W``,
    ``b' = s b + t``. Before one they give ``W' = W s``, ``b' = b + W t``, as in the network of the RA-L study, which
    begins with a normalization. Before a convolution with padding that holds only where t = 0, for the padded border
    is 0 whatever t is: such a normalization stays. Computed in float64: the outputs differ by float rounding only.

    Constants are computed and nodes that do nothing at inference (Identity, Dropout) are left out.
    """

    name: ClassVar[str] = "fold.normalization"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        graph = Graph(network.to_onnx())
        _fold_constants(graph)
        while any(_folded(graph, node) for node in graph.nodes):
            pass
        return Network.of_onnx(graph.tidy())


def _folded(graph: Graph, node: Any) -> bool:
    """Fold one node into a neighbour; whether that was possible."""
    source = _computed_input(graph, node)
    if source is None:
        return False
    before = graph.producer(source)
    if before is not None and before.op_type in _BEHIND and graph.only_consumer(source) is node:
        affine = _affine(graph, node, _channels(graph, before, after=True))
        if affine is not None and _fold_behind(graph, before, *affine):
            graph.bypass(node, source)
            return True
    behind = graph.only_consumer(node.output[0])
    if behind is not None and behind.op_type in ("Conv", "Gemm") and behind.input[0] == node.output[0]:
        affine = _affine(graph, node, _channels(graph, behind, after=False))
        if affine is not None and _fold_before(graph, behind, *affine):
            graph.bypass(node, source)
            return True
    return False


def _computed_input(graph: Graph, node: Any) -> str | None:
    """The one input of an affine node that is not constant."""
    if node.op_type == "BatchNormalization":
        return str(node.input[0]) if len(node.output) == 1 and not attribute(node, "training_mode", 0) else None
    if node.op_type not in ("Mul", "Add", "Sub", "Div") or len(node.input) != 2:
        return None
    computed = [name for name in node.input if graph.array(name) is None]
    return str(computed[0]) if len(computed) == 1 else None


def _channels(graph: Graph, node: Any, *, after: bool) -> tuple[int, int]:
    """How many channels a layer gives (or takes), and the rank of that tensor; (0, 0) where nobody knows."""
    weight = graph.array(node.input[1])
    if weight is None or weight.dtype != np.float32:
        return 0, 0
    if node.op_type == "Gemm":
        is_turned = attribute(node, "transB", 0) == 1
        return weight.shape[0 if is_turned == after else 1], 2
    group = attribute(node, "group", 1)
    if node.op_type == "ConvTranspose":
        return (weight.shape[1], weight.ndim) if group == 1 and after else (0, 0)
    return (weight.shape[0] if after else weight.shape[1] * group), weight.ndim


def _affine(graph: Graph, node: Any, tensor: tuple[int, int]) -> tuple[Vector, Vector] | None:
    """Factor and summand of each channel; None where a node is not of that kind."""
    channels, rank = tensor
    if not channels:
        return None
    if node.op_type == "BatchNormalization":
        values = [graph.array(name) for name in node.input[1:5]]
        if any(value is None or value.shape != (channels,) for value in values):
            return None
        gamma, beta, mean, var = (np.asarray(value, np.float64) for value in values)
        factor = gamma / np.sqrt(var + attribute(node, "epsilon", 1e-5))
        return factor, beta - mean * factor
    place = 0 if graph.array(node.input[0]) is not None else 1
    vector = _by_channel(graph.array(node.input[place]), channels, rank)
    if vector is None:
        return None
    ones, zeros = np.ones(channels), np.zeros(channels)
    if node.op_type == "Mul":
        return vector, zeros
    if node.op_type == "Add":
        return ones, vector
    if node.op_type == "Sub":
        return (ones, -vector) if place == 1 else (-ones, vector)
    return (1.0 / vector, zeros) if place == 1 and vector.all() else None


def _by_channel(array: NDArray[Any] | None, channels: int, rank: int) -> Vector | None:
    """A constant as one value a channel; None where it differs along another axis."""
    if array is None or array.ndim > rank or array.dtype != np.float32:
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if shape[1] not in (1, channels) or any(size != 1 for axis, size in enumerate(shape) if axis != 1):
        return None
    return np.broadcast_to(array.astype(np.float64).reshape(-1), (channels,)).copy()


def _fold_behind(graph: Graph, layer: Any, factor: Vector, summand: Vector) -> bool:
    """``s (W x + b) + t`` into W and b."""
    weight = np.asarray(graph.array(layer.input[1]), np.float64)
    axis = 0 if layer.op_type == "Conv" or (layer.op_type == "Gemm" and attribute(layer, "transB", 0)) else 1
    bias = _bias(graph, layer, len(factor))
    if bias is None:
        return False
    shape = [1] * weight.ndim
    shape[axis] = -1
    _set(graph, layer, weight * factor.reshape(shape), bias * factor + summand)
    return True


def _fold_before(graph: Graph, layer: Any, factor: Vector, summand: Vector) -> bool:
    """``W (s x + t) + b`` into W and b; not where zeros are padded between and t is not 0."""
    weight = np.asarray(graph.array(layer.input[1]), np.float64)
    if layer.op_type == "Gemm":
        is_turned = attribute(layer, "transB", 0)
        columns = weight if is_turned else weight.T  # (out, in)
        bias = _bias(graph, layer, len(columns))
        if bias is None or attribute(layer, "transA", 0):
            return False
        bias = bias + attribute(layer, "alpha", 1.0) * (columns @ summand)
        _set(graph, layer, (columns * factor if is_turned else (columns * factor).T), bias)
        return True
    is_padded = any(attribute(layer, "pads", ())) or attribute(layer, "auto_pad", b"NOTSET") not in (
        b"NOTSET",
        b"VALID",
    )
    bias = _bias(graph, layer, len(weight))
    if bias is None or (is_padded and summand.any()):
        return False
    groups = attribute(layer, "group", 1)
    rows = np.arange(len(weight)) // (len(weight) // groups)  # the group of each output channel
    columns = rows[:, None] * weight.shape[1] + np.arange(weight.shape[1])  # (out, in of the group)
    shape = (*columns.shape, *[1] * (weight.ndim - 2))
    bias = bias + (weight * summand[columns].reshape(shape)).reshape(len(weight), -1).sum(axis=1)
    _set(graph, layer, weight * factor[columns].reshape(shape), bias)
    return True


def _bias(graph: Graph, layer: Any, channels: int) -> Vector | None:
    """What a layer adds, one value a channel; None where that is computed or of another shape."""
    if len(layer.input) < 3 or not layer.input[2]:
        return np.zeros(channels)
    array = graph.array(layer.input[2])
    if array is None or array.dtype != np.float32 or array.size not in (1, channels):
        return None
    if array.ndim == 2 and array.shape[0] != 1:
        return None
    bias = np.broadcast_to(array.astype(np.float64).reshape(-1), (channels,)).copy()
    return bias * attribute(layer, "beta", 1.0) if layer.op_type == "Gemm" else bias


def _set(graph: Graph, layer: Any, weight: Vector, bias: Vector) -> None:
    """Give a layer weights and bias of its own: others may share the old ones."""
    layer_weight = graph.constant(weight.astype(np.float32), f"{layer.input[1]}.folded")
    layer_bias = graph.constant(bias.astype(np.float32), f"{layer.name}.bias.folded")
    rest = [layer.input[0], layer_weight, layer_bias]
    del layer.input[:]
    layer.input.extend(rest)
    if layer.op_type == "Gemm":
        set_attribute(layer, "beta", 1.0)


def _fold_constants(graph: Graph) -> None:
    """Compute what depends on constants alone, and leave out what does nothing."""
    from onnx import numpy_helper

    for node in list(graph.nodes):
        if node.op_type == "Constant" and node.attribute[0].name == "value" and node.output[0] not in graph.outputs:
            tensor = node.attribute[0].t
            graph.nodes.remove(node)
            graph.add(numpy_helper.from_array(numpy_helper.to_array(tensor), node.output[0]))
        elif node.op_type == "Identity" or (node.op_type == "Dropout" and _does_nothing(graph, node)):
            if graph.array(node.input[0]) is None and node.input[0] not in (*graph.inputs, *graph.outputs):
                graph.bypass(node, node.input[0])
        elif node.input and not node.domain and node.op_type not in _NOT_CONSTANT:
            _compute(graph, node)


def _does_nothing(graph: Graph, node: Any) -> bool:
    training = graph.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    is_off = len(node.input) < 3 or not node.input[2] or (training is not None and not training.any())
    return is_off and not (len(node.output) > 1 and graph.consumers(node.output[1]))


def _compute(graph: Graph, node: Any) -> None:
    """Replace a node that takes constants alone by its value."""
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    given = {name: graph.array(name) for name in node.input if name}
    is_large = sum(array.nbytes for array in given.values() if array is not None) > _MAX_CONSTANT_BYTES
    if any(array is None for array in given.values()) or is_large or set(node.output) & set(graph.outputs):
        return
    if node.op_type in ("ConstantOfShape", "Expand", "Range", "Tile") or node.op_type.startswith("Random"):
        return
    body = helper.make_graph(
        [node],
        "constant",
        [helper.make_value_info(name, helper.make_tensor_type_proto(*_kind(array))) for name, array in given.items()],
        [helper.make_value_info(name, helper.make_tensor_type_proto(0, None)) for name in node.output],
    )
    model = helper.make_model(body, opset_imports=graph.model.opset_import)
    try:
        values = ReferenceEvaluator(model).run(None, given)
    except Exception:  # an operator that the reference does not know: the runtime computes it
        return
    graph.nodes.remove(node)
    for name, value in zip(node.output, values, strict=True):
        graph.add(numpy_helper.from_array(np.asarray(value), name))


def _kind(array: Any) -> tuple[int, tuple[int, ...]]:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
