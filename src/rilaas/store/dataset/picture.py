"""Images as arrays, and folders of images as samples."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, MissingDependency, did_you_mean
from rilaas.store.dataset.info import DatasetLimits, Sample

SUFFIXES = (".png", ".jpg", ".jpeg")
TABLES = ("labels.csv", "expected.csv", "labels.json", "expected.json")
_FORMATS = ("PNG", "JPEG")
_MAX_TABLE_BYTES = 64 * 2**20
_VALID_CSV = "Its first row is file,NAME,NAME,... and each other one a file and its numbers."
_VALID_JSON = 'It is {"FILE": {"NAME": NUMBER or [NUMBERS]}, ...}.'


def decode_picture(data: bytes, label: str, limits: DatasetLimits) -> np.ndarray:
    """A PNG or JPEG as (H, W, 3) uint8 RGB; a PNG of 16-bit grey values as (H, W) uint16.

    Raises:
        MissingDependency: Pillow is not installed.
        InvalidInput: It is neither, damaged, or has too many pixels.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingDependency("Images are read by Pillow.", "Install it: pip install 'rilaas[hub]'.") from None
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > limits.pixels:
                raise InvalidInput(f"{label} has {width} x {height} pixels; at most {limits.pixels} are read.")
            if image.mode.startswith("I"):
                return np.asarray(image).astype(np.uint16)
            return np.array(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    except InvalidInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidInput(f"{label} has too many pixels; at most {limits.pixels} are read.") from None
    except Exception as error:  # a stranger's bytes: the decoder has no base class for what it raises
        raise InvalidInput(
            f"{label} is no intact PNG or JPEG: {type(error).__name__} {error}."[:300], "Leave it out or repair it."
        ) from None


def picture_samples(folder: Path, names: Sequence[str], label: str, limits: DatasetLimits) -> Iterator[Sample]:
    """One sample per image, in the order of the names: ``image``, and what a table beside them expects.

    Args:
        folder: Where they are.
        names: All files, relative to it.
        label: What the upload is called in errors.
        limits: How large an image may be.

    Raises:
        InvalidInput: An image or the table is wrong.
    """
    images = sorted(name for name in names if name.lower().endswith(SUFFIXES))
    tables = [name for name in names if name.rpartition("/")[2].lower() in TABLES]
    if len(tables) > 1:
        raise InvalidInput(f"{label} holds the tables {', '.join(tables)}.", "One of them is read: leave one.")
    expected = _table(folder, tables[0], images, label) if tables else {}
    for name in images:
        picture = decode_picture((folder / name).read_bytes(), f"{label}: {name}", limits)
        yield Sample({"image": picture}, expected.get(name, {}))


def _table(folder: Path, name: str, images: Sequence[str], label: str) -> dict[str, dict[str, np.ndarray]]:
    where = f"{label}: {name}"
    if (folder / name).stat().st_size > _MAX_TABLE_BYTES:
        raise InvalidInput(f"{where} is larger than {_MAX_TABLE_BYTES} bytes.")
    try:
        text = (folder / name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{where} is not UTF-8 text (byte {error.start}).") from None
    rows = _csv_rows(text, where) if name.lower().endswith(".csv") else _json_rows(text, where)
    known = {**{image.rpartition("/")[2]: image for image in images}, **{image: image for image in images}}
    expected: dict[str, dict[str, np.ndarray]] = {}
    for file, values in rows:
        if file not in known:
            close = did_you_mean(file, images) if len(images) <= 20 else ""
            raise InvalidInput(f"{where} names the file {file[:200]!a}, which is not there.", close)
        if known[file] in expected:
            raise InvalidInput(f"{where} names the file {file[:200]!a} twice.")
        expected[known[file]] = values
    if missing := [image for image in images if image not in expected]:
        raise InvalidInput(
            f"{where} says nothing about {len(missing)} of {len(images)} images, such as {missing[0]}.",
            "Add them to it, or leave them out.",
        )
    return expected


def _csv_rows(text: str, where: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """``file,speed,wheels[0],wheels[1]``: columns of one name are one array."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InvalidInput(f"{where} is no CSV: {error}.", _VALID_CSV) from None
    if not rows or len(rows[0]) < 2:
        raise InvalidInput(f"{where} has no columns of numbers.", _VALID_CSV)
    heads = [head.strip() for head in rows[0]]
    columns: dict[str, list[int]] = {}
    if all(_number(head) is not None for head in heads[1:]):
        columns["expected"] = list(range(1, len(heads)))  # there is no row of names
    else:
        rows = rows[1:]
        for index, head in enumerate(heads[1:], start=1):
            columns.setdefault(head.partition("[")[0] or f"column {index}", []).append(index)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(heads):
            raise InvalidInput(f"{where}: row {number} has {len(row)} cells, not {len(heads)}.", _VALID_CSV)
        values = [_number(cell) for cell in row]
        for head, value, cell in zip(heads[1:], values[1:], row[1:], strict=True):
            if value is None:
                raise InvalidInput(f"{where}: row {number}, {head!a} is {cell[:50]!a}, no number.", _VALID_CSV)
        yield (
            row[0].strip(),
            {name: np.array([values[i] for i in indexes], np.float64) for name, indexes in columns.items()},
        )


def _json_rows(text: str, where: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where} is no JSON: {error}.", _VALID_JSON) from None
    if not isinstance(values, dict):
        raise InvalidInput(f"{where} is no JSON object.", _VALID_JSON)
    for file, given in values.items():
        fields: dict[str, Any] = given if isinstance(given, dict) else {"expected": given}
        arrays = {}
        for name, value in fields.items():
            try:
                array = np.atleast_1d(np.array(value, np.float64))
            except (ValueError, TypeError, OverflowError, RecursionError):
                raise InvalidInput(
                    f"{where}: {name!a} of {file[:200]!a} is no array of numbers.", _VALID_JSON
                ) from None
            arrays[name] = array
        yield file, arrays


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) or text.strip().lower() in ("nan", "inf", "-inf") else None
