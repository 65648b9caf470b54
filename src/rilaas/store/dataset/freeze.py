"""From an upload to a frozen data set."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rilaas.core import InvalidInput, InvalidModelFolder
from rilaas.store.archive import ArchiveLimits
from rilaas.store.dataset.frozen import FrozenWriter
from rilaas.store.dataset.info import DatasetInfo, DatasetLimits, Sample
from rilaas.store.dataset.npz import array_samples, episode_samples, is_episode
from rilaas.store.dataset.picture import SUFFIXES as PICTURES
from rilaas.store.dataset.picture import picture_samples
from rilaas.store.dataset.recording import MCAP_MAGIC, SQLITE_MAGIC, natural_order, read_messages
from rilaas.store.dataset.recording import SUFFIXES as RECORDINGS
from rilaas.store.dataset.topic import topic_samples
from rilaas.store.extract import extract
from rilaas.store.upload import label_of
from rilaas.store.zip_file import opened_zip

VALID = (
    "Upload an .npz of arrays, an .mcap, or a .zip or .tar.gz of images (PNG, JPEG), of recorded episodes or of a "
    "rosbag2 folder."
)
_RATIO = 300.0  # drawings shrink more than weights do
_PACKED = (b"PK", b"\x1f\x8b")


def freeze_dataset(
    path: Path,
    filename: str,
    target: Path,
    *,
    limits: DatasetLimits = DatasetLimits(),  # noqa: B008  # frozen
) -> DatasetInfo:
    """Read an upload and write it as one file that never changes.

    Args:
        path: The uploaded file.
        filename: What the person calls it; only for errors.
        target: The file to write; it appears when it is complete.
        limits: How large it may become.

    Raises:
        InvalidInput: It is of no known kind, damaged, hostile or too large; nothing was written.
        MissingDependency: A package that reads this kind is not installed.
    """
    label = label_of(filename)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".freeze-", dir=target.parent))
    try:
        notes: list[str] = []
        source, samples = _opened(path, label, folder, limits, notes)
        with FrozenWriter(folder / "frozen", label, limits) as writer:
            for sample in samples:
                writer.add(sample)
            info = writer.finish(source, tuple(notes))
        (folder / "frozen").replace(target)
        return info
    except InvalidModelFolder as error:  # what unpacking says of any archive
        raise InvalidInput(error.message, error.hint) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(
    path: Path, label: str, folder: Path, limits: DatasetLimits, notes: list[str]
) -> tuple[str, Iterator[Sample]]:
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith((MCAP_MAGIC, SQLITE_MAGIC)):
        source = "mcap" if head.startswith(MCAP_MAGIC) else "rosbag2"
        return source, topic_samples(partial(read_messages, [path], label, limits), label, limits, notes)
    if head.startswith(b"PK") and _is_npz(path, label, limits):
        if is_episode(path, label, limits):
            return "episodes", episode_samples(path, label, limits)
        return "npz", array_samples(path, label, limits)
    if head.startswith(_PACKED) or head[257:262] == b"ustar":
        (folder / "files").mkdir()
        most = limits.total_bytes
        root = extract(path, folder / "files", label, ArchiveLimits(most, most, limits.files, _RATIO))
        return _in_folder(root, label, limits, notes)
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        shutil.copyfile(path, folder / "image.png")
        return "images", picture_samples(folder, ["image.png"], label, limits)
    if head.startswith(b"\x93NUMPY"):
        raise InvalidInput(f"{label} is a single array.", "Give it a name: numpy.savez(file, NAME=array).")
    raise InvalidInput(f"{label} is no data set that can be read.", VALID)


def _in_folder(root: Path, label: str, limits: DatasetLimits, notes: list[str]) -> tuple[str, Iterator[Sample]]:
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    recordings = [name for name in names if name.endswith(RECORDINGS)]
    arrays = [name for name in names if name.endswith(".npz")]
    pictures = [name for name in names if name.lower().endswith(PICTURES)]
    if recordings:
        paths = sorted((root / name for name in recordings), key=natural_order)
        source = "mcap" if len(paths) == 1 and paths[0].suffix == ".mcap" else "rosbag2"
        return source, topic_samples(partial(read_messages, paths, label, limits), label, limits, notes)
    if arrays:
        paths = sorted((root / name for name in arrays), key=natural_order)
        episodes = [is_episode(path, f"{label}: {path.name}", limits) for path in paths]
        if any(episodes) != all(episodes):
            raise InvalidInput(f"{label} holds episodes and other .npz files.", "Upload them apart.")
        read = episode_samples if episodes[0] else array_samples
        samples = (sample for path in paths for sample in read(path, f"{label}: {path.name}", limits))
        return "episodes" if episodes[0] else "npz", samples
    if pictures:
        return "images", picture_samples(root, names, label, limits)
    held = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise InvalidInput(f"{label} holds no images, arrays or recordings, but {held or 'nothing'}.", VALID)


def _is_npz(path: Path, label: str, limits: DatasetLimits) -> bool:
    with opened_zip(path, label, limits.files) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return bool(names) and all(name.endswith(".npy") for name in names)
