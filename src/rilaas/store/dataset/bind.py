"""From a sample's fields to a model's inputs, saying in sentences what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rilaas.core import MissingDependency, Signature, SignatureMismatch, Tensors, TensorSpec
from rilaas.core.signature import datatype_of

AXIS = "got a batch axis in front."
"""How the note ends that nobody who gives single samples needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """What a model is asked.

    Attributes:
        inputs: Tensors that fit the signature.
        notes: What was done to the sample for that, in sentences; the same for all samples of one shape.
    """

    inputs: Tensors
    notes: tuple[str, ...]


def bind(inputs: Mapping[str, np.ndarray], signature: Signature) -> Bound:
    """Map a sample's fields to a model's inputs.

    Names that are equal come first; then fields whose last part is the input's name (``camera/image``); then the
    only field to the only input. A batch axis is added where the first axis is free or 1. Images are resized and
    cast where the signature says UINT8, numbers where no digit before the point can be lost.

    Args:
        inputs: A sample's inputs.
        signature: Of the model.

    Raises:
        SignatureMismatch: A field is missing or does not fit.
        MissingDependency: An image has to be resized and Pillow is not installed.
    """
    notes: list[str] = []
    chosen = {name: _field_for(name, inputs, signature, notes) for name in signature.inputs}
    if unused := sorted(set(inputs) - set(chosen.values())):
        notes.append(f"Not used: {', '.join(unused)}.")
    bound = {name: _fitted(inputs[field], signature.inputs[name], field, notes) for name, field in chosen.items()}
    signature.check_inputs(bound)
    return Bound(bound, tuple(notes))


def _field_for(name: str, inputs: Mapping[str, np.ndarray], signature: Signature, notes: list[str]) -> str:
    if name in inputs:
        return name
    alike = [field for field in inputs if field.rpartition("/")[2] == name and field not in signature.inputs]
    if len(alike) != 1 and len(signature.inputs) == 1 and len(inputs) == 1:
        alike = list(inputs)
    if len(alike) != 1:
        raise SignatureMismatch(
            f"No field can be the input {signature.inputs[name]}; the data set has {', '.join(sorted(inputs))}.",
            f"Name a field {name!r}.",
        )
    notes.append(f"The field {alike[0]} is the input {name}.")
    return alike[0]


def _fitted(array: np.ndarray, spec: TensorSpec, field: str, notes: list[str]) -> np.ndarray:
    array = np.asarray(array)
    rank = len(spec.shape)
    if spec.datatype == "UINT8":
        array = _image(array, spec, field, notes)
    if array.ndim + 1 == rank and spec.shape[0] in (-1, 1):
        array = array[None]
        notes.append(f"{field} {AXIS}")
    datatype = datatype_of(array)
    if datatype != spec.datatype and "BYTES" not in (datatype, spec.datatype) and _may_cast(array, spec.dtype):
        array = array.astype(spec.dtype)
        notes.append(f"{field} was converted from {datatype} to {spec.datatype}.")
    return array


def _may_cast(array: np.ndarray, dtype: np.dtype) -> bool:
    if np.can_cast(array.dtype, dtype, "same_kind"):
        return dtype.kind != "i" or array.dtype.kind == "b" or np.can_cast(array.dtype, dtype) or _holds(array, dtype)
    return array.dtype.kind in "iu" and dtype.kind in "iu" and _holds(array, dtype)


def _holds(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether every value of an integer array exists in another integer type."""
    if not array.size:
        return True
    info = np.iinfo(dtype)
    return bool(array.dtype.kind in "iu" and int(array.min()) >= info.min and int(array.max()) <= info.max)


def _image(array: np.ndarray, spec: TensorSpec, field: str, notes: list[str]) -> np.ndarray:
    """A single image in the size and type that is asked for; anything else unchanged."""
    wanted = spec.shape[1:] if len(spec.shape) == 4 and spec.shape[0] in (-1, 1) else spec.shape
    if len(wanted) != 3 or wanted[2] != 3:
        return array
    single = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
    if single.ndim == 2 and single.dtype in (np.uint8, np.uint16):
        single = np.repeat(single[:, :, None], 3, axis=2)
        notes.append(f"{field} is grey: its values became red, green and blue.")
    if single.ndim != 3 or single.shape[2] != 3 or not single.size:
        return array
    if single.dtype == np.uint16:
        single = (single // 257).astype(np.uint8)
        notes.append(f"{field} was scaled from 16 bits to 8.")
    if single.dtype != np.uint8:
        return array
    height, width = (got if want == -1 else want for want, got in zip(wanted[:2], single.shape[:2], strict=True))
    if (height, width) == single.shape[:2]:
        return single if array.ndim != 4 else array
    notes.append(f"{field} was resized from {single.shape[1]} x {single.shape[0]} to {width} x {height} pixels.")
    return _resized(single, width, height)


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError:
        raise MissingDependency("Images are resized by Pillow.", "Install it: pip install 'rilaas[hub]'.") from None
    resized = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
