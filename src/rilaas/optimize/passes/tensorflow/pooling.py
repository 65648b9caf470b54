"""Pooling, reducing and resizing of pictures."""

from __future__ import annotations

from typing import Any

from rilaas.optimize.passes.tensorflow.graph import Node
from rilaas.optimize.passes.tensorflow.keras_model import PICTURE, Builder, Operator, unsupported
from rilaas.optimize.passes.tensorflow.padding import padded, same_pads, window_pads
from rilaas.optimize.passes.tensorflow.shaping import axes_of, placed


def _window(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    kernel, strides = node.fields["kernel_shape"], node.fields.get("strides", (1, 1))
    if len(kernel) != 2 or list(node.fields.get("dilations", (1, 1))) != [1, 1]:
        raise unsupported(node, "only windows over pictures (4 axes) without dilations can be converted")
    return (int(kernel[0]), int(kernel[1])), (int(strides[0]), int(strides[1]))


def _check_ceil(node: Node, sizes: Any, kernel: tuple[int, int], strides: tuple[int, int]) -> None:
    if not node.fields.get("ceil_mode", 0):
        return
    pads = window_pads(node, sizes, kernel, strides, (1, 1))
    for size, window, stride, (before, after) in zip(sizes, kernel, strides, pads, strict=True):
        if (size + before + after - window) % stride:
            raise unsupported(node, "with ceil_mode its last window is cut off")


def _max_pool(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Pad

    kernel, strides = _window(node)
    if len(node.outputs) > 1 and node.outputs[1]:
        raise unsupported(node, "it gives indices too")
    tensor = builder.picture(node, builder.value(node))
    sizes = tensor.shape[1:3]
    _check_ceil(node, sizes, kernel, strides)
    pads, padding = window_pads(node, sizes, kernel, strides, (1, 1)), "valid"
    if pads != ((0, 0), (0, 0)) and pads == same_pads(sizes, kernel, strides, (1, 1)):
        padding = "same"
    elif pads != ((0, 0), (0, 0)):
        if any(2 * max(pair) > window for pair, window in zip(pads, kernel, strict=True)):
            raise unsupported(node, f"its pads {pads} are more than half its window")
        # The mirrored elements are in the same window already: its largest stays, and int8 ranges stay narrow.
        every = ((0, 0), *pads, (0, 0))
        tensor = Pad(pads=every, value=0.0, mode="SYMMETRIC", name=builder.name("mirror"))(tensor)
    layer = builder.layers.MaxPooling2D(kernel, strides, padding=padding, name=builder.name("max_pool"))
    builder.give(node, layer(tensor), PICTURE)


def _average_pool(builder: Builder, node: Node) -> None:
    kernel, strides = _window(node)
    tensor = builder.picture(node, builder.value(node))
    sizes = tensor.shape[1:3]
    _check_ceil(node, sizes, kernel, strides)
    pads, padding = window_pads(node, sizes, kernel, strides, (1, 1)), "valid"
    if pads != ((0, 0), (0, 0)):
        if node.fields.get("count_include_pad", 0):
            tensor = builder.layers.ZeroPadding2D(pads, name=builder.name("pad"))(tensor)
        else:  # TensorFlow counts no padding either
            tensor, padding = padded(builder, node, tensor, kernel, strides)
            if padding == "valid":
                raise unsupported(node, f"its pads {pads} are not TensorFlow's, and it does not count them")
    layer = builder.layers.AveragePooling2D(kernel, strides, padding=padding, name=builder.name("average_pool"))
    builder.give(node, layer(tensor), PICTURE)


def _global_average(builder: Builder, node: Node) -> None:
    tensor = builder.picture(node, builder.value(node))
    layer = builder.layers.GlobalAveragePooling2D(keepdims=True, name=builder.name("global_average"))
    builder.give(node, layer(tensor), PICTURE)


def _global_max(builder: Builder, node: Node) -> None:
    tensor = builder.picture(node, builder.value(node))
    layer = builder.layers.GlobalMaxPooling2D(keepdims=True, name=builder.name("global_max"))
    builder.give(node, layer(tensor), PICTURE)


def _reduce(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Reduce

    value = builder.value(node)
    rank, keepdims = len(value.shape) + 1, bool(node.fields.get("keepdims", 1))
    axes = axes_of(builder, node, rank)
    if not axes or 0 in axes:
        raise unsupported(node, "it reduces the batch axis")
    stays = value.layout == PICTURE and (keepdims or axes == (2, 3))
    tensor = value.tensor if stays else builder.plain(value)
    own = tuple(sorted(placed(axis, PICTURE, rank) for axis in axes)) if stays else axes
    layer = Reduce(function=node.operator, axes=own, keepdims=keepdims, name=builder.name("reduce"))
    builder.give(node, layer(tensor), PICTURE if stays and keepdims else "plain")


def _new_size(builder: Builder, node: Node, sizes: tuple[int, ...]) -> tuple[int, int]:
    wanted, scales = builder.optional(node, 3, "sizes"), builder.optional(node, 2, "scales")
    axes = [int(axis) % 4 for axis in node.fields.get("axes", range(4))]
    given = wanted if wanted is not None and wanted.size else scales
    if axes[-2:] != [2, 3] or given is None or len(given) != len(axes):
        raise unsupported(node, "it resizes other axes than height and width")
    if given is wanted:
        return int(given[-2]), int(given[-1])
    exact = [size * float(scale) for size, scale in zip(sizes, given[-2:], strict=True)]
    if any(size != int(size) for size in exact) or any(scale != 1 for scale in given[:-2]):
        raise unsupported(node, f"its scales {[float(scale) for scale in given]} give no whole number of pixels")
    return int(exact[0]), int(exact[1])


def _resize(builder: Builder, node: Node) -> None:
    from rilaas.optimize.passes.tensorflow.layers import Resize

    tensor = builder.picture(node, builder.value(node))
    sizes = tuple(tensor.shape[1:3])
    size = _new_size(builder, node, sizes)
    mode = node.fields.get("mode", b"nearest").decode()
    place = node.fields.get("coordinate_transformation_mode", b"half_pixel").decode()
    near = node.fields.get("nearest_mode", b"round_prefer_floor").decode()
    whole = all(new % old == 0 for new, old in zip(size, sizes, strict=True))
    if mode == "nearest":
        known = (place == "asymmetric" and near == "floor") or (whole and place == "half_pixel")
    else:
        known = mode == "linear" and place in ("half_pixel", "pytorch_half_pixel", "align_corners")
    if not known or (mode == "linear" and place == "pytorch_half_pixel" and 1 in size):
        raise unsupported(node, f"it resizes {mode} with {place} and {near}")
    method = "nearest" if mode == "nearest" else "bilinear"
    layer = Resize(size=size, method=method, corners=place == "align_corners", name=builder.name("resize"))
    builder.give(node, layer(tensor), PICTURE)


POOLING: dict[str, Operator] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "MaxPool": _max_pool,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "ReduceMin": _reduce,
    "ReduceSum": _reduce,
    "Resize": _resize,
}
