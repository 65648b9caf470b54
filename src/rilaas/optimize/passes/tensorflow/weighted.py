"""Layers with weights: convolutions, dense layers, batch normalization. A ReLU that follows goes into the layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.optimize.passes.tensorflow.graph import Node
from rilaas.optimize.passes.tensorflow.keras_model import PICTURE, PLAIN, Builder, Operator, unsupported
from rilaas.optimize.passes.tensorflow.padding import padded


def _conv(builder: Builder, node: Node) -> None:
    weights = np.asarray(builder.constant(node, 1, "weights"), np.float32)  # (out, in / groups, height, width)
    if weights.ndim != 4:
        raise unsupported(node, f"its weights have {weights.ndim} axes; only pictures (4) can be converted")
    bias = builder.optional(node, 2, "bias")
    bias = np.zeros(len(weights), np.float32) if bias is None else np.asarray(bias, np.float32)
    value = builder.value(node)
    groups, channels = node.fields.get("group", 1), value.shape[0]
    weights, bias, last = _folded(builder, node, weights, bias)
    activation, last = _activation(builder, last)
    strides, dilations = _pair(node, "strides"), _pair(node, "dilations")
    kernel = weights.shape[2:]
    tensor, padding = padded(builder, node, builder.picture(node, value), kernel, strides, dilations)
    settings: dict[str, Any] = {
        "strides": strides,
        "dilation_rate": dilations,
        "padding": padding,
        "activation": activation,
        "use_bias": True,
    }
    if groups == 1:
        layer = builder.layers.Conv2D(len(weights), kernel, name=builder.name("conv"), **settings)
        order = (2, 3, 1, 0)
    elif groups == channels:
        each = len(weights) // channels
        settings["depth_multiplier"] = each
        layer = builder.layers.DepthwiseConv2D(kernel, name=builder.name("depthwise"), **settings)
        weights = weights.reshape(channels, each, *kernel)
        order = (2, 3, 0, 1)
    else:
        raise unsupported(node, f"it has {groups} groups of {channels} channels; 1 and {channels} can be converted")
    if strides[0] != strides[1] and groups != 1:
        raise unsupported(node, f"its strides {strides} differ, and it has groups")
    result = layer(tensor)
    layer.set_weights([weights.transpose(order), bias])
    builder.give(last, result, PICTURE)


def _conv_transpose(builder: Builder, node: Node) -> None:
    weights = np.asarray(builder.constant(node, 1, "weights"), np.float32)  # (in, out, height, width)
    if weights.ndim != 4 or node.fields.get("group", 1) != 1 or _pair(node, "dilations") != (1, 1):
        raise unsupported(node, "only pictures (4 axes) without groups and dilations can be converted")
    if node.fields.get("auto_pad", b"NOTSET") != b"NOTSET" or "output_shape" in node.fields:
        raise unsupported(node, "auto_pad and output_shape are not known; pads are")
    bias = builder.optional(node, 2, "bias")
    top, left, bottom, right = node.fields.get("pads", [0, 0, 0, 0])
    more = node.fields.get("output_padding", [0, 0])
    if more[0] > bottom or more[1] > right:
        raise unsupported(node, f"its output_padding {more} is larger than its pads {[bottom, right]}")
    layer = builder.layers.Conv2DTranspose(
        weights.shape[1], weights.shape[2:], strides=_pair(node, "strides"), name=builder.name("conv_transpose")
    )
    result = layer(builder.picture(node, builder.value(node)))
    zeros = np.zeros(weights.shape[1], np.float32)
    layer.set_weights([weights.transpose(2, 3, 1, 0), zeros if bias is None else np.asarray(bias, np.float32)])
    crop = ((top, bottom - more[0]), (left, right - more[1]))
    if crop != ((0, 0), (0, 0)):
        result = builder.layers.Cropping2D(crop, name=builder.name("crop"))(result)
    builder.give(node, result, PICTURE)


def _gemm(builder: Builder, node: Node) -> None:
    weights = np.asarray(builder.constant(node, 1, "weights"), np.float32)
    if node.fields.get("transA", 0):
        raise unsupported(node, "it transposes its input")
    if node.fields.get("transB", 0):
        weights = weights.T
    bias = builder.optional(node, 2, "bias")
    added = np.zeros(weights.shape[1], np.float32) if bias is None else np.asarray(bias, np.float32).reshape(-1)
    added = np.broadcast_to(added, weights.shape[1:]) * np.float32(node.fields.get("beta", 1.0))
    _dense(builder, node, node, weights * np.float32(node.fields.get("alpha", 1.0)), added)


def _matmul(builder: Builder, node: Node) -> None:
    if node.input(1) not in builder.graph.constants:
        from rilaas.optimize.passes.tensorflow.layers import Binary

        pair = [builder.plain(builder.value(node, index)) for index in (0, 1)]
        builder.give(node, Binary(function="MatMul", name=builder.name("matmul"))(pair))
        return
    weights = np.asarray(builder.constant(node, 1, "weights"), np.float32)
    if weights.ndim != 2:
        raise unsupported(node, f"its weights have {weights.ndim} axes; 2 were expected")
    added, last = np.zeros(weights.shape[1], np.float32), node
    following = builder.take_next(node.outputs[0], ("Add",))
    if following is not None:
        other = next(name for name in following.inputs if name != node.outputs[0])
        bias = builder.graph.constants.get(other)
        if bias is not None and bias.size in (1, weights.shape[1]) and bias.shape[-1:] in ((), (bias.size,)):
            added, last = np.broadcast_to(np.asarray(bias, np.float32).reshape(-1), weights.shape[1:]), following
            builder.done.add(following.outputs[0])
    _dense(builder, node, last, weights, added)


def _dense(builder: Builder, node: Node, last: Node, weights: NDArray[Any], bias: NDArray[Any]) -> None:
    """A dense layer; rows of ``weights`` (in, out) are put in order where its input is a flattened picture."""
    value = builder.value(node)
    tensor = value.tensor if value.flat_of else builder.plain(value)
    if value.flat_of:
        weights = weights[picture_order(value.flat_of)]
    activation, last = _activation(builder, last)
    layer = builder.layers.Dense(weights.shape[1], activation=activation, name=builder.name("dense"))
    result = layer(tensor)
    layer.set_weights([np.ascontiguousarray(weights), np.ascontiguousarray(bias)])
    builder.give(last, result)


def picture_order(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Which element of a flattened (C, H, W) stands at each place of a flattened (H, W, C)."""
    return np.arange(math.prod(shape)).reshape(shape).transpose(1, 2, 0).ravel()


