"""Images among tensors, as pixels to look at and as PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_MIN_SIDE = 8  # what is smaller is a matrix, no image
_MAX_SIDE = 2048  # larger images are thinned out before they are averaged
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image among the inputs.

    Attributes:
        name: Of its tensor.
        pixels: (H, W, 3) uint8 RGB.
        rows: Length of its batch axis; 0 where it has none.
    """

    name: str
    pixels: np.ndarray
    rows: int


def find_picture(tensors: Mapping[str, np.ndarray]) -> Picture | None:
    """The first image: one with colours before a grey one, bytes before other numbers."""
    found: list[tuple[tuple[bool, bool, bool], str, np.ndarray, int]] = []
    for name, tensor in tensors.items():
        array = np.asarray(tensor)
        rows = 0
        if array.ndim == 4 and array.shape[0] > 0:
            rows, array = array.shape[0], array[0]
        elif array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and array.shape[0] == 1:
            rows, array = 1, array[0]
        pixels = _channels_last(array)
        if pixels is not None:
            key = (name.rpartition("/")[2] != "image", pixels.shape[2] < 3, pixels.dtype != np.uint8)
            found.append((key, name, pixels, rows))
    if not found:
        return None
    _, name, pixels, rows = min(found, key=lambda each: each[0])
    return Picture(name, to_rgb(pixels), rows)


def thumbnail(array: np.ndarray, max_px: int = 480) -> bytes:
    """A PNG of an image, not larger than it is; what is no image becomes a picture of its numbers.

    Args:
        array: (H, W), (H, W, 1, 3 or 4), (3, H, W), or one of these with a batch axis.
        max_px: Longer side [pixels].
    """
    array = np.asarray(array)
    while array.ndim > 3:
        array = array[0] if len(array) else np.zeros((1, 1))
    pixels = _channels_last(array)
    if pixels is None:
        if array.ndim == 3:
            array = array.reshape(len(array), -1) if array.size else np.zeros((1, 1))
        flat = np.atleast_2d(array)
        pixels = (flat if flat.size and flat.dtype.kind in "biuf" else np.zeros((1, 1)))[:, :, None]
    return to_png(shrunk(to_rgb(pixels), max_px))


def shrunk(pixels: np.ndarray, max_px: int) -> np.ndarray:
    """An image whose longer side has ``max_px`` pixels at most; each one is the mean of those it stands for."""
    step = -(-max(pixels.shape[:2]) // _MAX_SIDE)
    pixels = pixels[::step, ::step]
    height, width = pixels.shape[:2]
    scale = min(1.0, max_px / max(height, width))
    if scale == 1.0:
        return pixels
    total: np.ndarray = pixels.astype(np.float32)
    for axis, size in ((0, height), (1, width)):
        edges = np.linspace(0, size, max(1, round(size * scale)) + 1).astype(int)
        counts = np.diff(edges).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        total = np.add.reduceat(total, edges[:-1], axis=axis) / counts.astype(np.float32)
    small: np.ndarray = np.clip(total + 0.5, 0, 255).astype(np.uint8)
    return small


def to_png(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as a PNG file; every row is filtered by its left neighbour.

    Source: Portable Network Graphics (PNG) Specification (Third Edition), W3C.
    """
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = 1
    left = np.zeros_like(pixels)
    left[:, 1:] = pixels[:, :-1]
    rows[:, 1:] = (pixels - left).reshape(height, -1)
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) of any numbers as (H, W, 3) uint8; what is not bytes is stretched to what its values span."""
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels.astype(np.float64))
    if pixels.shape[2] in (3, 4):
        return np.ascontiguousarray(pixels[:, :, :3])
    return np.repeat(pixels[:, :, :1], 3, axis=2)


def _stretched(values: np.ndarray) -> np.ndarray:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    with np.errstate(all="ignore"):
        scaled = (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)
    return (np.clip(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0) * 255).astype(np.uint8)


def _channels_last(array: np.ndarray) -> np.ndarray | None:
    """(H, W, C) of what may be an image, or None."""
    if array.dtype.kind not in "biuf":
        return None
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or min(array.shape[:2]) < _MIN_SIDE:
        return None
    return array
