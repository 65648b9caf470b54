"""The convolutions and matrix products of an ONNX graph: what they store, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_QDQ = ("QuantizeLinear", "DequantizeLinear")
_PASSES_ON = (*_QDQ, "Cast", "Transpose", "Identity", "Reshape")
# operator: position of what flows through, of the weights, and of the zero point of the weights (None: stored as is)
_OPERATORS: Mapping[str, tuple[int, int, int | None]] = {
    "Conv": (0, 1, None),
    "ConvTranspose": (0, 1, None),
    "Gemm": (0, 1, None),
    "MatMul": (0, 1, None),
    "ConvInteger": (0, 1, 3),
    "MatMulInteger": (0, 1, 3),
    "QLinearConv": (0, 3, 5),
    "QLinearMatMul": (0, 3, 5),
    "QGemm": (0, 3, 5),
}


@dataclass(frozen=True, slots=True)
class Product:
    """One convolution or matrix product of a graph.

    Attributes:
        weights: As the file stores them; None where both sides are computed.
        zero: Zero point of stored integers, broadcastable to the weights.
        macs: Multiplications for one sample.
    """

    weights: NDArray[Any] | None
    zero: NDArray[Any] | int
    macs: int

    @property
    def is_integer(self) -> bool:
        """Whether it is stored in at most 8 bits."""
        return self.weights is not None and self.weights.dtype.kind in "iu" and self.weights.dtype.itemsize == 1


def constants_of(model: Any) -> list[NDArray[Any]]:
    """Arrays that are parameters: neither shapes nor axes nor scales nor zero points."""
    graph = model.graph
    arrays = dict(_arrays(graph))
    scales = {name for node in graph.node if node.op_type in _QDQ for name in node.input[1:]}
    for node in graph.node:
        if node.op_type in _OPERATORS and "Q" in node.op_type:
            scales.update(name for index, name in enumerate(node.input) if index not in (0, 3, 8))
        elif node.op_type.endswith("Integer"):
            scales.update(node.input[2:])
    return [
        array
        for name, array in arrays.items()
        if name not in scales and (array.dtype.kind not in "iu" or array.dtype.itemsize < 8) and array.ndim
    ]


def _arrays(graph: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    from onnx import numpy_helper

    for tensor in graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    yield node.output[0], numpy_helper.to_array(attribute.t)


def products_of(model: Any) -> list[Product]:
    """All convolutions and matrix products with their weights and multiplications."""
    graph = model.graph
    arrays, shapes = dict(_arrays(graph)), _shapes(model)
    makers = {name: node for node in graph.node for name in node.output}
    found = []
    for node in graph.node:
        if node.op_type not in _OPERATORS:
            continue
        _, position, zero_position = _OPERATORS[node.op_type]
        weights, zero = _stored(node.input[position], arrays, makers)
        if zero_position is not None and len(node.input) > zero_position:
            zero = arrays.get(node.input[zero_position], 0)
        shape = shapes.get(node.input[position]) or (weights.shape if weights is not None else ())
        zero = _aligned(zero, weights)
        found.append(Product(weights, zero, _macs(node, shapes, shape)))
    return found


def _stored(
    name: str, arrays: Mapping[str, NDArray[Any]], makers: Mapping[str, Any]
) -> tuple[NDArray[Any] | None, NDArray[Any] | int]:
    """What the file stores behind an input, through quantization and casts, and the zero point of it."""
    zero: NDArray[Any] | int = 0
    while name not in arrays:
        node = makers.get(name)
        if node is None or node.op_type not in _PASSES_ON:
            return None, 0
        if node.op_type == "DequantizeLinear" and len(node.input) > 2:
            zero = arrays.get(node.input[2], 0)
        name = node.input[0]
    return arrays[name], zero


def _aligned(zero: NDArray[Any] | int, weights: NDArray[Any] | None) -> NDArray[Any] | int:
    """A zero point for each channel along the axis that has as many."""
    if weights is None or isinstance(zero, int) or zero.size <= 1:
        return int(zero.ravel()[0]) if isinstance(zero, np.ndarray) and zero.size else 0
    axis = next((axis for axis, size in enumerate(weights.shape) if size == zero.size), None)
    if axis is None:
        return 0
    return zero.reshape([-1 if each == axis else 1 for each in range(weights.ndim)])


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors for one sample; 1 where nobody knows."""
    import onnx

    model = onnx.ModelProto.FromString(model.SerializeToString())
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        for dim in dims:
            if not dim.HasField("dim_value") or dim.dim_value <= 0:
                dim.dim_value = 1
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim[:1]:
            dim.ClearField("dim_param")
            dim.ClearField("dim_value")
    del model.graph.value_info[:]  # shapes of the free batch axis would stand against those of one sample
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # of no common class; a graph of unknown operators
        return {}
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    shapes = {value.name: tuple(dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim) for value in values}
    shapes.update({tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer})
    return shapes


def _macs(node: Any, shapes: Mapping[str, tuple[int, ...]], weights: tuple[int, ...]) -> int:
    """Multiplications of one product; 0 where shapes are not known."""
    given, out = shapes.get(node.input[0], ()), shapes.get(node.output[0], ())
    if not weights or not out:  # quantized operators outside the standard have no known shapes
        return math.prod(weights) if len(weights) == 2 else 0
    counts: Mapping[str, Callable[[], int]] = {
        "Conv": lambda: math.prod(out) * math.prod(weights[1:]),
        "ConvInteger": lambda: math.prod(out) * math.prod(weights[1:]),
        "QLinearConv": lambda: math.prod(out) * math.prod(weights[1:]),
        "ConvTranspose": lambda: math.prod(given) * math.prod(weights[1:]),
    }
    if node.op_type in counts:
        return counts[node.op_type]()
    inner = given[-1] if given else weights[0]
    return math.prod(out) * inner
