"""A tensor in a table: its numbers where they are few, else their range; and a model's tensors from its manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rilaas.core import Signature, TensorSpec

SHOWN_VALUES = 16
_SHOWN_TEXTS, _SHOWN_CHARACTERS = 4, 80


def shown(array: np.ndarray) -> dict[str, Any]:
    """``dtype`` and ``shape``, with ``values`` of a small one, ``min``, ``mean`` and ``max`` of a large one."""
    about: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape), "values": None, "min": None}
    if array.dtype.kind in "OSU":
        about["dtype"] = "bytes"
        texts = [each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in array.flat[:4]]
        few = array.size <= _SHOWN_TEXTS
        return {**about, "values": [text[:_SHOWN_CHARACTERS] for text in texts]} if few else about
    if array.size <= SHOWN_VALUES:
        return {**about, "values": [plain_number(value) for value in array.ravel().tolist()]}
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not finite.size:
        return about
    mean = plain_number(finite.mean(dtype=np.float64))
    return {**about, "min": plain_number(finite.min()), "mean": mean, "max": plain_number(finite.max())}


def plain_number(value: Any) -> Any:
    """A number as JSON has it; NaN and infinities are words that ``float`` reads."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else str(number)


def may_fit(fields: Sequence[Mapping[str, Any]], inputs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a dataset's fields may be a model's inputs, by names and shapes alone; ``store.bind`` decides.

    Args:
        fields: ``DatasetVersion.info["fields"]``.
        inputs: ``Variant.manifest["inputs"]``.
    """

    def fits(field: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
        named = spec["name"] in (field["name"], field["name"].rpartition("/")[2])
        if not named and not len(fields) == len(inputs) == 1:
            return False
        got, wanted = field["shape"], list(spec["shape"])
        if got is None:
            return True
        if len(got) + 1 == len(wanted) and wanted[0] in (-1, 1):
            wanted = wanted[1:]
        is_image = spec["datatype"] == "UINT8" and len(wanted) >= 3 and wanted[-1] == 3
        if is_image:
            return field["dtype"] in ("uint8", "uint16")  # it is resized
        return len(got) == len(wanted) and all(
            want in (-1, size) or size is None for want, size in zip(wanted, got, strict=True)
        )

    return all(any(fits(field, spec) for field in fields) for spec in inputs)


def signature_of(manifest: Mapping[str, Any]) -> Signature:
    """What a variant takes and gives, from ``Variant.manifest``."""

    def specs(side: str) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(each["name"], each["datatype"], tuple(each["shape"]), each["unit"], each["meaning"])
            for each in manifest[side]
        )

    return Signature.of(specs("inputs"), specs("outputs"))
