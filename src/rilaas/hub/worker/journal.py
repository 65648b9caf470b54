"""What a run has done, sample by sample: a sample counts once its line is in the journal.

::

    runs/<id>/
    ├── input              of a trial: the frozen input
    ├── samples.jsonl      a line a sample: {"i", "total_s", ..., "error" or "outputs", "errors"}
    ├── outputs/000012.npz what the model gave for sample 12
    ├── order.json         at the end: where the lines are, and the samples with the largest error first
    └── outputs.npz        at the end: all outputs in one file
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import Tensors

LINES, ORDER, ALL, INPUT = "samples.jsonl", "order.json", "outputs.npz", "input"


class Journal:
    """The folder of a run, for the one who runs it.

    Args:
        folder: Made where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "outputs").mkdir(parents=True, exist_ok=True)
        self.rows = {row["i"]: row for row in self._whole_lines()}
        self._file = (folder / LINES).open("a", encoding="utf-8")

    def add(self, row: Mapping[str, Any], outputs: Tensors | None) -> None:
        """Write down a sample: first what the model gave, then its line."""
        index = int(row["i"])
        if outputs is not None:
            whole = output_path(self.folder, index)
            fresh = whole.with_suffix(".part")
            with fresh.open("wb") as file:
                _save(file, outputs)
            fresh.replace(whole)
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        self.rows[index] = dict(row)

    def close(self) -> None:
        """Close the journal's file."""
        self._file.close()

    def _whole_lines(self) -> Iterator[dict[str, Any]]:
        """Its lines; a last one that was cut off when the worker was killed is taken away."""
        path = self.folder / LINES
        if not path.is_file():
            return
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end != len(data):
            os.truncate(path, end)
        for line in data[:end].splitlines():
            yield json.loads(line)


def output_path(folder: Path, index: int) -> Path:
    """Where the outputs of a sample are."""
    return folder / "outputs" / f"{index:06d}.npz"


def read_outputs(folder: Path, index: int) -> dict[str, np.ndarray]:
    """The outputs of a sample; none where it failed or was not run yet."""
    path = output_path(folder, index)
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def write_order(folder: Path, order: Sequence[int]) -> None:
    """Write down where each sample's line begins, and in which order people want to look at them."""
    offsets: dict[int, int] = {}
    position = 0
    with (folder / LINES).open("rb") as file:
        for line in file:
            offsets[int(json.loads(line)["i"])] = position
            position += len(line)
    fresh = folder / f"{ORDER}.part"
    fresh.write_text(json.dumps({"order": list(order), "offsets": [offsets[i] for i in sorted(offsets)]}))
    fresh.replace(folder / ORDER)


def write_all(folder: Path, indexes: Sequence[int]) -> None:
    """All outputs in one .npz: an array an output where all have one shape, else ``NAME/000012`` for each sample.

    Args:
        folder: Of the run.
        indexes: The samples that were answered; the array ``sample`` holds them.
    """
    fresh = folder / f"{ALL}.part"
    shapes = _shapes(folder, indexes)
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        with archive.open("_sample.npy" if "sample" in shapes else "sample.npy", "w") as file:
            np.lib.format.write_array(file, np.asarray(indexes, np.int64), allow_pickle=False)
        for name, shape in shapes.items():
            if shape is None:
                for index in indexes:
                    with archive.open(f"{name}/{index:06d}.npy", "w") as file:
                        np.lib.format.write_array(file, read_outputs(folder, index)[name], allow_pickle=False)
            else:
                dtype, sizes = shape
                header = {"descr": dtype, "fortran_order": False, "shape": (len(indexes), *sizes)}
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array_header_2_0(file, header)
                    for index in indexes:
                        file.write(np.ascontiguousarray(read_outputs(folder, index)[name]).tobytes())
    fresh.replace(folder / ALL)


def _shapes(folder: Path, indexes: Sequence[int]) -> dict[str, tuple[str, tuple[int, ...]] | None]:
    """Type and shape of each output; None where they differ between samples."""
    found: dict[str, tuple[str, tuple[int, ...]] | None] = {}
    for index in indexes:
        for name, array in read_outputs(folder, index).items():
            mine = (str(np.lib.format.dtype_to_descr(array.dtype)), array.shape)
            found[name] = mine if found.get(name, mine) == mine else None
    return found


def _save(file: Any, outputs: Tensors) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in outputs.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, _plain(array), allow_pickle=False)


def _plain(array: np.ndarray) -> np.ndarray:
    """Texts as numpy's own, so that nothing has to be pickled."""
    return array.astype(np.bytes_) if array.dtype.kind == "O" else array
