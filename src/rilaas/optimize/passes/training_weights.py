"""The weights of a network as its ONNX file holds them, and what of them has to stay as it is: zeros, clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput

_KINDS = {"Conv": "conv", "ConvTranspose": "conv", "Gemm": "linear", "MatMul": "linear"}
# A tensor counts as pruned from this share of exact zeros on; training alone hardly ever gives one.
_SPARSE = 0.01
# As clustered where it has no more distinct values than the first number, and than the second as a share of its size.
# Trained weights of small tensors are all distinct; to hold what is equal by chance together would do no harm.
_MOST_CLUSTERS, _MOST_DISTINCT = 256, 0.9


@dataclass(frozen=True, eq=False)
class WeightTensor:
    """What a convolution or a matrix product multiplies with; biases are none.

    Attributes:
        name: Of the initializer.
        kind: ``conv`` or ``linear``.
        axis: Of its output channels.
        value: float32.
    """

    name: str
    kind: str
    axis: int
    value: NDArray[np.float32]

    @property
    def rows(self) -> NDArray[np.float32]:
        """(channels, weights of each)."""
        return np.moveaxis(self.value, self.axis, 0).reshape(self.value.shape[self.axis], -1)

    def of_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The tensor's shape again, from ``rows`` of any type."""
        moved = list(self.value.shape)
        moved.insert(0, moved.pop(self.axis))
        return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, self.axis))


def weights_of(model: Any, needed_by: str) -> list[WeightTensor]:
    """All float weights, in the order of the graph; one that several nodes share comes once.

    Args:
        model: ``onnx.ModelProto``.
        needed_by: Name of the pass.

    Raises:
        InvalidInput: There are none: it is quantized, or has neither convolutions nor matrix products.
    """
    from onnx import TensorProto, numpy_helper

    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, WeightTensor] = {}
    for node in model.graph.node:
        name = node.input[1] if node.op_type in _KINDS else ""
        tensor = initializers.get(name)
        if tensor is None or name in found or tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        axis = _output_axis(node, len(tensor.dims))
        found[name] = WeightTensor(name, _KINDS[node.op_type], axis, numpy_helper.to_array(tensor))
    if not found:
        raise InvalidInput(
            f"The pass {needed_by} found no float weights in convolutions or matrix products.",
            "Put it before the pass that quantizes.",
        )
    return list(found.values())


def _output_axis(node: Any, dimensions: int) -> int:
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if any(each.name == "transB" and each.i for each in node.attribute) else 1
    return 1 if node.op_type == "ConvTranspose" else dimensions - 1


def set_weights(model: Any, values: Mapping[str, NDArray[Any]]) -> None:
    """Put arrays in the place of initializers, in the caller's own model.

    Args:
        model: ``onnx.ModelProto``.
        values: By name, of the same shape; stored as float32.
    """
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name in values:
            array = np.ascontiguousarray(values[tensor.name], np.float32)
            assert array.shape == tuple(tensor.dims), tensor.name
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def zeros_of(value: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where a pruned tensor is exactly 0; None where it is not pruned."""
    zeros = np.asarray(value == 0)
    return zeros if zeros.mean() >= _SPARSE else None


def clusters_of(weight: WeightTensor) -> NDArray[np.int64] | None:
    """Which cluster each weight of a clustered tensor belongs to; None where it is not clustered.

    Args:
        weight: Clustered as a whole, or each output channel for itself.

    Returns:
        Of the tensor's shape: numbers from 0 on, different ones in different channels where each has its own.
    """
    values, ids = np.unique(weight.value, return_inverse=True)
    if len(values) <= _MOST_CLUSTERS and len(values) <= _MOST_DISTINCT * weight.value.size:
        return ids.reshape(weight.value.shape).astype(np.int64)
    rows = weight.rows
    own, start = np.empty(rows.shape, np.int64), 0
    for row, channel in enumerate(rows):
        values, ids = np.unique(channel, return_inverse=True)
        if len(values) > _MOST_CLUSTERS:
            return None
        own[row] = ids + start
        start += len(values)
    return np.asarray(weight.of_rows(own)) if start <= _MOST_DISTINCT * weight.value.size else None
