"""ONNX operators that move elements and compute with shapes, in torch."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from rilaas.infer.torch_reader import Operation, Quantized, Reader, Size, Sizes

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _shape(reader: Reader, step: Operation) -> Any:
    rank = reader.rank(step)
    start, end, _ = slice(step.get("start", 0), step.get("end")).indices(rank)
    return Sizes(tuple(reader.size(step, 0, axis) for axis in range(start, end)))


def _size(reader: Reader, step: Operation) -> Any:
    total: Size = 1
    for axis in range(reader.rank(step)):
        size = reader.size(step, 0, axis)
        known = isinstance(total, int) and isinstance(size, int)
        total = total * size if known else reader.graph.call_function(operator.mul, (total, size))  # type: ignore[operator]
    return Sizes((total,), is_scalar=True)


def _reshape(reader: Reader, step: Operation) -> Any:
    value = reader.value(step, 0)
    if isinstance(value, Sizes):
        return Sizes(value.items)
    wanted = reader.sizes(step, 1, "shape") or []
    if not step.get("allowzero", 0):
        wanted = [reader.size(step, 0, axis) if size == 0 else size for axis, size in enumerate(wanted)]
    if _is_flattening(reader.shape(step), wanted):
        return reader.call(torch.flatten, reader.tensor(step, 0), 1)  # holds when channels are pruned, too
    if -1 not in wanted:
        free = [axis for axis, size in enumerate(wanted) if isinstance(size, fx.Node)]
        if len(free) == 1:
            wanted[free[0]] = -1  # the same, and torch need not look
    return reader.call(torch.reshape, reader.tensor(step, 0), tuple(wanted))


def _is_flattening(shape: tuple[int | None, ...], wanted: list[Size]) -> bool:
    known = [size for size in shape[1:] if size is not None]
    if len(shape) < 2 or len(known) != len(shape) - 1 or len(wanted) != 2 or wanted[1] not in (-1, math.prod(known)):
        return False
    return isinstance(wanted[0], fx.Node) or wanted[0] in (-1, shape[0])


def _flatten(reader: Reader, step: Operation) -> Any:
    axis, rank = step.get("axis", 1), reader.rank(step)
    axis = axis % rank if axis < 0 else axis
    x = reader.tensor(step, 0)
    if axis == 1:
        return reader.call(torch.flatten, x, 1) if rank > 1 else reader.call(torch.unsqueeze, x, 1)
    if axis == 0:
        return reader.call(torch.reshape, x, (1, -1))
    return reader.call(torch.flatten, reader.call(torch.flatten, x, axis), 0, axis - 1)


def _transpose(reader: Reader, step: Operation) -> Any:
    order = step.get("perm") or list(range(reader.rank(step)))[::-1]
    value = reader.value(step, 0)
    if isinstance(value, Quantized):
        return value.permuted(order)
    return reader.call(torch.permute, reader.tensor(step, 0), tuple(order))


def _squeeze(reader: Reader, step: Operation) -> Any:
    value, axes = reader.value(step, 0), reader.axes(step)
    if isinstance(value, Sizes):
        return Sizes(value.items, is_scalar=True)
    if axes is None:
        axes = [axis for axis, size in enumerate(reader.shape(step)) if size == 1]
    return reader.call(torch.squeeze, reader.tensor(step, 0), tuple(axes))


def unsqueezed(x: Tensor, axes: list[int]) -> Tensor:
    """With axes of size 1 where ``axes`` says, counted in what comes out."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _unsqueeze(reader: Reader, step: Operation) -> Any:
    value, axes = reader.value(step, 0), reader.axes(step)
    if isinstance(value, Sizes):
        return Sizes(value.items)
    assert axes is not None
    return reader.call(unsqueezed, reader.tensor(step, 0), axes)


