"""What passes work on: weights as the bytes of one file, never changed in place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rilaas.core import InvalidModelFolder

FORMATS = ("onnx", "tflite")
SUFFIX = {"onnx": ".onnx", "tflite": ".tflite"}


@dataclass(frozen=True, eq=False)
class Network:
    """Weights with their graph.

    Bytes cannot be changed in place, so a recipe can never see another one's weights. What a pass has to preserve
    needs no notes: pruned weights are exact zeros, clustered ones have few distinct values.

    Attributes:
        data: The file: an ONNX model with its weights inside, opset 13 or newer; or a LiteRT flat buffer.
        format: One of ``FORMATS``.
    """

    data: bytes
    format: str = "onnx"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"a network's format is one of {FORMATS}, got {self.format!r}")

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of its bytes and format."""
        return hashlib.sha256(self.format.encode() + b"\0" + self.data).hexdigest()

    def to_onnx(self) -> Any:
        """A fresh ``onnx.ModelProto``, the caller's own.

        Raises:
            InvalidModelFolder: It is not ONNX.
        """
        import onnx

        if self.format != "onnx":
            raise InvalidModelFolder(
                f"These weights are {self.format} already; this pass works on ONNX.",
                "Put it before the pass that converts.",
            )
        return onnx.load_model_from_string(self.data)

    @classmethod
    def of_onnx(cls, model: Any) -> Network:
        """From an ``onnx.ModelProto``; the same graph gives the same bytes."""
        return cls(model.SerializeToString(deterministic=True))
