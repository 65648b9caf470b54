"""Functions of single elements, of one tensor, two, or one and a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.optimize.passes.tensorflow.graph import Node
from rilaas.optimize.passes.tensorflow.keras_model import PICTURE, PLAIN, Builder, Operator, Value, unsupported
from rilaas.optimize.passes.tensorflow.weighted import picture_order

_UNARY = (
    *("Abs", "Ceil", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Neg"),
    *("Reciprocal", "Relu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Tanh"),
)
_BINARY = ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub")


def _keep(builder: Builder, node: Node, value: Value, tensor: Any) -> None:
    builder.give(node, tensor, value.layout, value.flat_of)


def _unary(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Unary

    value = builder.value(node)
    if node.operator == "Relu":
        _keep(builder, node, value, builder.layers.ReLU(name=builder.name("relu"))(value.tensor))
        return
    arguments = {key: float(number) for key, number in node.fields.items() if key in ("alpha", "beta")}
    layer = Unary(function=node.operator, arguments=arguments, name=builder.name(node.operator.lower()))
    _keep(builder, node, value, layer(value.tensor))


def _clip(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Clip

    value = builder.value(node)
    bounds = [builder.optional(node, index, "bounds") for index in (1, 2)]
    low, high = (None if bound is None else float(np.asarray(bound).reshape(-1)[0]) for bound in bounds)
    if low == 0.0 and high == 6.0:
        layer = builder.layers.ReLU(6.0, name=builder.name("relu6"))
    else:
        layer = Clip(low=low, high=high, name=builder.name("clip"))
    _keep(builder, node, value, layer(value.tensor))


def _same(builder: Builder, node: Node) -> None:
    value = builder.value(node)
    _keep(builder, node, value, value.tensor)


def _cast(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import ToFloat

    if node.fields["to"] != 1:  # FLOAT
        raise unsupported(node, "only casts to float32 can be converted")
    value = builder.value(node)
    is_float = value.tensor.dtype.name == "float32"
    _keep(builder, node, value, value.tensor if is_float else ToFloat(name=builder.name("float"))(value.tensor))


def _softmax(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.shaping import placed

    value = builder.value(node)
    rank = len(value.shape) + 1
    tensor, layout = (builder.plain(value), PLAIN) if value.flat_of else (value.tensor, value.layout)
    axis = placed(node.fields.get("axis", -1), layout, rank)
    if axis == 0:
        raise unsupported(node, "its axis is the batch")
    builder.give(node, builder.layers.Softmax(axis, name=builder.name("softmax"))(tensor), layout)


def _prelu(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Slope

    value = builder.value(node)
    slope = _turned(node, value, builder.constant(node, 1, "slope"))
    _keep(builder, node, value, Slope(slope=slope.tolist(), name=builder.name("prelu"))(value.tensor))


def _binary(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Binary, WithConstant

    if len(node.inputs) != 2:
        raise unsupported(node, f"it has {len(node.inputs)} inputs; 2 were expected")
    computed = [name for name in node.inputs if name not in builder.graph.constants]
    name = builder.name(node.operator.lower())
    if len(computed) == 1:
        first = node.input(0) not in builder.values
        value = builder.value(node, int(first))
        constant = builder.constant(node, 1 - int(first), "other side")
        if constant.ndim > len(value.shape) + 1 or (constant.ndim == len(value.shape) + 1 and constant.shape[0] != 1):
            raise unsupported(node, f"its constant has the shape {list(constant.shape)}")
        if _grows(value, constant):
            value = Value(builder.plain(value))
        numbers = _turned(node, value, constant).astype(np.float32).tolist()
        layer = WithConstant(function=node.operator, values=numbers, first=first, name=name)
        _keep(builder, node, value, layer(value.tensor))
        return
    left, right = builder.value(node, 0), builder.value(node, 1)
    if left.flat_of and left.flat_of == right.flat_of:
        _keep(builder, node, left, Binary(function=node.operator, name=name)([left.tensor, right.tensor]))
        return
    pictures = len(left.shape) == len(right.shape) == 3 and PICTURE in (left.layout, right.layout)
    pair = [builder.picture(node, each) if pictures else builder.plain(each) for each in (left, right)]
    builder.give(node, Binary(function=node.operator, name=name)(pair), PICTURE if pictures else PLAIN)


def _grows(value: Value, constant: NDArray[Any]) -> bool:
    """Whether a tensor that is not in ONNX's order would get another shape from a constant."""
    shape = constant.shape[-len(value.shape) :] if constant.ndim else ()
    wanted = tuple(np.broadcast_shapes(shape, value.shape))
    return wanted != value.shape and (value.layout == PICTURE or bool(value.flat_of))


def _turned(node: Node, value: Value, constant: NDArray[Any]) -> NDArray[Any]:
    """A constant that broadcasts against ``value`` in the order that TensorFlow has."""
    if constant.size == 1:
        return constant.reshape(())
    if value.flat_of:
        return constant.reshape(-1)[picture_order(value.flat_of)]
    if value.layout == PICTURE:
        if constant.ndim > 4:
            raise unsupported(node, f"its constant has the shape {list(constant.shape)}")
        return constant.reshape((1,) * (4 - constant.ndim) + constant.shape).transpose(0, 2, 3, 1)
    return constant


ELEMENTWISE: dict[str, Operator] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    "Cast": _cast,
    "Clip": _clip,
    "Dropout": _same,
    "Identity": _same,
    "PRelu": _prelu,
    "Softmax": _softmax,
}
