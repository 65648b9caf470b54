"""What a policy has learned, as one small file: arrays, and a card that says what they are and where they come from.

A NumPy archive (.npz) with one more member, the card as JSON. Nothing in it is executed; sizes are checked before
anything is unpacked.
"""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, NotFound

FORMAT = 1
_CARD = "card"
_LIMIT_BYTES = 64 * 2**20  # of the file, and of all that is in it


def write_learned(path: Path, kind: str, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    """Write what was learned: beside the place, then renamed, so that a reader finds the old file or the new one.

    Args:
        path: The file; its folder is made.
        kind: Which policy it is for, such as ``q_learning``.
        arrays: By name: numbers or truth values of any shape.
        card: What JSON takes: at least what the policy checks when it reads the file.

    Raises:
        InvalidInput: The file cannot be written.
        ValueError: An array holds something else than finite numbers, or the card is no JSON.
    """
    data = pack_learned(kind, arrays, card)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            beside = Path(file.name)
            file.write(data)
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None


def read_learned(path: Path, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what ``write_learned`` wrote.

    Args:
        path: The file.
        kind: Which policy it has to be for.

    Returns:
        The arrays by name, and the card.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is another policy's, of a newer rilaas, damaged, cut off, too large or no such file at all.
    """
    return unpack_learned(_bytes_of(path, kind), kind, str(path))


def pack_learned(kind: str, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> bytes:
    """What ``write_learned`` writes; the same arrays and card make the same bytes.

    Raises:
        ValueError: An array holds something else than finite numbers, or the card is no JSON.
    """
    _check_arrays(arrays)
    text = json.dumps({**card, "format": FORMAT, "kind": kind}, sort_keys=True, allow_nan=False)
    return _packed({**arrays, _CARD: np.frombuffer(text.encode(), np.uint8)})


def unpack_learned(data: bytes, kind: str, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what ``pack_learned`` made.

    Args:
        data: It.
        kind: Which policy it has to be for.
        name: What messages call it, such as the file's path.

    Returns:
        The arrays by name, and the card.

    Raises:
        InvalidInput: As with ``read_learned``.
    """
    anew = f"Train one: rilaas learn balancer --policy {kind} --out FILE."
    try:
        arrays = _unpacked(data)
        card = json.loads(bytes(arrays.pop(_CARD).astype(np.uint8)).decode())
    except _DAMAGED as error:
        told = str(error) if isinstance(error, _TooLarge) else "it was damaged, cut off, or is something else"
        raise InvalidInput(f"{name} is no file of a learned policy: {told}.", anew) from None
    if not isinstance(card, dict) or not isinstance(card.get("kind"), str):
        raise InvalidInput(f"{name} is no file of a learned policy: its card names no kind.", anew)
    if card["kind"] != kind:
        raise InvalidInput(
            f"{name} was trained for the policy {card['kind']!r}, not for {kind!r}.",
            f"Write {card['kind']}={name}, or train one: rilaas learn balancer --policy {kind}.",
        )
    if card.get("format") != FORMAT:
        raise InvalidInput(
            f"{name} is of format {card.get('format')!r}; this rilaas reads {FORMAT}.",
            "Read it with the rilaas that wrote it, or train anew: rilaas learn balancer.",
        )
    try:
        _check_arrays(arrays)
    except ValueError as error:
        raise InvalidInput(f"{name} is damaged: {error}.", anew) from None
    return arrays, card


# Whatever zipfile, NumPy and json raise at bytes that chance or malice has changed; a test flips them.
_DAMAGED = (
    *(KeyError, ValueError, TypeError, OverflowError, OSError, EOFError, RuntimeError, MemoryError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


class _TooLarge(ValueError):
    """More than a policy ever needs."""


def _bytes_of(path: Path, kind: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(
            f"There is no file {path}.", f"Make one: rilaas learn balancer --policy {kind} --out {path}."
        ) from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > _LIMIT_BYTES:
        raise InvalidInput(f"{path} is no file of a learned policy: it has more than {_LIMIT_BYTES >> 20} MiB.")
    return data


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """As ``numpy.savez_compressed`` does, with a fixed date: the same arrays make the same bytes."""
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return archived.getvalue()


def _unpacked(data: bytes) -> dict[str, np.ndarray]:
    if not data.startswith(b"PK"):
        raise ValueError("no archive")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > _LIMIT_BYTES:
            raise _TooLarge(f"it unpacks to more than {_LIMIT_BYTES >> 20} MiB")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if name == _CARD:
            raise ValueError(f"an array is called {_CARD!r}, which is the card's name")
        if array.dtype.kind not in "biuf":
            raise ValueError(f"array {name!r} holds {array.dtype}, not numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"array {name!r} holds numbers that are not finite")
