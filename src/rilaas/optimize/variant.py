"""A variant as a model folder: other weights, the same code around them, and where it comes from."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rilaas.core import Conflict, InvalidInput, ModelRef
from rilaas.infer.target import processor_features
from rilaas.optimize.card import card_of
from rilaas.optimize.engine import Made, versions_of
from rilaas.optimize.network import SUFFIX
from rilaas.optimize.record import FORMAT
from rilaas.optimize.subject import Subject
from rilaas.optimize.used_code import used_code
from rilaas.report.provenance import machine
from rilaas.store import Manifest, ModelFolder, read_model_folder
from rilaas.store.manifest_text import manifest_text
from rilaas.store.onnx_file import external_files
from rilaas.store.variant_file import RECORD

_CARD = "README.md"
_GIB = 2**30
_MEMORY_BYTES = {"torch-compile": 4 * _GIB, "tensorrt": 64 * _GIB, "torch-tensorrt": 64 * _GIB}
"""Address space that a runtime needs where the original has less. Measured with a small network: ONNX Runtime and
LiteRT 0.2 GB, OpenVINO 0.5, torch 0.8, torch-compile 1.1 and its compilers; CUDA maps all memory of a card."""


def write_variant(subject: Subject, made: Made, into: Path, *, name: str, record: Mapping[str, Any]) -> ModelFolder:
    """Write a variant; it appears whole or not at all, and the same arguments give the same bytes.

    Args:
        subject: The model that it was made from.
        made: Its network.
        into: The folder that it becomes; one that holds a variant already is replaced, any other refused.
        name: What the variant is called.
        record: What is known beside: what ``record.judged`` gives; at least ``{}``.

    Returns:
        The folder, read again and valid.

    Raises:
        Conflict: There is something else at ``into``.
        InvalidInput: ``name`` is no name of a variant, or the network takes one sample and the signature any number.
        InvalidModelFolder: The result is no valid model folder; nothing was written.
    """
    ModelRef(subject.folder.manifest.name, variant=name)
    _check_place(into)
    into.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
    try:
        place.chmod(0o755)
        said = _record(subject, made, name, record)
        manifest = _manifest(subject, made)
        _copy(subject, place, manifest)
        (place / manifest.weights).write_bytes(made.network.data)
        (place / "model.toml").write_text(manifest_text(manifest), encoding="utf-8")
        (place / RECORD).write_text(json.dumps(said, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        (place / _CARD).write_text(card_of(said, _readme(subject)), encoding="utf-8")
        read_model_folder(place, label=f"the variant {name}")
        _put(place, into)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return read_model_folder(into)


def _check_place(into: Path) -> None:
    if into.exists() and not (into / RECORD).is_file() and not (into.is_dir() and not any(into.iterdir())):
        raise Conflict(f"{into} exists and is no variant.", "Give another folder with --out.")


def _put(place: Path, into: Path) -> None:
    """Give a finished folder its name; the one that had it goes after that."""
    if not into.exists():
        place.rename(into)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{into.name}-old-", dir=into.parent))
    into.rename(old / "old")
    try:
        place.rename(into)
    except OSError:
        (old / "old").rename(into)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _record(subject: Subject, made: Made, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    recipe, known = made.recipe, machine()
    return {
        "format": FORMAT,
        "variant": name,
        "parent": {
            "name": subject.folder.manifest.name,
            "ref": record.get("ref", ""),
            "digest": subject.folder.digest,
        },
        "recipe": {
            "name": recipe.name,
            "description": recipe.description,
            "source": recipe.source,
            "target": str(recipe.target),
            "threads": recipe.target.threads,
            "digest": recipe.digest,
            "passes": recipe.as_rows(),
        },
        "seed": record.get("seed", 0),
        "data_digest": record.get("data_digest", ""),
        "machine": {
            **{key: known[key] for key in ("cpu", "cores", "os", "python")},
            "features": list(processor_features()),
        },
        "versions": versions_of(),
        "measured": record.get("measured"),
        "gate": record.get("gate", {"limits": {}, "violations": [], "passed": None}),
    }


def _manifest(subject: Subject, made: Made) -> Manifest:
    """The original's, with what the runtime changes."""
    old, target = subject.folder.manifest, made.recipe.target
    hooks = subject.hooks
    is_fixed = _takes_one_size(made)
    if is_fixed and hooks.preprocess is None and hooks.model is None:
        raise InvalidInput(
            f"The recipe {made.recipe.name} fixes the first axis, which is free in {old.name}'s signature.",
            "Leave shape.fix away, or give the model a preprocess(inputs) that makes one sample of what it gets.",
        )
    memory_bytes = max(old.limits.memory_bytes, _MEMORY_BYTES.get(target.runtime, 0))
    return replace(
        old,
        backend=target.runtime,
        precision="fp32" if target.precision == "int8" else target.precision,
        weights=f"weights{SUFFIX[made.network.format]}",
        hooks=old.hooks if hooks.preprocess or hooks.postprocess or hooks.model else "",
        batching=None if is_fixed else old.batching,
        limits=replace(old.limits, memory_bytes=memory_bytes, cpus=max(old.limits.cpus, target.threads)),
    )


def _takes_one_size(made: Made) -> bool:
    """Whether the first axis is fixed, so that nothing can be batched; LiteRT plans anew for another size."""
    if made.network.format != "onnx":
        return False
    shapes = [each.type.tensor_type.shape.dim for each in made.network.to_onnx().graph.input]
    return any(shape[0].dim_value > 0 for shape in shapes if shape)


def _copy(subject: Subject, place: Path, manifest: Manifest) -> None:
    """All files but the weights, the description, and code that nothing around the weights uses."""
    folder = subject.folder
    old = folder.path / folder.manifest.weights
    left = {"model.toml", _CARD, RECORD, folder.manifest.weights}
    if old.suffix == ".onnx":
        base = Path(folder.manifest.weights).parent
        left |= {(base / location).as_posix() for location in external_files(old)}
    code = used_code(folder.path, manifest.hooks, [file.path for file in folder.files])
    for file in folder.files:
        if file.path in left or (file.path.endswith(".py") and file.path not in code):
            continue
        (place / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.path / file.path, place / file.path)


def _readme(subject: Subject) -> str:
    path = subject.folder.path / _CARD
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
