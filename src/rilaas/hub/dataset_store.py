"""Where the hub keeps frozen datasets, the outputs of runs, and uploads that are still to be frozen."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from rilaas.core import InvalidInput
from rilaas.hub.blob_store import home
from rilaas.store import Blobs
from rilaas.store.upload import label_of

_MAX_FILES = 1000  # of one form, as settings allow
_MAX_NAME = 1000


def dataset_blobs() -> Blobs:
    """Frozen datasets, by ``DatasetVersion.blob_sha256``."""
    return Blobs(home() / "datasets")


def run_folder(run_id: int) -> Path:
    """Where a run's outputs are; made by who writes first."""
    return home() / "runs" / str(run_id)


def picture_folder(blob_sha256: str) -> Path:
    """Pictures of a dataset's samples that were drawn before."""
    return home() / "pictures" / blob_sha256


def incoming_folder() -> Path:
    """A fresh folder for an upload that a job will freeze."""
    root = home() / "incoming"
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=root))


def joined(files: Sequence[tuple[str, Path]], folder: Path) -> tuple[str, Path]:
    """One upload from the files of a form: the file itself, or an archive of several.

    Args:
        files: Names, perhaps with folders, and where the content lies.
        folder: Where the archive is written.

    Returns:
        What it is called, and where it lies.

    Raises:
        InvalidInput: There is no file, or there are too many.
    """
    if not files:
        raise InvalidInput("No file was chosen.", "Choose an .npz, an .mcap, images, or an archive of them.")
    if len(files) > _MAX_FILES:
        raise InvalidInput(
            f"{len(files)} files are too many for one form; {_MAX_FILES} are possible.", "Upload a .zip of them."
        )
    if len(files) == 1:
        return label_of(files[0][0]), files[0][1]
    path, names = folder / "files.zip", set[str]()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, source in files:
            if name in names or not 0 < len(name) <= _MAX_NAME or not name.isprintable():
                what = "comes twice" if name in names else "cannot be the name of a file"
                raise InvalidInput(f"{name[:100]!a} {what}.", "Upload a folder, or a .zip of it.")
            names.add(name)
            archive.write(source, name)
    return f"{len(files)} files", path


def moved(path: Path, folder: Path) -> Path:
    """Keep an upload in a folder of ours: moved where that can be, else copied."""
    target = folder / "upload"
    shutil.copyfile(path, target)
    return target
