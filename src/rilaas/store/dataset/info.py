"""What a data set is, without its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rilaas.core import Tensors


@dataclass(frozen=True, slots=True)
class DatasetLimits:
    """How large an upload may become while it is read.

    Attributes:
        samples: How many.
        fields: Of one sample, inputs and expected outputs together.
        sample_bytes: One sample, decoded [bytes].
        total_bytes: All samples, decoded [bytes].
        pixels: Of one image.
        files: In one archive.
    """

    samples: int = 100_000
    fields: int = 64
    sample_bytes: int = 256 * 2**20
    total_bytes: int = 8 * 2**30
    pixels: int = 50_000_000
    files: int = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One sample: what a model is asked, and what it should answer.

    Attributes:
        inputs: Arrays by field; without a batch axis, unless the upload had one.
        expected: Arrays by field; empty where nothing is known.
    """

    inputs: Tensors
    expected: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of all samples.

    Attributes:
        dtype: A name of numpy, such as ``uint8``; ``bytes`` for texts; ``mixed`` where samples differ.
        shape: Sizes of one sample's array, None for an axis whose size varies; None where even the rank varies.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    def joined(self, other: FieldInfo) -> FieldInfo:
        """What holds for two samples."""
        dtype = self.dtype if self.dtype == other.dtype else "mixed"
        if self.shape is None or other.shape is None or len(self.shape) != len(other.shape):
            return FieldInfo(dtype, None)
        return FieldInfo(dtype, tuple(a if a == b else None for a, b in zip(self.shape, other.shape, strict=True)))

    def __str__(self) -> str:
        sizes = "any shape" if self.shape is None else " x ".join("?" if n is None else str(n) for n in self.shape)
        return f"{self.dtype} {sizes or 'number'}"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A frozen data set.

    Attributes:
        samples: How many.
        fields: The inputs, by name.
        expected: The expected outputs, by name; empty where there are none.
        source: What was uploaded: ``npz``, ``episodes``, ``images``, ``mcap`` or ``rosbag2``.
        digest: ``sha256:...`` over names, types, shapes and values of all samples in their order.
        size_bytes: The frozen file's size [bytes].
        notes: What was left out or assumed, in sentences.
    """

    samples: int
    fields: Mapping[str, FieldInfo]
    expected: Mapping[str, FieldInfo]
    source: str
    digest: str
    size_bytes: int
    notes: tuple[str, ...] = ()


def info_of(array: np.ndarray) -> FieldInfo:
    """A single array's type and shape."""
    return FieldInfo("bytes" if array.dtype.kind in "OSU" else array.dtype.name, array.shape)


def fields_to_json(fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """As plain values."""
    return {name: {"dtype": each.dtype, "shape": each.shape} for name, each in fields.items()}


def fields_from_json(values: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """The inverse of ``fields_to_json``."""
    return {
        name: FieldInfo(str(each["dtype"]), None if each["shape"] is None else tuple(each["shape"]))
        for name, each in values.items()
    }
