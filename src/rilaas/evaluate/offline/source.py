"""From a path to frozen data sets: a frozen file, a file that can become one, or a folder of them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rilaas.core import InvalidInput, NotFound
from rilaas.store.dataset import Dataset, freeze_dataset
from rilaas.store.dataset.recording import natural_order

_SEQUENCES = (".npz", ".mcap")
_HEADER = "dataset.json"


@contextmanager
def open_datasets(path: Path | str) -> Iterator[list[Dataset]]:
    """Open what lies at a path, for the time of a ``with``.

    Args:
        path: A frozen data set; or what the hub takes as an upload (``.npz``, ``.mcap``, an archive, an image), which
            is frozen beside for the time of use. Of a folder with ``.npz`` or ``.mcap`` files each file is a data set
            of its own, in natural order: episodes that ``rilaas.observe.Recorded`` wrote stay apart. Any other folder
            (images, a rosbag2) is one data set.

    Raises:
        NotFound: There is nothing.
        InvalidInput: It is no data set, or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise NotFound(f"There is no data set {path}.", "Give a file or a folder of samples.")
    with ExitStack() as stack:
        if path.is_file() and _is_frozen(path):
            yield [stack.enter_context(Dataset(path))]
            return
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="rilaas-dataset-")))
        yield [
            stack.enter_context(Dataset(_frozen(part, scratch / f"{number:06d}" / part.name)))
            for number, part in enumerate(_parts(path, scratch))
        ]


def _parts(path: Path, scratch: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if files := sorted((p for p in path.iterdir() if p.suffix in _SEQUENCES and p.is_file()), key=natural_order):
        return files
    if not any(path.iterdir()):
        raise InvalidInput(f"The folder {path} is empty.", "Give a folder of .npz, .mcap, images or a rosbag2.")
    return [Path(shutil.make_archive(str(scratch / "folder"), "zip", path))]


def _frozen(path: Path, target: Path) -> Path:
    if _is_frozen(path):
        return path
    freeze_dataset(path, path.name, target)
    return target


def _is_frozen(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return _HEADER in archive.NameToInfo
