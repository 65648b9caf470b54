"""What a person uploads becomes a model folder: an archive of any kind, or loose files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rilaas.core import InvalidInput, InvalidModelFolder
from rilaas.store.archive import ArchiveLimits
from rilaas.store.extract import Intake, extract, write_pieces
from rilaas.store.folder import ModelFolder, read_model_folder

_LABEL_LENGTH = 100


def unpack_upload(
    path: Path,
    target: Path,
    *,
    filename: str,
    limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008  # frozen
) -> ModelFolder:
    """Unpack a .zip, .tar or .tar.gz, whoever made it; a valid model folder stands at the target, or nothing.

    A single folder around everything is taken off; hidden files and what macOS adds are left out.

    Args:
        path: The uploaded file.
        target: The folder to make; it must not exist.
        filename: What the person calls the file; only for errors.
        limits: How large it may become.

    Raises:
        InvalidModelFolder: It is no such archive, broken, hostile, or no valid model.
        InvalidInput: The target exists.
    """
    label = label_of(filename)
    with _fresh(target) as fresh:
        root = extract(path, fresh, label, limits)
        return _settle(root, target, label)


def folder_from_files(
    files: Mapping[str, Path],
    target: Path,
    *,
    limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008  # frozen
) -> ModelFolder:
    """Loose files as a model folder; see ``unpack_upload``.

    Args:
        files: Where the content of each file lies, by its name relative to the folder, with ``/`` between its parts.
        target: The folder to make; it must not exist.
        limits: How large it may become.

    Raises:
        InvalidModelFolder: A name is not allowed, it is too much, or no valid model.
        InvalidInput: The target exists.
    """
    label = "The upload"
    if not files:
        raise InvalidModelFolder("The upload holds no files.", "A model folder holds model.toml and weights.")
    with _fresh(target) as fresh:
        intake = Intake(fresh, label, limits)
        for name, path in files.items():
            place = intake.place(name, path.stat().st_size)
            if place is not None:
                write_pieces(place, _pieces(path))
        return _settle(intake.root(), target, label)


def label_of(filename: str) -> str:
    """A file's name as errors show it: one line, of limited length, without folders."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:_LABEL_LENGTH] or "The upload"


@contextmanager
def _fresh(target: Path) -> Iterator[Path]:
    if target.exists():
        raise InvalidInput(f"{target} exists already.", "Unpack into a folder that does not exist yet.")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".upload-", dir=target.parent))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _settle(root: Path, target: Path, label: str) -> ModelFolder:
    folder = read_model_folder(root, label=label)
    root.chmod(0o755)
    try:
        root.rename(target)
    except OSError as error:
        raise InvalidInput(f"{target} appeared while {label} was unpacked.") from error
    return ModelFolder(target.resolve(), folder.manifest, folder.files)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            yield chunk
