"""ONNX's QuantizeLinear and DequantizeLinear as the operators of torch that its compiler turns into integer kernels.

torch multiplies by the reciprocal of the scale where ONNX divides by the scale, so that single values that lie
between two integers may be rounded the other way.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from rilaas.infer.torch_elementwise import convert_type
from rilaas.infer.torch_reader import Operation, Quantized, Reader

_SMALLEST = 2.0**-12  # scale, as torch's own dynamic quantization has it
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
    if isinstance(reader.value(step, 1), fx.Node):
        return _dynamic(reader, step)
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


def _choose(reader: Reader, step: Operation) -> Any:
    """DynamicQuantizeLinear: ranges of what is there now, as uint8."""
    operators, x = quantized_operators(), reader.tensor(step, 0)
    found = reader.call(operators.choose_qparams.tensor, x, 0, 255, _SMALLEST, torch.uint8)
    scale, zero = (reader.call(operator.getitem, found, index) for index in (0, 1))
    made = reader.call(operators.quantize_per_tensor.tensor, x, scale, zero, 0, 255, torch.uint8)
    return made, reader.call(convert_type, scale, torch.float32), zero  # torch's own is float64


def _dynamic(reader: Reader, step: Operation) -> Any:
    """QuantizeLinear or DequantizeLinear with a scale that is found while the network runs."""
    operators = quantized_operators()
    function = {
        "QuantizeLinear": operators.quantize_per_tensor.tensor,
        "DequantizeLinear": operators.dequantize_per_tensor.tensor,
    }[step.type]
    x, scale, zero = (reader.tensor(step, index) for index in range(3))
    if isinstance(scale, fx.Node) and scale.target is convert_type:
        scale = scale.args[0]
    if not isinstance(zero, fx.Node):
        raise step.refused("its scale is computed, but not its zero point")
    return reader.call(function, x, scale, zero, 0, 255, torch.uint8)


def _matmul_integer(reader: Reader, step: Operation) -> Any:
    """MatMulInteger: as float, which is exact below 2**24 and close above."""
    a, b, a_zero, b_zero = (reader.tensor(step, index) for index in range(4))
    return reader.call(integer_product, a, b, a_zero, b_zero)


def integer_product(a: Tensor, b: Tensor, a_zero: Tensor | None, b_zero: Tensor | None) -> Tensor:
    """(a - a_zero) @ (b - b_zero)."""
    left = a.float() if a_zero is None else a.float() - a_zero.float()
    right = b.float() if b_zero is None else b.float() - b_zero.float()
    return left @ right


def _conv_integer(reader: Reader, step: Operation) -> Any:
    x, kernel, x_zero, zero = (reader.tensor(step, index) for index in range(4))
    if isinstance(kernel, fx.Node) or isinstance(zero, fx.Node) or kernel.dim() != 4:
        raise step.refused("only images and constant weights are supported")
    known = kernel.float() if zero is None else kernel.float() - zero.reshape(-1, *[1] * (zero.dim() * 3)).float()
    pads = step.get("pads") or [0, 0, 0, 0]
    if step.get("auto_pad", "NOTSET") != "NOTSET":
        raise step.refused("auto_pad is not supported", "Export it with explicit pads.")
    strides, dilations = tuple(step.get("strides") or (1, 1)), tuple(step.get("dilations") or (1, 1))
    around = [pads[1], pads[3], pads[0], pads[2]]
    return reader.call(integer_conv, x, known, x_zero, around, strides, dilations, step.get("group", 1))


def integer_conv(
    x: Tensor, kernel: Tensor, zero: Tensor | None, pads: list[int], strides: Any, dilations: Any, groups: int
) -> Tensor:
    """A convolution of ``x - zero``, padded with zeros."""
    given = x.float() if zero is None else x.float() - zero.float()
    return functional.conv2d(functional.pad(given, pads), kernel, None, strides, 0, dilations, groups)


def _dequantize(reader: Reader, step: Operation) -> Any:
    if isinstance(reader.value(step, 1), fx.Node):
        return _dynamic(reader, step)
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
    "ConvInteger": _conv_integer,
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _choose,
    "MatMulInteger": _matmul_integer,
    "QuantizeLinear": _quantize,
}
