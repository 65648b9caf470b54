"""What a model takes and gives: named tensors with dtype, shape, unit and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rilaas.core.errors import SignatureMismatch, did_you_mean

# Datatypes of the Open Inference Protocol v2 that numpy has. BYTES holds Python bytes in an object array.
DATATYPES: Mapping[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
_NAME_OF = {dtype: name for name, dtype in DATATYPES.items()}

MAX_RANK = 8


def datatype_of(array: np.ndarray) -> str:
    """Protocol datatype of an array; string arrays (``S``, ``U``) count as BYTES.

    Raises:
        SignatureMismatch: The dtype has no counterpart in the protocol (complex, datetime, ...).
    """
    if array.dtype.kind in "SUO":
        return "BYTES"
    name = _NAME_OF.get(array.dtype.newbyteorder("="))
    if name is None:
        raise SignatureMismatch(f"dtype {array.dtype} cannot be sent. Valid: {', '.join(str(d) for d in _NAME_OF)}.")
    return name


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named tensor.

    Attributes:
        name: Key in ``Tensors``.
        datatype: A key of ``DATATYPES``, such as ``FP32``.
        shape: Sizes; -1 is free. The first axis is the batch axis where the model batches.
        unit: SI unit, or '' where there is none.
        meaning: What the numbers are, in a few words, with their frame.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    unit: str = ""
    meaning: str = ""

    def __post_init__(self) -> None:
        if self.datatype not in DATATYPES:
            raise SignatureMismatch(
                f"Tensor {self.name!r} has datatype {self.datatype!r}.",
                did_you_mean(self.datatype, DATATYPES),
            )
        if len(self.shape) > MAX_RANK or any(size < -1 for size in self.shape):
            raise SignatureMismatch(
                f"Tensor {self.name!r} has shape {list(self.shape)}: at most {MAX_RANK} axes, each -1 (free) or >= 0."
            )

    @property
    def dtype(self) -> np.dtype:
        """The numpy dtype."""
        return DATATYPES[self.datatype]

    def accepts(self, datatype: str, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this datatype and shape fits."""
        return (
            datatype == self.datatype
            and len(shape) == len(self.shape)
            and all(want in (-1, got) for want, got in zip(self.shape, shape, strict=True))
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.datatype} {list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a policy, by name."""

    inputs: Mapping[str, TensorSpec] = field(default_factory=dict)
    outputs: Mapping[str, TensorSpec] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> Signature:
        """Build from specs in order."""
        return cls({s.name: s for s in inputs}, {s.name: s for s in outputs})

    def check_inputs(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Refuse inputs that do not fit.

        Raises:
            SignatureMismatch: Naming what was sent and what the model takes.
        """
        _check("input", self.inputs, tensors)

    def check_outputs(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Refuse outputs that do not fit; see ``check_inputs``."""
        _check("output", self.outputs, tensors)


def _check(side: str, specs: Mapping[str, TensorSpec], tensors: Mapping[str, np.ndarray]) -> None:
    for name in tensors:
        if name not in specs:
            raise SignatureMismatch(f"The model has no {side} {name!r}.", did_you_mean(name, specs))
    for name, spec in specs.items():
        if name not in tensors:
            got = ", ".join(sorted(tensors)) or "nothing"
            raise SignatureMismatch(f"{side.capitalize()} {spec} is missing; got {got}.")
        array = tensors[name]
        if not isinstance(array, np.ndarray):
            raise SignatureMismatch(
                f"{side.capitalize()} {name!r} is a {type(array).__name__}; the model has {spec}.",
                "Pass a numpy array.",
            )
        datatype = datatype_of(array)
        if not spec.accepts(datatype, array.shape):
            raise SignatureMismatch(
                f"{side.capitalize()} {name!r} is {datatype} {list(array.shape)}; the model has {spec}.",
                _advice(spec, datatype, array.shape),
            )


def _advice(spec: TensorSpec, datatype: str, shape: tuple[int, ...]) -> str:
    if datatype != spec.datatype:
        return f"Convert it with .astype({spec.dtype.name!r})."
    if len(shape) + 1 == len(spec.shape) and TensorSpec("", datatype, spec.shape[1:]).accepts(datatype, shape):
        return f"Add the batch axis: {spec.name}[None]."
    return ""
