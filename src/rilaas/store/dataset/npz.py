"""Samples from .npz files: arrays of N samples each, or episodes as ``observe.Recorded`` writes them.

Rows are read as they are needed: an array may be larger than the memory.
"""

from __future__ import annotations

import contextlib
import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from rilaas.core import InvalidInput
from rilaas.store.dataset.info import DatasetLimits, Sample
from rilaas.store.zip_file import BROKEN, opened_zip

_EPISODE = re.compile(r"(\d{1,9})/(inputs|outputs)(-lengths)?/(.+)\.npy", re.DOTALL)
_SIDE = {"inputs": "inputs", "expected": "expected", "outputs": "expected"}
_VALID = "Valid are (N, ...) arrays named NAME or inputs/NAME, and expected/NAME, with the same N."
_ZIP_ERRORS = (*BROKEN, zipfile.zlib.error)  # type: ignore[attr-defined]
_ERRORS = (*_ZIP_ERRORS, MemoryError, OverflowError, TypeError, SyntaxError, TokenError, UserWarning)


def is_episode(path: Path, label: str, limits: DatasetLimits) -> bool:
    """Whether an .npz file is an episode."""
    with opened_zip(path, label, limits.files) as archive:
        names = archive.namelist()
        return "calls.npy" in names and any(_EPISODE.fullmatch(name) for name in names)


def array_samples(path: Path, label: str, limits: DatasetLimits) -> Iterator[Sample]:
    """Sample i is row i of every array.

    Raises:
        InvalidInput: It is no intact .npz file, or its arrays do not fit together.
    """
    with opened_zip(path, label, limits.files) as archive, contextlib.ExitStack() as stack:
        columns: dict[str, dict[str, Iterator[np.ndarray]]] = {"inputs": {}, "expected": {}}
        counts: dict[str, int] = {}
        for info in archive.infolist():
            if info.is_dir():
                continue
            if len(counts) >= limits.fields:
                raise InvalidInput(f"{label} holds more than {limits.fields} arrays.")
            name = info.filename.removesuffix(".npy")
            side, _, rest = name.partition("/")
            side, field = (_SIDE[side], rest) if side in _SIDE and rest else ("inputs", name)
            if field in columns[side]:
                raise InvalidInput(f"{label} holds two arrays for {side} {field!a}.", _VALID)
            array = _Array(archive, info, label)
            if not array.shape:
                raise InvalidInput(f"{label}: {name!a} is a single number, not one row per sample.", _VALID)
            counts[name] = array.shape[0]
            columns[side][field] = stack.enter_context(array.rows(limits))
        if len(set(counts.values())) > 1:
            sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise InvalidInput(f"{label}: the arrays have different numbers of samples: {sizes}.", _VALID)
        for _ in range(min(next(iter(counts.values()), 0), limits.samples + 1)):
            yield Sample(*({name: next(rows) for name, rows in columns[side].items()} for side in columns))


def episode_samples(path: Path, label: str, limits: DatasetLimits) -> Iterator[Sample]:
    """One sample per call that was answered; what was answered is what is expected.

    Raises:
        InvalidInput: It is no intact episode.
    """
    with opened_zip(path, label, limits.files) as archive:
        calls: dict[int, dict[tuple[str, str], tuple[zipfile.ZipInfo, bool]]] = {}
        names = archive.NameToInfo
        for info in archive.infolist():
            if (match := _EPISODE.fullmatch(info.filename)) and not match[3]:
                lengths = f"{match[1]}/{match[2]}-lengths/{match[4]}.npy"
                call = calls.setdefault(int(match[1]), {})
                call[_SIDE[match[2]], match[4]] = (info, lengths in names)
        for number in sorted(calls):
            sample = Sample({}, {})
            for (side, field), (info, is_text) in calls[number].items():
                array = _Array(archive, info, label).whole(limits)
                if is_text:
                    lengths = info.filename.replace(f"/{field}.npy", f"-lengths/{field}.npy", 1)
                    array = _texts(array, _Array(archive, names[lengths], label).whole(limits), label)
                (sample.inputs if side == "inputs" else sample.expected)[field] = array  # type: ignore[index]
            if sample.expected:  # others failed
                yield sample