def _concat(reader: Reader, step: Operation) -> Any:
    numbers = range(len(step.inputs))
    if any(isinstance(reader.value(step, index), Sizes) for index in numbers):
        return Sizes(tuple(size for index in numbers for size in reader.sizes(step, index, "shape") or []))
    return reader.call(torch.cat, [reader.tensor(step, index) for index in numbers], dim=step.get("axis", 0))


def _split(reader: Reader, step: Operation) -> Any:
    axis, count = step.get("axis", 0), len(step.outputs)
    parts = step.get("split")
    if parts is None:
        given = reader.constant(step, 1, "sizes")
        parts = None if given is None else given.tolist()
    if parts is None:
        size = reader.shape(step)[axis]
        if size is None:
            raise step.refused("the axis that it splits is free")
        part = -(-size // count)
        parts = [min(part, size - part * index) for index in range(count)]
    made = reader.call(torch.split, reader.tensor(step, 0), list(parts), axis)
    if isinstance(made, tuple):
        return made
    return tuple(reader.call(operator.getitem, made, index) for index in range(count))


def sliced(x: Tensor, ranges: list[tuple[int, int | None, int | None, int]]) -> Tensor:
    """Parts of axes: (axis, start, end, step); steps may be negative."""
    for axis, start, end, step in ranges:
        if step > 0:
            parts: list[Any] = [slice(None)] * (axis % x.dim()) + [slice(start, end, step)]
            x = x[tuple(parts)]
        else:
            chosen = list(range(x.shape[axis])[slice(start, end, step)])
            x = torch.index_select(x, axis, torch.tensor(chosen, dtype=torch.int64, device=x.device))
    return x


def _slice(reader: Reader, step: Operation) -> Any:
    starts, ends = (
        step.get(name) or reader.sizes(step, index, "bounds") or [] for name, index in (("starts", 1), ("ends", 2))
    )
    axes = reader.axes(step, 3) or list(range(len(starts)))
    steps = [int(size) for size in reader.sizes(step, 4, "steps") or [1] * len(starts)]  # type: ignore[arg-type]
    value = reader.value(step, 0)
    if isinstance(value, Sizes):
        bounds = slice(int(starts[0]), int(ends[0]), steps[0])  # type: ignore[arg-type]
        return Sizes(value.items[bounds])
    ranges = []
    for axis, start, end, stride in zip(axes, starts, ends, steps, strict=True):
        first = None if isinstance(start, int) and abs(start) >= 2**31 - 1 else start
        last = None if isinstance(end, int) and abs(end) >= 2**31 - 1 else end
        ranges.append((axis, first, last, stride))
    return reader.call(sliced, reader.tensor(step, 0), ranges)


def gathered(x: Tensor, places: Tensor, axis: int) -> Tensor:
    """Rows of an axis, by an array of places that may be counted from the end."""
    size = x.shape[axis]
    flat = torch.where(places < 0, places + size, places).reshape(-1)
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    return torch.index_select(x, axis, flat).reshape(shape)


def _gather(reader: Reader, step: Operation) -> Any:
    value = reader.value(step, 0)
    if isinstance(value, Sizes):
        places = reader.constant(step, 1, "places")
        assert places is not None
        return Sizes(tuple(value.items[int(place)] for place in places.reshape(-1)), is_scalar=places.dim() == 0)
    axis = step.get("axis", 0) % reader.rank(step)
    places = reader.tensor(step, 1)
    if isinstance(places, Tensor) and places.dim() == 0:
        return reader.call(torch.select, reader.tensor(step, 0), axis, int(places))
    return reader.call(gathered, reader.tensor(step, 0), places, axis)


def _gather_elements(reader: Reader, step: Operation) -> Any:
    return reader.call(torch.gather, reader.tensor(step, 0), step.get("axis", 0), reader.tensor(step, 1))


def _pad(reader: Reader, step: Operation) -> Any:
    pads, mode, rank = step.get("pads"), step.get("mode", "constant"), reader.rank(step)
    if pads is None:
        pads = reader.sizes(step, 1, "pads") or []
    axes = [axis % rank for axis in reader.axes(step, 3) or range(rank)]
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = pads[place], pads[place + len(axes)]
    flat = [size for axis in reversed(range(rank)) for size in (before[axis], after[axis])]
    while flat and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    if not flat:
        return reader.tensor(step, 0)
    if mode not in _PAD_MODES:
        raise step.refused(f"the mode {mode!r} is not supported")
    if mode == "constant":
        given = reader.constant(step, 2, "padding value")
        fill = step.get("value", 0.0) if given is None else given.item()
        return reader.call(functional.pad, reader.tensor(step, 0), flat, value=fill)
    return reader.call(functional.pad, reader.tensor(step, 0), flat, mode=_PAD_MODES[mode])


def _expand(reader: Reader, step: Operation) -> Any:
    wanted, shape = reader.sizes(step, 1, "shape") or [], reader.shape(step)
    lead = len(wanted) - len(shape)
    known: list[int | None] = [*[1] * lead, *shape]
    wanted = [*[1] * -lead, *wanted]
    sizes = tuple(-1 if want == 1 and have != 1 else want for want, have in zip(wanted, known, strict=True))
    return reader.call(torch.broadcast_to if -1 not in sizes else torch.Tensor.expand, reader.tensor(step, 0), sizes)


def _tile(reader: Reader, step: Operation) -> Any:
    return reader.call(torch.tile, reader.tensor(step, 0), tuple(reader.sizes(step, 1, "repeats") or []))


def _constant_of_shape(reader: Reader, step: Operation) -> Any:
    fill = step.get("value")
    dtype = torch.float32 if fill is None else fill.dtype
    sizes = reader.sizes(step, 0, "shape") or []
    return reader.call(torch.full, tuple(sizes), 0.0 if fill is None else fill.item(), dtype=dtype)


def _range(reader: Reader, step: Operation) -> Any:
    start, end, stride = (reader.constant(step, index, "bounds") for index in range(3))
    assert start is not None
    assert end is not None
    assert stride is not None
    return torch.arange(start.item(), end.item(), stride.item(), dtype=start.dtype)


def depth_to_space(x: Tensor, block: int, mode: str) -> Tensor:
    """(N, C * b * b, H, W) to (N, C, H * b, W * b), in both of ONNX's orders."""
    if mode == "CRD":
        return functional.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    x = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """The other way."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * block**2, h // block, w // block)


def _depth_to_space(reader: Reader, step: Operation) -> Any:
    return reader.call(depth_to_space, reader.tensor(step, 0), step.get("blocksize"), step.get("mode", "DCR"))


def _space_to_depth(reader: Reader, step: Operation) -> Any:
    return reader.call(space_to_depth, reader.tensor(step, 0), step.get("blocksize"))


def _top(reader: Reader, step: Operation) -> Any:
    count = reader.constant(step, 1, "k")
    assert count is not None
    axis, largest = step.get("axis", -1), bool(step.get("largest", 1))
    made = reader.call(torch.topk, reader.tensor(step, 0), int(count), axis, largest)
    return tuple(reader.call(operator.getitem, made, index) for index in range(len(step.outputs)))


def _identity(reader: Reader, step: Operation) -> Any:
    return reader.value(step, 0)


def _constant(reader: Reader, step: Operation) -> Any:
    if "value" in step.attributes:
        return step.get("value")
    for name in ("value_float", "value_floats", "value_int", "value_ints"):
        if name in step.attributes:
            kind = torch.float32 if "float" in name else torch.int64
            return torch.tensor(step.get(name), dtype=kind)
    raise step.refused("constants of text and sparse ones are not supported")


OPERATORS: dict[str, Callable[[Reader, Operation], Any]] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Dropout": _identity,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Identity": _identity,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "TopK": _top,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
