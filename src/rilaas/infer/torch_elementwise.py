"""ONNX operators that work element by element, and reductions, in torch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rilaas.infer.torch_reader import ARITHMETIC, Operation, Reader, Sizes, of_sizes

DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    4: torch.uint16,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
"""By the number of ONNX's ``TensorProto.DataType``."""

_UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Asin": torch.asin,
    "Atan": torch.atan,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": functional.hardswish,
    "Log": torch.log,
    "Mish": functional.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}


def divide(a: Tensor, b: Tensor) -> Tensor:
    """Integers are divided toward zero, as ONNX has it."""
    return torch.div(a, b, rounding_mode="trunc" if not a.is_floating_point() else None)


_BINARY: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "Div": divide,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Mul": torch.mul,
    "Or": torch.logical_or,
    "Pow": torch.pow,
    "Sub": torch.sub,
    "Xor": torch.logical_xor,
}


def _unary(reader: Reader, step: Operation) -> Any:
    return reader.call(_UNARY[step.type], reader.tensor(step, 0))


def binary(reader: Reader, step: Operation) -> Any:
    """Two tensors, element by element; or arithmetic on shapes."""
    if step.type in ARITHMETIC and any(isinstance(reader.value(step, index), Sizes) for index in (0, 1)):
        return of_sizes(reader, step)
    return reader.call(_BINARY[step.type], reader.tensor(step, 0), reader.tensor(step, 1))


def _mod(reader: Reader, step: Operation) -> Any:
    if any(isinstance(reader.value(step, index), Sizes) for index in (0, 1)):
        return of_sizes(reader, step)
    function = torch.fmod if step.get("fmod", 0) else torch.remainder
    return reader.call(function, reader.tensor(step, 0), reader.tensor(step, 1))


def _many(function: Callable[..., Any]) -> Callable[[Reader, Operation], Any]:
    def convert(reader: Reader, step: Operation) -> Any:
        given = [reader.tensor(step, index) for index in range(len(step.inputs))]
        made = functools.reduce(lambda one, other: reader.call(function, one, other), given)
        return reader.call(torch.div, made, len(given)) if step.type == "Mean" else made

    return convert


def _with(function: Callable[..., Any], **attributes: tuple[str, float]) -> Callable[[Reader, Operation], Any]:
    """An activation with numbers: ``torch_name=(onnx_name, default)``."""

    def convert(reader: Reader, step: Operation) -> Any:
        numbers = {ours: step.get(theirs, default) for ours, (theirs, default) in attributes.items()}
        return reader.call(function, reader.tensor(step, 0), **numbers)

    return convert


def hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    """max(0, min(1, alpha * x + beta))."""
    return torch.clamp(alpha * x + beta, 0.0, 1.0)


def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """X where it is above alpha, else 0."""
    return torch.where(x > alpha, x, torch.zeros_like(x))


def _clip(reader: Reader, step: Operation) -> Any:
    low, high = (
        step.get(name) if step.get(name) is not None else reader.constant(step, index, "bounds")
        for name, index in (("min", 1), ("max", 2))
    )
    bounds = [
        None if bound is None else bound.item() if isinstance(bound, Tensor) else bound for bound in (low, high)
    ]
    if bounds == [None, None]:
        return reader.tensor(step, 0)
    if bounds == [0.0, 6.0]:
        return reader.call(functional.relu6, reader.tensor(step, 0))
    return reader.call(torch.clamp, reader.tensor(step, 0), min=bounds[0], max=bounds[1])


def _gelu(reader: Reader, step: Operation) -> Any:
    kind = step.get("approximate", "none")
    return reader.call(functional.gelu, reader.tensor(step, 0), approximate=kind)


def _softmax(reader: Reader, step: Operation) -> Any:
    function = {"Softmax": torch.softmax, "LogSoftmax": torch.log_softmax}[step.type]
    return reader.call(function, reader.tensor(step, 0), dim=step.get("axis", -1))


