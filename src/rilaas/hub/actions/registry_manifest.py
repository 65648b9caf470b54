"""What the registry keeps of a model folder beside its archive: what a page shows without unpacking anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rilaas.core import TensorSpec
from rilaas.store import ModelFolder

CARD = "README.md"
MAX_TEXT_BYTES = 20_000  # of the card and of the hooks: a page stays small whatever was uploaded
_CUT = "\n[cut here; the whole file is in the archive]\n"


def manifest_json(folder: ModelFolder) -> dict[str, Any]:
    """What ``model.toml`` says, as JSON; ``hooks_source`` is the text of the hooks."""
    manifest = folder.manifest
    batching = manifest.batching
    return {
        "name": manifest.name,
        "task": manifest.task,
        "description": manifest.description,
        "backend": manifest.backend,
        "weights": manifest.weights,
        "hooks": manifest.hooks,
        "inputs": [_tensor(spec) for spec in manifest.signature.inputs.values()],
        "outputs": [_tensor(spec) for spec in manifest.signature.outputs.values()],
        "batching": {"max_size": batching.max_size, "max_wait_s": batching.max_wait_s} if batching else None,
        "limits": {
            "memory_bytes": manifest.limits.memory_bytes,
            "cpus": manifest.limits.cpus,
            "answer_s": manifest.limits.answer_s,
        },
        "placement": {"sensitivity": manifest.placement.sensitivity},
        "hooks_source": _text(folder.path / manifest.hooks) if manifest.hooks else "",
    }


def files_json(folder: ModelFolder) -> list[dict[str, Any]]:
    """Its files."""
    return [{"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in folder.files]


def card_text(folder: ModelFolder) -> str:
    """Its README.md; '' where it has none."""
    path = folder.path / CARD
    return _text(path) if path.is_file() else ""


def difference(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Where a variant's signature differs from its original's in names, datatypes or shapes; '' where it does not.

    A variant may fix the free batch axis to 1: some runtimes are faster then.

    Args:
        first: Manifest of the original.
        second: Manifest of the variant.
    """
    found = []
    for side in ("inputs", "outputs"):
        free = {spec["name"] for spec in first[side] if spec["shape"][:1] == [-1]}
        one, other = (
            {
                spec["name"]: f"{spec['name']}: {spec['datatype']} {_freed(spec, spec['name'] in free)}"
                for spec in manifest[side]
            }
            for manifest in (first, second)
        )
        found += [
            f"{side[:-1]} {one.get(name, 'nothing')} there, {other.get(name, 'nothing')} here"
            for name in sorted({*one, *other})
            if one.get(name) != other.get(name)
        ]
    return "; ".join(found)


def _freed(spec: dict[str, Any], is_free: bool) -> list[int]:
    shape = list(spec["shape"])
    return [-1, *shape[1:]] if is_free and shape[:1] == [1] else shape


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "datatype": spec.datatype,
        "shape": list(spec.shape),
        "unit": spec.unit,
        "meaning": spec.meaning,
    }


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    # NUL is the one character that PostgreSQL keeps in no text.
    text = data[:MAX_TEXT_BYTES].decode("utf-8", errors="replace").replace("\0", "\ufffd")
    return text + _CUT if len(data) > MAX_TEXT_BYTES else text
