"""The file of a frozen data set: a zip of arrays, sample by sample, that ``numpy.load`` can read too.

::

    000000/inputs/NAME.npy            sample 0
    000000/inputs-lengths/NAME.npy    beside a field of texts: their lengths; NAME is then all their bytes in a row
    000000/expected/NAME.npy
    dataset.json                      the last one: format, number of samples, fields, source, digest
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from rilaas.core import InvalidInput, NotFound
from rilaas.store.dataset.info import (
    DatasetInfo,
    DatasetLimits,
    FieldInfo,
    Sample,
    fields_from_json,
    fields_to_json,
    info_of,
)
from rilaas.store.zip_file import BROKEN

FORMAT = 1
_HEADER = "dataset.json"
_SIDES = ("inputs", "expected")
_LEVEL = 1  # of deflate: images shrink by a third, and more effort gains little
_SMALL_BYTES = 256  # of an array that is not worth packing


class FrozenWriter:
    """Writes samples one by one; ``finish`` makes it a data set.

    Args:
        path: The file to write.
        label: What the upload is called in errors.
        limits: How large it may become.
    """

    def __init__(self, path: Path, label: str, limits: DatasetLimits) -> None:
        self._path, self._label, self._limits = path, label, limits
        self._zip = zipfile.ZipFile(path, "w", allowZip64=True)
        self._total = hashlib.sha256()
        self._samples = self._bytes = 0
        self._fields: dict[str, dict[str, FieldInfo]] = {side: {} for side in _SIDES}

    def __enter__(self) -> FrozenWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def add(self, sample: Sample) -> None:
        """Write the next sample.

        Raises:
            InvalidInput: It has other fields than those before, or it is too much.
        """
        self._check(sample)
        number = f"{self._samples:06d}"
        for side, tensors in (("inputs", sample.inputs), ("expected", sample.expected)):
            known = self._fields[side]
            for name in sorted(tensors):
                info = info_of(tensors[name])
                known[name] = known[name].joined(info) if name in known else info
                for place, array in _plain(side, name, tensors[name]):
                    self._write(f"{number}/{place}.npy", array)
        self._samples += 1

    def finish(self, source: str, notes: tuple[str, ...] = ()) -> DatasetInfo:
        """Close the file.

        Raises:
            InvalidInput: There is no sample.
        """
        if not self._samples:
            raise InvalidInput(f"{self._label} holds no samples.")
        inputs, expected = self._fields["inputs"], self._fields["expected"]
        digest = f"sha256:{self._total.hexdigest()}"
        header = {
            "format": FORMAT,
            "samples": self._samples,
            "fields": fields_to_json(inputs),
            "expected": fields_to_json(expected),
            "source": source,
            "digest": digest,
            "notes": notes,
        }
        self._zip.writestr(_entry(_HEADER), json.dumps(header))
        self._zip.close()
        return DatasetInfo(self._samples, inputs, expected, source, digest, self._path.stat().st_size, notes)

    def _check(self, sample: Sample) -> None:
        label, limits = self._label, self._limits
        if self._samples >= limits.samples:
            raise InvalidInput(f"{label} holds more than {limits.samples} samples.", "Upload it in parts.")
        for side, tensors in (("inputs", sample.inputs), ("expected", sample.expected)):
            if self._samples and tensors.keys() != self._fields[side].keys():
                raise InvalidInput(
                    f"{label}: sample {self._samples} has the {side} {_names(tensors)}, those before have "
                    f"{_names(self._fields[side])}.",
                    "All samples have the same fields.",
                )
        if not sample.inputs:
            raise InvalidInput(f"{label}: sample {self._samples} has no inputs.")
        if len(sample.inputs) + len(sample.expected) > limits.fields:
            raise InvalidInput(f"{label}: a sample has more than {limits.fields} fields.")
        size = sum(array.nbytes for array in (*sample.inputs.values(), *sample.expected.values()))
        self._bytes += size
        if size > limits.sample_bytes:
            raise InvalidInput(f"{label}: sample {self._samples} has more than {limits.sample_bytes} bytes.")
        if self._bytes > limits.total_bytes:
            raise InvalidInput(f"{label} holds more than {limits.total_bytes} bytes.", "Upload it in parts.")

    def _write(self, name: str, array: np.ndarray) -> None:
        buffer = io.BytesIO()
        array = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
        content = buffer.getvalue()
        self._total.update(f"{name} {len(content)}\n".encode())
        self._total.update(content)
        method = zipfile.ZIP_STORED if array.nbytes < _SMALL_BYTES else zipfile.ZIP_DEFLATED
        self._zip.writestr(_entry(name), content, method, _LEVEL)


class Dataset:
    """A frozen data set, read sample by sample; one thread at a time.

    Args:
        path: What ``freeze_dataset`` wrote.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is no frozen data set.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise NotFound(f"There is no data set {path}.") from None
        except BROKEN as error:
            raise self._damaged(error) from None
        try:
            header = json.loads(self._zip.read(_HEADER))
            if header["format"] != FORMAT:
                raise InvalidInput(f"{path} has format {header['format']}; this version reads {FORMAT}.")
            self.info = DatasetInfo(
                int(header["samples"]),
                fields_from_json(header["fields"]),
                fields_from_json(header["expected"]),
                str(header["source"]),
                str(header["digest"]),
                self.path.stat().st_size,
                tuple(map(str, header["notes"])),
            )
        except (*BROKEN, zipfile.zlib.error, KeyError, TypeError, AttributeError) as error:  # type: ignore[attr-defined]
            self._zip.close()
            raise self._damaged(error) from None
        except BaseException:
            self._zip.close()
            raise

    def __len__(self) -> int:
        return self.info.samples

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no sample {index}; valid: 0 to {len(self) - 1}")
        number = f"{index % len(self):06d}"
        return Sample(
            {name: self._read(f"{number}/inputs", name) for name in self.info.fields},
            {name: self._read(f"{number}/expected", name) for name in self.info.expected},
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __enter__(self) -> Dataset:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def _read(self, side: str, name: str) -> np.ndarray:
        try:
            array = self._array(f"{side}/{name}.npy")
            lengths = f"{side}-lengths/{name}.npy"
            if lengths in self._zip.NameToInfo:
                return _texts(array, self._array(lengths))
            return array
        except (*BROKEN, zipfile.zlib.error, KeyError) as error:  # type: ignore[attr-defined]
            raise self._damaged(error) from None

    def _array(self, name: str) -> np.ndarray:
        with self._zip.open(name) as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
            return array

    def _damaged(self, error: Exception) -> InvalidInput:
        return InvalidInput(f"{self.path.name} is no frozen data set, or it is damaged: {error}.")


def _plain(side: str, name: str, array: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """An array as arrays that need no pickle."""
    if array.dtype.kind not in "OSU":
        return [(f"{side}/{name}", array)]
    values = [value.encode() if isinstance(value, str) else bytes(value) for value in array.ravel()]
    lengths = np.array([len(value) for value in values], np.int64).reshape(array.shape)
    return [
        (f"{side}/{name}", np.frombuffer(b"".join(values), np.uint8)),
        (f"{side}-lengths/{name}", lengths),
    ]


def _texts(joined: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    data, ends = joined.tobytes(), np.cumsum(lengths.ravel())
    array = np.empty(lengths.size, object)
    array[:] = [data[end - size : end] for size, end in zip(lengths.ravel(), ends, strict=True)]
    return array.reshape(lengths.shape)


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # of 1980: the same samples give the same bytes


def _names(fields: Mapping[str, object]) -> str:
    return ", ".join(sorted(fields)) or "none"
