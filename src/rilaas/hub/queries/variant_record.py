"""What is known about a variant: how it was made, what it was measured at, and what its gate says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rilaas.hub.models import Variant
from rilaas.hub.models.model import PASSED

MAX_PASSES = 40  # that a page shows


def is_let_in(variant: Variant) -> bool:
    """Whether a protected alias may point to it: an original, a passed gate, or let through by the owner."""
    return not variant.name or variant.gate == PASSED or bool(variant.waiver)


def violations_of(variant: Variant) -> list[str]:
    """What its record says against it, a sentence each, without the last dot."""
    return [str(words).rstrip(".") for words in variant.record.get("violations", [])]


def record_row(variant: Variant) -> dict[str, Any]:
    """A variant as a table shows it; numbers are None where nobody knows them."""
    said = variant.record
    measured: Mapping[str, Any] = said.get("measured") or {}
    machine: Mapping[str, Any] = said.get("machine") or {}
    keys = (
        "size_bytes",
        "gzip_bytes",
        "p50_s",
        "p99_s",
        "total_p50_s",
        "total_p99_s",
        "speedup",
        "smaller",
        "mse",
        "mse_ratio",
        "largest_difference",
        "parameters",
        "macs",
        "sparsity",
        "calls",
        "samples",
        "load_average",
    )
    return {
        "revision": variant.revision,
        "name": variant.name,
        "digest": variant.digest,
        "folder_bytes": variant.size_bytes,
        "backend": variant.manifest.get("backend", ""),
        "has_record": bool(said),
        "target": said.get("target", ""),
        "recipe": said.get("recipe", ""),
        "source": said.get("source", ""),
        "passes": passes_of(said),
        "gate": variant.gate,
        "violations": violations_of(variant),
        "limits": said.get("limits", {}),
        "waiver": variant.waiver or None,
        "is_let_in": is_let_in(variant),
        "machine": machine.get("cpu", ""),
        "cores": machine.get("cores"),
        "features": machine.get("features", []),
        "versions": said.get("versions", {}),
        **{key: measured.get(key) for key in keys},
    }


def passes_of(said: Mapping[str, Any]) -> list[dict[str, str]]:
    """Passes of a record in order: ``name``, and ``fields`` in words."""
    return [
        {
            "name": str(row.get("name", ""))[:80],
            "fields": ", ".join(f"{key} = {value}" for key, value in row.items() if key not in ("name", "version"))[
                :300
            ],
        }
        for row in said.get("passes", [])[:MAX_PASSES]
    ]
