"""A manifest as the text of ``model.toml``, for folders that we write ourselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from rilaas.core import TensorSpec
from rilaas.store.manifest import Limits, Manifest


def manifest_text(manifest: Manifest) -> str:
    """TOML that ``read_model_folder`` reads as the same manifest."""
    return "\n".join(_lines(manifest)) + "\n"


def _lines(manifest: Manifest) -> Iterator[str]:
    for key in ("name", "task", "description", "backend", "precision", "weights", "hooks"):
        value = getattr(manifest, key)
        if value and not (key == "precision" and value == "fp32"):
            yield f"{key} = {_text(value)}"
    yield from _tensors("inputs", manifest.signature.inputs)
    yield from _tensors("outputs", manifest.signature.outputs)
    if manifest.batching is not None:
        yield from ("", "[batching]", f"max_size = {manifest.batching.max_size}")
        yield f"max_wait_s = {float(manifest.batching.max_wait_s)!r}"
    limits = manifest.limits
    yield from ("", "[limits]", f"memory_bytes = {limits.memory_bytes}", f"cpus = {limits.cpus}")
    if limits.answer_s != Limits().answer_s:
        yield f"answer_s = {float(limits.answer_s)!r}"
    yield from ("", "[placement]", f"sensitivity = {_text(manifest.placement.sensitivity)}")


def _tensors(side: str, specs: Mapping[str, TensorSpec]) -> Iterator[str]:
    for name, spec in specs.items():
        yield from ("", f"[{side}.{_text(name)}]", f"datatype = {_text(spec.datatype)}")
        yield f"shape = {list(spec.shape)}"
        for key in ("unit", "meaning"):
            if getattr(spec, key):
                yield f"{key} = {_text(getattr(spec, key))}"


def _text(value: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for the sign DEL, which JSON leaves as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
