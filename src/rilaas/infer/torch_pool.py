"""ONNX operators that look at neighbourhoods without weights, in torch: pooling and resizing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rilaas.infer.torch_layer import paddings
from rilaas.infer.torch_reader import Operation, Reader

_MAX = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
_AVERAGE: tuple[Callable[..., Tensor], ...] = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
_FAST: dict[tuple[str, str, str], dict[str, Any]] = {
    ("nearest", "asymmetric", "floor"): {"mode": "nearest"},
    ("linear", "half_pixel", ""): {"mode": "linear", "align_corners": False},
    ("linear", "pytorch_half_pixel", ""): {"mode": "linear", "align_corners": False},
    ("linear", "align_corners", ""): {"mode": "linear", "align_corners": True},
    ("cubic", "half_pixel", ""): {"mode": "cubic", "align_corners": False},
    ("cubic", "pytorch_half_pixel", ""): {"mode": "cubic", "align_corners": False},
    ("cubic", "align_corners", ""): {"mode": "cubic", "align_corners": True},
}
_MODES = {
    "nearest": {4: "nearest", 3: "nearest", 5: "nearest"},
    "linear": {3: "linear", 4: "bilinear", 5: "trilinear"},
    "cubic": {4: "bicubic"},
}


def _max_pool(reader: Reader, step: Operation) -> Any:
    if len([name for name in step.outputs if name]) > 1:
        raise step.refused("the places of the maxima are not supported")
    kernel = list(step.get("kernel_shape"))
    dims = len(kernel)
    x, padding = _padded(reader, step, kernel, -math.inf)
    strides, dilations = (tuple(step.get(name) or [1] * dims) for name in ("strides", "dilations"))
    ceil = bool(step.get("ceil_mode", 0))
    return reader.call(_MAX[dims - 1], x, tuple(kernel), strides, padding, dilations, ceil)


def _average_pool(reader: Reader, step: Operation) -> Any:
    kernel = list(step.get("kernel_shape"))
    dims = len(kernel)
    if any(size != 1 for size in step.get("dilations") or ()):
        raise step.refused("dilations are not supported")
    strides, ceil = tuple(step.get("strides") or [1] * dims), bool(step.get("ceil_mode", 0))
    counts = bool(step.get("count_include_pad", 0))
    before, after = paddings(reader, step, kernel)
    if before == after and all(2 * size <= wide for size, wide in zip(before, kernel, strict=True)):
        x = reader.tensor(step, 0)
        return reader.call(_AVERAGE[dims - 1], x, tuple(kernel), strides, tuple(before), ceil, counts)
    flat = [size for low, high in reversed(list(zip(before, after, strict=True))) for size in (low, high)]
    x = reader.tensor(step, 0)
    return reader.call(average_of_padded, x, flat, tuple(kernel), strides, ceil, counts)


def average_of_padded(x: Tensor, pads: list[int], kernel: Any, strides: Any, ceil: bool, counts: bool) -> Tensor:
    """An average over windows, with other paddings than torch has."""
    function: Callable[..., Tensor] = _AVERAGE[x.dim() - 3]
    made = function(functional.pad(x, pads), kernel, strides, 0, ceil)
    if counts:
        return made
    there = functional.pad(torch.ones_like(x[:1, :1]), pads)
    return made / function(there, kernel, strides, 0, ceil)


def _padded(reader: Reader, step: Operation, kernel: list[int], fill: float) -> tuple[Any, tuple[int, ...]]:
    before, after = paddings(reader, step, kernel)
    if before == after and all(2 * size <= wide for size, wide in zip(before, kernel, strict=True)):
        return reader.tensor(step, 0), tuple(before)
    flat = [size for low, high in reversed(list(zip(before, after, strict=True))) for size in (low, high)]
    return reader.call(functional.pad, reader.tensor(step, 0), flat, value=fill), (0,) * len(kernel)


def _global_pool(reader: Reader, step: Operation) -> Any:
    axes = list(range(2, reader.rank(step)))
    function = torch.mean if step.type == "GlobalAveragePool" else torch.amax
    return reader.call(function, reader.tensor(step, 0), axes, keepdim=True)


def _resize(reader: Reader, step: Operation) -> Any:
    newer = step.type == "Resize" and len(step.inputs) != 2
    scales = reader.constant(step, 2 if newer else 1, "scales")
    sizes = reader.sizes(step, 3, "sizes") if newer else None
    rank = reader.rank(step)
    spatial = list(range(2, rank))
    given = step.get("axes") or list(range(rank))
    by_axis: dict[int, Any] = {}
    if sizes:
        by_axis = dict(zip((axis % rank for axis in given), sizes, strict=True))
    elif scales is not None and scales.numel():
        by_axis = dict(zip((axis % rank for axis in given), map(float, scales), strict=True))
        if any(by_axis.get(axis, 1.0) != 1.0 for axis in (0, 1)):
            raise step.refused("it resizes the batch or the channels")
    else:
        raise step.refused("it has neither sizes nor scales")
    mode, antialias = step.get("mode", "nearest"), step.get("antialias", 0)
    if antialias or step.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise step.refused("antialias and keep_aspect_ratio_policy are not supported")
    where = step.get("coordinate_transformation_mode", "half_pixel" if step.type == "Resize" else "asymmetric")
    rounding = step.get("nearest_mode", "round_prefer_floor" if step.type == "Resize" else "floor")
    key = (mode, where, rounding if mode == "nearest" else "")
    if mode == "cubic" and step.get("cubic_coeff_a", -0.75) != -0.75:
        raise step.refused("cubic_coeff_a is not -0.75, which is all that torch has")
    if key in _FAST and rank in _MODES[mode]:
        chosen: dict[str, Any] = {**_FAST[key], "mode": _MODES[mode][rank]}
        if sizes:
            shape = tuple(by_axis.get(axis, reader.shape(step)[axis]) for axis in spatial)
            return reader.call(functional.interpolate, reader.tensor(step, 0), size=shape, **chosen)
        factors = tuple(by_axis.get(axis, 1.0) for axis in spatial)
        chosen["recompute_scale_factor"] = False
        return reader.call(functional.interpolate, reader.tensor(step, 0), scale_factor=factors, **chosen)
    if mode not in ("nearest", "linear") or where == "tf_crop_and_resize":
        raise step.refused(f"the mode {mode} with coordinates {where} is not supported")
    wanted = tuple((axis, by_axis[axis]) for axis in spatial if axis in by_axis)
    return reader.call(resized, reader.tensor(step, 0), wanted, mode, where, rounding)


def resized(x: Tensor, wanted: tuple[tuple[int, Any], ...], mode: str, where: str, rounding: str) -> Tensor:
    """Every mode of ONNX's Resize, axis by axis; ``wanted`` has (axis, size or scale)."""
    for axis, value in wanted:
        have = x.shape[axis]
        count = math.floor(have * value) if isinstance(value, float) else value
        scale = value if isinstance(value, float) else count / have
        places = torch.arange(count, dtype=torch.float64)
        at = _coordinates(places, where, have, count, scale).clamp(0, have - 1)
        if mode == "nearest":
            x = torch.index_select(x, axis, _ROUND[rounding](at).to(torch.int64).clamp(0, have - 1))
            continue
        low = at.floor()
        shape = [1] * x.dim()
        shape[axis] = count
        share = (at - low).to(x.dtype).reshape(shape)
        first = torch.index_select(x, axis, low.to(torch.int64))
        second = torch.index_select(x, axis, (low.to(torch.int64) + 1).clamp(max=have - 1))
        x = first * (1 - share) + second * share
    return x


_ROUND: dict[str, Callable[[Tensor], Tensor]] = {
    "round_prefer_floor": lambda at: torch.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: torch.floor(at + 0.5),
    "floor": torch.floor,
    "ceil": torch.ceil,
}


def _coordinates(places: Tensor, where: str, have: int, count: int, scale: float) -> Tensor:
    """Where elements of the result lie in what is resized (ONNX, operator Resize)."""
    if where == "align_corners":
        return places * ((have - 1) / (count - 1) if count > 1 else 0.0)
    if where == "asymmetric":
        return places / scale
    if where == "pytorch_half_pixel" and count == 1:
        return places * 0.0
    centre = 0.0
    if where == "half_pixel_symmetric":
        centre = have / 2 * (1 - count / (have * scale))
    return centre + (places + 0.5) / scale - 0.5


OPERATORS: dict[str, Callable[[Reader, Operation], Any]] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _max_pool,
    "Resize": _resize,
    "Upsample": _resize,
}
