"""Operators that move elements and compute nothing: reshape, transpose, concatenate, slice, pad."""

from __future__ import annotations

import math

import numpy as np

from rilaas.optimize.passes.tensorflow.graph import Node
from rilaas.optimize.passes.tensorflow.keras_model import PICTURE, PLAIN, Builder, Operator, unsupported


def axes_of(builder: Builder, node: Node, rank: int, index: int = 1) -> tuple[int, ...]:
    """Axes of an operator, an attribute in old operator sets and an input in new ones; () where it names none."""
    given = node.fields.get("axes")
    if given is None:
        given = builder.optional(node, index, "axes")
    return () if given is None else tuple(sorted(int(axis) % rank for axis in given))


def placed(axis: int, layout: str, rank: int) -> int:
    """Where TensorFlow has an ONNX axis."""
    axis %= rank
    return (0, 3, 1, 2)[axis] if layout == PICTURE else axis


def _reshape(builder: Builder, node: Node) -> None:
    value = builder.value(node)
    old, total = value.shape, math.prod(value.shape)
    target = [int(size) for size in builder.constant(node, 1, "shape")]
    if not node.fields.get("allowzero", 0):
        target = [(0, *old)[at] if size == 0 and at <= len(old) else size for at, size in enumerate(target)]
    new = target[1:]
    known = math.prod(size for size in new if size != -1)
    if -1 in new and known and total % known == 0:
        new = [total // known if size == -1 else size for size in new]
    if -1 in new or math.prod(new) != total or (target[0] > 1 and target[0] != _batch(builder)):
        raise unsupported(node, f"it makes {target} of {['batch', *old]}, which mixes samples of a batch")
    _shape_to(builder, node, tuple(new))


def _batch(builder: Builder) -> int:
    return next(iter(builder.graph.inputs.values()))[0][0]


def _flatten(builder: Builder, node: Node) -> None:
    if node.fields.get("axis", 1) != 1:
        raise unsupported(node, "only axis = 1 can be converted")
    _shape_to(builder, node, (math.prod(builder.value(node).shape),))


def _squeeze(builder: Builder, node: Node) -> None:
    shape = builder.value(node).shape
    axes = axes_of(builder, node, len(shape) + 1) or tuple(at for at, size in enumerate(shape, 1) if size == 1)
    if 0 in axes:
        raise unsupported(node, "it removes the batch axis")
    _shape_to(builder, node, tuple(size for at, size in enumerate(shape, 1) if at not in axes))


def _unsqueeze(builder: Builder, node: Node) -> None:
    shape = builder.value(node).shape
    given = node.fields.get("axes")
    count = len(builder.constant(node, 1, "axes") if given is None else given)
    axes = axes_of(builder, node, len(shape) + 1 + count)
    if 0 in axes:
        raise unsupported(node, "it adds an axis before the batch axis")
    rest = iter(shape)
    _shape_to(builder, node, tuple(1 if at in axes else next(rest) for at in range(1, len(shape) + 1 + count)))


def _shape_to(builder: Builder, node: Node, shape: tuple[int, ...]) -> None:
    """Another shape of the same elements in ONNX's order."""
    value = builder.value(node)
    if shape == value.shape:
        builder.give(node, value.tensor, value.layout, value.flat_of)
    elif value.layout == PICTURE and len(shape) == 1:
        channels, height, width = value.shape
        flat = builder.layers.Flatten(name=builder.name("flatten"))(value.tensor)
        builder.give(node, flat, PLAIN, () if channels == 1 or height == width == 1 else value.shape)
    elif len(shape) == 1:
        builder.give(node, builder.layers.Flatten(name=builder.name("flatten"))(builder.plain(value)))
    else:
        builder.give(node, builder.layers.Reshape(shape, name=builder.name("reshape"))(builder.plain(value)))


def _transpose(builder: Builder, node: Node) -> None:
    value = builder.value(node)
    rank = len(value.shape) + 1
    order = tuple(node.fields.get("perm", range(rank - 1, -1, -1)))
    if order[0] != 0:
        raise unsupported(node, f"it moves the batch axis: {order}")
    if value.layout == PICTURE and order == (0, 2, 3, 1):
        builder.give(node, value.tensor)
    elif value.layout == PLAIN and order == (0, 3, 1, 2):
        builder.give(node, value.tensor, PICTURE)
    else:
        layer = builder.layers.Permute(order[1:], name=builder.name("transpose"))
        builder.give(node, layer(builder.plain(value)))


def _concat(builder: Builder, node: Node) -> None:
    values = [builder.value(node, index) for index in range(len(node.inputs))]
    rank = len(values[0].shape) + 1
    axis = node.fields["axis"] % rank
    if axis == 0:
        raise unsupported(node, "it joins batches")
    layout = PICTURE if any(value.layout == PICTURE for value in values) else PLAIN
    tensors = [builder.picture(node, each) if layout == PICTURE else builder.plain(each) for each in values]
    layer = builder.layers.Concatenate(placed(axis, layout, rank), name=builder.name("concat"))
    builder.give(node, layer(tensors) if len(tensors) > 1 else tensors[0], layout)


def _slice(builder: Builder, node: Node) -> None:
    value = builder.value(node)
    rank = len(value.shape) + 1
    starts, ends = (builder.constant(node, index, "bounds") for index in (1, 2))
    axes = builder.optional(node, 3, "axes")
    steps = builder.optional(node, 4, "steps")
    axes = np.arange(len(starts)) if axes is None else axes
    steps = np.ones(len(starts), np.int64) if steps is None else steps
    rows = [(int(axis) % rank, *map(int, bounds)) for axis, *bounds in zip(axes, starts, ends, steps, strict=True)]
    if any(row[0] == 0 or row[3] < 1 for row in rows):
        raise unsupported(node, "it cuts the batch, or walks backwards")
    layout = PLAIN if value.flat_of else value.layout
    tensor = builder.plain(value) if value.flat_of else value.tensor
    for axis, start, end, step in rows:
        tensor = _picked(builder, tensor, placed(axis, layout, rank), start, end, step)
    builder.give(node, tensor, layout)


def _picked(builder: Builder, tensor: object, axis: int, start: int, end: int, step: int = 1) -> object:
    from rilaas.optimize.passes.tensorflow.layers import Pick

    size = tensor.shape[axis]  # type: ignore[attr-defined]
    first, last, _ = slice(start, end).indices(size)
    return Pick(axis=axis, start=first, end=last, step=step, name=builder.name("slice"))(tensor)


def _split(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.keras_model import Value

    value = builder.value(node)
    rank = len(value.shape) + 1
    axis = node.fields.get("axis", 0) % rank
    if axis == 0:
        raise unsupported(node, "it cuts the batch")
    layout = PLAIN if value.flat_of else value.layout
    tensor, total = builder.plain(value) if value.flat_of else value.tensor, value.shape[axis - 1]
    given = builder.optional(node, 1, "sizes")
    count = len(node.outputs)
    each = -(-total // count)
    sizes = [min(each, total - each * at) for at in range(count)] if given is None else [int(size) for size in given]
    start = 0
    for name, size in zip(node.outputs, sizes, strict=True):
        part = _picked(builder, tensor, placed(axis, layout, rank), start, start + size)
        builder.values[name] = Value(part, layout)
        start += size


def _pad(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Pad

    value = builder.value(node)
    rank, mode = len(value.shape) + 1, node.fields.get("mode", b"constant").decode()
    pads = [int(size) for size in builder.constant(node, 1, "pads")]
    fill = builder.optional(node, 2, "value")
    pairs = [(pads[at], pads[at + len(pads) // 2]) for at in range(len(pads) // 2)]
    if (
        node.input(3)
        or len(pairs) != rank
        or pairs[0] != (0, 0)
        or min(pads) < 0
        or mode not in ("constant", "reflect")
    ):
        raise unsupported(node, f"it pads {pads} in mode {mode}")
    tensor, layout = (builder.plain(value), PLAIN) if value.flat_of else (value.tensor, value.layout)
    every = (pairs[0], pairs[2], pairs[3], pairs[1]) if layout == PICTURE else tuple(pairs)
    number = 0.0 if fill is None else float(np.asarray(fill).reshape(-1)[0])
    layer = Pad(pads=every, value=number, mode=mode.upper(), name=builder.name("pad"))
    builder.give(node, layer(tensor), layout)


SHAPING: dict[str, Operator] = {
    "Concat": _concat,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