@dataclass(slots=True)
class _Array:
    """One .npy file in an archive, whose header was read."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    label: str
    shape: tuple[int, ...] = ()
    is_fortran: bool = False
    dtype: np.dtype = np.dtype(np.uint8)  # noqa: RUF009  # immutable

    def __post_init__(self) -> None:
        with self._opened() as file:
            offset = self._read_header(file)
        size = math.prod(self.shape) * self.dtype.itemsize
        if size != self.info.file_size - offset:
            raise self._wrong(f"its header says {size} bytes, there are {self.info.file_size - offset}")

    @contextlib.contextmanager
    def rows(self, limits: DatasetLimits) -> Iterator[Iterator[np.ndarray]]:
        """Arrays of the first axis, in order."""
        if self.is_fortran:
            yield iter(self.whole(limits))
            return
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        if size > limits.sample_bytes:
            raise self._wrong(f"one row has more than {limits.sample_bytes} bytes")
        with self._opened() as file:
            self._read_header(file)
            yield (self._row(file, self.shape[1:], size) for _ in range(self.shape[0]))

    def whole(self, limits: DatasetLimits) -> np.ndarray:
        size = math.prod(self.shape) * self.dtype.itemsize
        if size > limits.sample_bytes:
            raise self._wrong(f"it has more than {limits.sample_bytes} bytes")
        with self._opened() as file:
            self._read_header(file)
            array = self._row(file, self.shape[::-1] if self.is_fortran else self.shape, size)
        return array.T if self.is_fortran else array

    def _row(self, file: IO[bytes], shape: tuple[int, ...], size: int) -> np.ndarray:
        try:
            data = file.read(size)
        except _ERRORS as error:
            raise self._wrong(str(error)) from None
        if len(data) != size:
            raise self._wrong("it is cut off")
        array = np.frombuffer(data, self.dtype).reshape(shape)
        return _bytes_objects(array) if array.dtype.kind in "SU" else array.astype(self.dtype.newbyteorder("="))

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            file = self.archive.open(self.info)
        except _ERRORS as error:
            raise self._wrong(str(error)) from None
        with file:
            yield file

    def _read_header(self, file: IO[bytes]) -> int:
        try:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if read is None:
                raise self._wrong(f"it has the version {version} of the format")
            shape, self.is_fortran, self.dtype = read(file)
        except _ERRORS as error:
            raise self._wrong(str(error)) from None
        if (
            self.dtype.kind not in "biufSU"
            or self.dtype.hasobject
            or self.dtype.itemsize > 8 * (1 if self.dtype.kind not in "SU" else 2**17)
        ):
            raise self._wrong(f"it holds {self.dtype}; valid are truth values, numbers of up to 64 bits, and texts")
        if len(shape) > 9 or any(type(size) is not int or size < 0 for size in shape) or not self.dtype.itemsize:
            raise self._wrong(f"it has the shape {shape!r}"[:200])
        self.shape = shape
        return file.tell()

    def _wrong(self, why: str) -> InvalidInput:
        return InvalidInput(f"{self.label}: {self.info.filename!a} is no array that can be read: {why}.", _VALID)


def _bytes_objects(array: np.ndarray) -> np.ndarray:
    values: Sequence[bytes | str] = array.ravel().tolist()
    result = np.empty(array.size, object)
    result[:] = [value.encode("utf-8", "replace") if isinstance(value, str) else value for value in values]
    return result.reshape(array.shape)


def _texts(joined: np.ndarray, lengths: np.ndarray, label: str) -> np.ndarray:
    if (
        lengths.dtype.kind not in "iu"
        or joined.dtype != np.uint8
        or (lengths.size and (lengths.min() < 0 or lengths.max() > joined.size or int(lengths.sum()) != joined.size))
    ):
        raise InvalidInput(f"{label}: the lengths of its texts do not fit the texts.")
    data, ends = joined.tobytes(), np.cumsum(lengths.ravel())
    array = np.empty(lengths.size, object)
    array[:] = [data[end - size : end] for size, end in zip(lengths.ravel(), ends, strict=True)]
    return array.reshape(lengths.shape)
