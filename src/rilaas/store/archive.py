"""A model folder as one file: a gzipped ustar archive that is the same for the same content."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rilaas.core import InvalidModelFolder
from rilaas.store.folder import MAX_FILES, ModelFile, ModelFolder, read_model_folder

SUFFIX = ".tar.gz"


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How large an archive may become while it is unpacked.

    Attributes:
        total_bytes: All files together [bytes].
        file_bytes: Each file [bytes].
        files: How many.
        ratio: Unpacked to packed size, looked at once ``ratio_from_bytes`` were unpacked. Float weights reach about
            1.1, text 10; a bomb of zeros 1000.
        ratio_from_bytes: See ``ratio`` [bytes].
    """

    total_bytes: int = 4 * 2**30
    file_bytes: int = 2 * 2**30
    files: int = MAX_FILES
    ratio: float = 100.0
    ratio_from_bytes: int = 16 * 2**20


def pack(folder: Path | str | ModelFolder, destination: Path | str) -> Path:
    """Write a model folder as an archive.

    Names, contents and nothing else go in: no times, owners or modes. The same content gives the same bytes
    wherever the same zlib compresses it, and the same digest everywhere.

    Args:
        folder: The model folder; it is checked.
        destination: A file to write, or an existing folder, which gets ``NAME-VERSION.tar.gz``.

    Returns:
        The archive's path.

    Raises:
        NotFound: There is no such folder.
        InvalidModelFolder: Something in it is wrong, or it changed meanwhile.
    """
    model = folder if isinstance(folder, ModelFolder) else read_model_folder(folder)
    target = Path(destination)
    if target.is_dir():
        target = target / f"{model.manifest.name}-{model.version}{SUFFIX}"
    handle, name = tempfile.mkstemp(prefix=".pack-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(model, file)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def _write(model: ModelFolder, file: IO[bytes]) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for entry in model.files:
            header = tarfile.TarInfo(entry.path)
            header.size = entry.size_bytes
            try:
                with (model.path / entry.path).open("rb") as source:
                    hashing = _Hashing(source)
                    archive.addfile(header, hashing)
            except ValueError:
                raise InvalidModelFolder(
                    f"The name {entry.path!r} is too long for an archive: 100 bytes a part."
                ) from None
            except OSError as error:
                raise _changed(model, entry) from error
            if hashing.digest.hexdigest() != entry.sha256:
                raise _changed(model, entry)


class _Hashing:
    """A file that hashes what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk


def _changed(model: ModelFolder, entry: ModelFile) -> InvalidModelFolder:
    return InvalidModelFolder(f"{model.path}: {entry.path} changed while it was packed.", "Pack it again.")
