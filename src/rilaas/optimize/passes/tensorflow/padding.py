"""Padding of windows: TensorFlow knows ``valid`` and ``same``; everything else is a layer before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rilaas.optimize.passes.tensorflow.graph import Node
from rilaas.optimize.passes.tensorflow.keras_model import Builder


def window_pads(
    node: Node, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """What an operator pads before and after each axis of a picture.

    Args:
        node: With ``pads`` or ``auto_pad``.
        sizes: Height and width.
        kernel: Height and width of the window.
        strides: Steps along both.
        dilations: Gaps in the window along both.
    """
    auto = node.fields.get("auto_pad", b"NOTSET")
    if auto in (b"NOTSET", b"VALID"):
        pads = node.fields.get("pads", [0, 0, 0, 0]) if auto == b"NOTSET" else [0, 0, 0, 0]
        return (pads[0], pads[2]), (pads[1], pads[3])
    same = same_pads(sizes, kernel, strides, dilations)
    return same if auto == b"SAME_UPPER" else tuple((after, before) for before, after in same)


def same_pads(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """What TensorFlow's ``same`` pads before and after each axis."""
    found = []
    for size, window, stride, gap in zip(sizes, kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + (window - 1) * gap + 1 - size)
        found.append((total // 2, total - total // 2))
    return tuple(found)


def padded(
    builder: Builder,
    node: Node,
    tensor: Any,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int] = (1, 1),
) -> tuple[Any, str]:
    """A picture that is ready for a window over zeros, and Keras' word for the rest.

    Args:
        builder: The model that is built.
        node: With ``pads`` or ``auto_pad``.
        tensor: (N, H, W, C).
        kernel: Height and width of the window.
        strides: Steps along both.
        dilations: Gaps in the window along both.
    """
    sizes = tensor.shape[1:3]
    pads = window_pads(node, sizes, kernel, strides, dilations)
    if pads == ((0, 0), (0, 0)):
        return tensor, "valid"
    if pads == same_pads(sizes, kernel, strides, dilations):
        return tensor, "same"
    return builder.layers.ZeroPadding2D(pads, name=builder.name("pad"))(tensor), "valid"
