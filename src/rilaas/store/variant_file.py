"""The record that a variant's folder carries: ``variant.json``, written by ``rilaas.optimize``.

Here it is read as a stranger's words: bounded, and believed in nothing but its shape.
"""

from __future__ import annotations

import json
from typing import Any

from rilaas.core import InvalidModelFolder
from rilaas.store.folder import ModelFolder

RECORD = "variant.json"
MAX_RECORD_BYTES = 256 * 2**10


def record_of(model: ModelFolder) -> dict[str, Any]:
    """What a folder says about how it was made; {} where it says nothing.

    Raises:
        InvalidModelFolder: Its ``variant.json`` is no JSON object, or too large.
    """
    file = next((each for each in model.files if each.path == RECORD), None)
    if file is None:
        return {}
    if file.size_bytes > MAX_RECORD_BYTES:
        raise InvalidModelFolder(
            f"{RECORD} has {file.size_bytes:,} bytes; at most {MAX_RECORD_BYTES:,} are read.",
            "Keep long tables in a file of another name.",
        )
    try:
        said = json.loads((model.path / RECORD).read_bytes(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidModelFolder(f"{RECORD} is no JSON: {error!s:.200}.", "`rilaas optimize` writes one.") from None
    if not isinstance(said, dict):
        raise InvalidModelFolder(f"{RECORD} is no JSON object.", "`rilaas optimize` writes one.")
    return said


def parent_of(model: ModelFolder) -> str:
    """Digest of the version that a variant says it was made from; '' where it says none.

    Raises:
        InvalidModelFolder: Its record cannot be read.
    """
    said = record_of(model).get("parent", "")
    digest = said.get("digest", "") if isinstance(said, dict) else said
    if not isinstance(digest, str):
        raise InvalidModelFolder(f"{RECORD}: the parent's digest is no text.", "It is sha256:... of the original.")
    return digest


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")
