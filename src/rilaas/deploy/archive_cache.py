"""Model folders that the hub has, kept on this server's disk by their content's digest."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from pathlib import Path

from rilaas.core import RilaasError
from rilaas.store import read_model_folder, unpack

_log = logging.getLogger("rilaas.deploy")

KEEP = 5  # folders that no placement uses and that are kept, for a quick way back to an earlier version
_LEFTOVERS = (".fetch-*", ".unpack-*")

Download = Callable[[str, Path], object]


class ArchiveCache:
    """Unpacked model folders, by digest; one process uses it at a time.

    Args:
        folder: Where they lie; made where it does not exist.
        download: Writes the archive of a digest to a path, or raises a ``RilaasError``.
        keep: How many folders that nothing uses stay, those that were used last.
    """

    def __init__(self, folder: Path, download: Download, keep: int = KEEP) -> None:
        self._folder, self._download, self._keep = folder, download, keep
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def sweep(self) -> None:
        """Remove what a process that was killed left half done; before the first ``get``."""
        for pattern in _LEFTOVERS:
            for path in self._folder.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)

    def get(self, digest: str) -> Path:
        """The model folder with this content, downloaded where it is not here. Blocks.

        What lies here is hashed again: a folder that was changed is fetched anew.

        Raises:
            InvalidModelFolder: What came is not of this digest, or is no valid model.
            RilaasError: The hub's reason, or that it cannot be reached.
            OSError: The disk is full or cannot be written.
        """
        target = self._folder / digest.removeprefix("sha256:")
        with self._locks[digest]:  # two versions may have the same content
            if not self._has(target, digest):
                with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self._folder) as name:
                    archive = Path(name) / f"{target.name[:12]}.tar.gz"
                    self._download(digest, archive)
                    unpack(archive, target, digest=digest)
            os.utime(target)  # the order of use outlives this process
        return target

    def prune(self, used: Collection[str]) -> None:
        """Remove folders, oldest use first, until no more than ``keep`` are left that are not among ``used``."""
        names = {digest.removeprefix("sha256:") for digest in used}
        idle = [
            (path.stat().st_mtime_ns, path.name)
            for path in self._folder.iterdir()
            if path.name not in names and not path.name.startswith(".")
        ]
        for used_ns, name in sorted(idle, reverse=True)[self._keep :]:
            with self._locks[f"sha256:{name}"]:
                path = self._folder / name
                if path.stat().st_mtime_ns == used_ns:  # else somebody has taken it meanwhile
                    shutil.rmtree(path, ignore_errors=True)
                    _log.info("removed the model folder %s, which nothing uses any more", name[:12])

    def _has(self, target: Path, digest: str) -> bool:
        if not target.exists():
            return False
        with contextlib.suppress(RilaasError):
            if read_model_folder(target).digest == digest:
                return True
        _log.warning("the model folder %s is not what it was; it is fetched anew", target.name[:12])
        shutil.rmtree(target)
        return False