def _batch_normalization(builder: Builder, node: Node) -> None:
    value = builder.value(node)
    epsilon, rows = _normalization(builder, node)
    if value.flat_of:
        rows = [row[picture_order(value.flat_of)] for row in rows]
    is_picture = len(value.shape) == 3
    tensor = builder.picture(node, value) if is_picture else value.tensor
    layer = builder.layers.BatchNormalization(epsilon=epsilon, trainable=False, name=builder.name("normalization"))
    result = layer(tensor)
    layer.set_weights(rows)
    builder.give(node, result, PICTURE if is_picture else PLAIN, value.flat_of)


def _normalization(builder: Builder, node: Node) -> tuple[float, list[NDArray[Any]]]:
    words = ("scale", "bias", "mean", "variance")
    rows = [np.asarray(builder.constant(node, index, word), np.float32) for index, word in enumerate(words, 1)]
    return float(node.fields.get("epsilon", 1e-5)), rows


def _folded(
    builder: Builder, node: Node, weights: NDArray[Any], bias: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], Node]:
    """Weights (out, ...) and bias with the batch normalization that follows alone, and the last node of the two."""
    following = builder.take_next(node.outputs[0], ("BatchNormalization",))
    if following is None or following.input(0) != node.outputs[0]:
        return weights, bias, node
    epsilon, (scale, shift, mean, variance) = _normalization(builder, following)
    factor = scale / np.sqrt(variance + np.float32(epsilon))
    builder.done.add(following.outputs[0])
    return weights * factor.reshape(-1, *[1] * (weights.ndim - 1)), (bias - mean) * factor + shift, following


def _activation(builder: Builder, node: Node) -> tuple[str | None, Node]:
    following = builder.take_next(node.outputs[0], ("Relu",))
    if following is None:
        return None, node
    builder.done.add(following.outputs[0])
    return "relu", following


def _pair(node: Node, name: str) -> tuple[int, int]:
    first, second = node.fields.get(name, (1, 1))
    return int(first), int(second)


WEIGHTED: dict[str, Operator] = {
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