def _cast(reader: Reader, step: Operation) -> Any:
    to = step.get("to")
    if to not in DTYPES:
        raise step.refused("torch has no such datatype")
    value = reader.value(step, 0)
    if isinstance(value, Sizes) and DTYPES[to] in (torch.int32, torch.int64):
        return value
    return reader.call(convert_type, reader.tensor(step, 0), DTYPES[to])


def convert_type(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x`` as another datatype."""
    return x.to(dtype)


def _cast_like(reader: Reader, step: Operation) -> Any:
    return reader.call(torch.Tensor.type_as, reader.tensor(step, 0), reader.tensor(step, 1))


def _where(reader: Reader, step: Operation) -> Any:
    return reader.call(torch.where, *(reader.tensor(step, index) for index in range(3)))


def reduced(x: Tensor, how: str, axes: list[int] | None, keep: bool) -> Tensor:
    """A reduction over axes; over all where there are none."""
    over = list(range(x.dim())) if axes is None else axes
    if how == "Prod":
        for axis in sorted((axis % x.dim() for axis in over), reverse=True):
            x = torch.prod(x, axis, keepdim=keep)
        return x
    if how == "L2":
        return torch.sqrt(torch.sum(x * x, over, keepdim=keep))
    if how == "L1":
        return torch.sum(torch.abs(x), over, keepdim=keep)
    if how == "SumSquare":
        return torch.sum(x * x, over, keepdim=keep)
    function: dict[str, Callable[..., Tensor]] = {
        "Mean": torch.mean,
        "Sum": torch.sum,
        "Max": torch.amax,
        "Min": torch.amin,
        "LogSumExp": torch.logsumexp,
    }
    made: Tensor = function[how](x, over, keepdim=keep)
    return made


def _reduce(reader: Reader, step: Operation) -> Any:
    axes = reader.axes(step)
    value = reader.value(step, 0)
    if isinstance(value, Sizes) and step.type == "ReduceProd":
        product = functools.reduce(
            lambda one, other: reader.graph.call_function(ARITHMETIC["Mul"], (one, other)), value.items
        )
        return Sizes((product,), not step.get("keepdims", 1))
    if axes is None and step.get("noop_with_empty_axes", 0):
        return reader.tensor(step, 0)
    how, keep = step.type.removeprefix("Reduce"), bool(step.get("keepdims", 1))
    return reader.call(reduced, reader.tensor(step, 0), how, axes, keep)


def _best(reader: Reader, step: Operation) -> Any:
    if step.get("select_last_index", 0):
        raise step.refused("select_last_index is not supported")
    function = torch.argmax if step.type == "ArgMax" else torch.argmin
    keep = bool(step.get("keepdims", 1))
    return reader.call(function, reader.tensor(step, 0), dim=step.get("axis", 0), keepdim=keep)


def _cumulative(reader: Reader, step: Operation) -> Any:
    if step.get("exclusive", 0) or step.get("reverse", 0):
        raise step.refused("exclusive and reverse are not supported")
    axis = reader.constant(step, 1, "axis")
    assert axis is not None
    return reader.call(torch.cumsum, reader.tensor(step, 0), dim=int(axis))


OPERATORS: dict[str, Callable[[Reader, Operation], Any]] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, binary),
    **{
        f"Reduce{how}": _reduce for how in ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp")
    },
    "ArgMax": _best,
    "ArgMin": _best,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Celu": _with(functional.celu, alpha=("alpha", 1.0)),
    "Clip": _clip,
    "CumSum": _cumulative,
    "Elu": _with(functional.elu, alpha=("alpha", 1.0)),
    "Gelu": _gelu,
    "HardSigmoid": _with(hard_sigmoid, alpha=("alpha", 0.2), beta=("beta", 0.5)),
    "LeakyRelu": _with(functional.leaky_relu, negative_slope=("alpha", 0.01)),
    "LogSoftmax": _softmax,
    "Max": _many(torch.maximum),
    "Mean": _many(torch.add),
    "Min": _many(torch.minimum),
    "Mod": _mod,
    "Selu": _with(functional.selu),
    "Softmax": _softmax,
    "Sum": _many(torch.add),
    "ThresholdedRelu": _with(thresholded_relu, alpha=("alpha", 1.0)),
    "Where": _where,
}
