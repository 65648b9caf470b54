"""What the registry keeps of a variant's ``variant.json``: the words of the one who pushed it, checked in shape."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from rilaas.core import Conflict, InvalidInput
from rilaas.hub.models import Version
from rilaas.hub.models.model import FAILED, PASSED
from rilaas.optimize.record import Record, read_record
from rilaas.store import ModelFolder

MAX_BYTES = 64 * 2**10
_SHOWN_LIMITS = 40  # of a gate; there are seven


def record_and_gate(folder: ModelFolder, version: Version) -> tuple[dict[str, Any], str]:
    """A variant's record as JSON, and what it says of its gate: passed, failed, or '' where it says nothing.

    Args:
        folder: The variant.
        version: What it is pushed to.

    Raises:
        InvalidModelFolder: The record is of another shape.
        InvalidInput: It is too long, or has characters that no database takes.
        Conflict: It was made from another content than the version's.
    """
    said = read_record(folder)
    if said is None:
        return {}, ""
    if said.parent_digest != version.digest:
        raise Conflict(
            f"This is no variant of {version.model}:{version.number}: its variant.json says that it was made from "
            f"{said.parent_digest[:19]!a}, and that version is {version.digest[:19]}.",
            "Push it to the version that it was made from (of, or --as NAME:NUMBER), or push that one first.",
        )
    record = _as_json(said)
    text = json.dumps(record, allow_nan=False)
    if len(text) > MAX_BYTES or "\\u0000" in text:
        raise InvalidInput(
            f"variant.json says more than {MAX_BYTES // 2**10} KiB, or contains the character NUL.",
            "Keep long tables in a file of another name.",
        )
    gate = "" if said.passed is None else PASSED if said.passed else FAILED
    return record, FAILED if said.violations else gate


def _as_json(said: Record) -> dict[str, Any]:
    machine = {str(key): value for key, value in said.machine.items() if isinstance(value, str | int)}
    features = said.machine.get("features")
    figures = asdict(said.measured) if said.measured is not None else None
    limits = {str(key): value for key, value in said.limits.items() if isinstance(value, bool | int | float)}
    return {
        "parent": said.parent_digest,
        "parent_ref": said.parent_ref,
        "recipe": said.recipe,
        "recipe_digest": said.recipe_digest,
        "source": said.source,
        "target": said.target,
        "passes": [dict(row) for row in said.passes],
        "seed": said.seed,
        "data_digest": said.data_digest,
        "machine": {**machine, "features": [str(each) for each in features] if isinstance(features, list) else []},
        "versions": dict(said.versions),
        "measured": {key: value if math.isfinite(value) else None for key, value in figures.items()}
        if figures
        else None,
        "limits": dict(list(limits.items())[:_SHOWN_LIMITS]),
        "violations": [each.words for each in said.violations],
    }
