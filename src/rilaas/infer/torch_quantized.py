"""ONNX's QuantizeLinear and DequantizeLinear as the operators of torch that its compiler turns into integer kernels.

torch multiplies by the reciprocal of the scale where ONNX divides by the scale, so that single values that lie
between two integers may be rounded the other way.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from rilaas.infer.torch_reader import Operation, Quantized, Reader

_RANGES = {torch.uint8: (0, 255), torch.int8: (-128, 127), torch.int16: (-32768, 32767)}


def quantized_operators() -> Any:
    """``torch.ops.quantized_decomposed``, whose operators exist once this module of torch is loaded."""
    importlib.import_module("torch.ao.quantization.fx._decomposed")
    return torch.ops.quantized_decomposed


def _scales(reader: Reader, step: Operation) -> tuple[Tensor, Tensor]:
    scale, zero = (reader.constant(step, index, "scales and zero points") for index in (1, 2))
    assert scale is not None
    if step.get("block_size", 0):
        raise step.refused("scales by block are not supported")
    if zero is None:
        zero = torch.zeros(scale.shape, dtype=torch.uint8)
    return (scale.reshape(()), zero.reshape(())) if scale.numel() == 1 else (scale, zero)


def _quantize(reader: Reader, step: Operation) -> Any:
    scale, zero = _scales(reader, step)
    low, high = _range(step, zero.dtype)
    operators = quantized_operators()
    if scale.dim():
        axis = step.get("axis", 1) % reader.rank(step)
        return reader.call(
            operators.quantize_per_channel.default, reader.tensor(step, 0), scale, zero.long(), axis, low, high,
            zero.dtype,
        )  # fmt: skip
    return reader.call(
        operators.quantize_per_tensor.default, reader.tensor(step, 0), float(scale), int(zero), low, high, zero.dtype
    )


def _dequantize(reader: Reader, step: Operation) -> Any:
    scale, zero = _scales(reader, step)
    value = reader.tensor(step, 0)
    axis = step.get("axis", 1)
    if isinstance(value, Tensor):
        if len(step.inputs) < 3 or not step.inputs[2]:
            zero = zero.to(value.dtype)
        return Quantized(value, scale, zero, axis % max(1, value.dim()))
    low, high = _range(step, zero.dtype)
    operators = quantized_operators()
    if scale.dim():
        return reader.call(
            operators.dequantize_per_channel.default, value, scale, zero.long(), axis % reader.rank(step), low, high,
            zero.dtype,
        )  # fmt: skip
    return reader.call(operators.dequantize_per_tensor.default, value, float(scale), int(zero), low, high, zero.dtype)


def dequantized_weights(reader: Reader, weights: Quantized, name: str) -> fx.Node:
    """Weights that stay integers in the graph."""
    operators = quantized_operators()
    if weights.data.dtype not in _RANGES:
        node: fx.Node = reader.parameter(weights.as_float())
        return node
    low, high = _RANGES[weights.data.dtype]
    reader.names.setdefault(id(weights.data), name)
    data = reader.stored(weights.data)
    if weights.scale.dim():
        scale, zero = reader.stored(weights.scale), reader.stored(weights.zero_point.long())
        given = (data, scale, zero, weights.axis, low, high, weights.data.dtype)
        return reader.graph.call_function(operators.dequantize_per_channel.default, given)
    numbers = (data, float(weights.scale), int(weights.zero_point), low, high, weights.data.dtype)
    return reader.graph.call_function(operators.dequantize_per_tensor.default, numbers)


def _range(step: Operation, dtype: torch.dtype) -> tuple[int, int]:
    if dtype not in _RANGES:
        raise step.refused(f"torch does not quantize to {str(dtype).removeprefix('torch.')}")
    return _RANGES[dtype]


OPERATORS: dict[str, Callable[[Reader, Operation], Any]] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
}
