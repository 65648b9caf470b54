"""The local store: archives named by their content, and which of them is version 3 of which model.

::

    home/store/
    ├── archives/<64 hexadecimal digits>.tar.gz
    ├── unpacked/<64 hexadecimal digits>/         made when a model is first used
    └── models/<name>.json                        {"digests": ["sha256:...", ...]}; version n is the n-th
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rilaas.core import InvalidInput, ModelRef, NotFound, did_you_mean
from rilaas.store.archive import pack
from rilaas.store.folder import ModelFolder, read_model_folder
from rilaas.store.unpack import unpack


@dataclass(frozen=True, slots=True)
class Stored:
    """A version in the store.

    Attributes:
        ref: ``name:number``.
        digest: ``sha256:...`` of its content.
        archive: Where it lies.
        is_new: Whether this push made it.
    """

    ref: ModelRef
    digest: str
    archive: Path
    is_new: bool


class Shelf:
    """The local store in a folder.

    Args:
        home: The folder of all local state; ``store`` in it is made when something is pushed.
    """

    def __init__(self, home: Path) -> None:
        self._root = home / "store"

    def push(self, model: ModelFolder) -> Stored:
        """Keep a model folder; the same content is the same version, however often it is pushed."""
        name, digest = model.manifest.name, model.digest
        archive = self._archive(digest)
        with self._lock():
            digests = self._digests(name)
            if not archive.is_file():
                archive.parent.mkdir(parents=True, exist_ok=True)
                pack(model, archive)
            is_new = digest not in digests
            if is_new:
                digests.append(digest)
                index = self._index(name)
                index.parent.mkdir(parents=True, exist_ok=True)
                partial = index.with_suffix(".partial")
                partial.write_text(json.dumps({"digests": digests}, indent=2) + "\n", encoding="utf-8")
                partial.replace(index)
        number = digests.index(digest) + 1
        return Stored(ModelRef(name, version=str(number)), digest, archive, is_new)

    def names(self) -> list[str]:
        """Models that have a version here."""
        return sorted(path.stem for path in (self._root / "models").glob("*.json"))

    def folder(self, ref: ModelRef) -> ModelFolder:
        """A version as a model folder.

        Args:
            ref: ``name`` for the newest, ``name:3``, or ``name:`` and at least eight digits of its digest.

        Raises:
            NotFound: It is not in the store.
        """
        digest = self._find(ref)
        target = self._root / "unpacked" / digest.removeprefix("sha256:")
        with self._lock():
            if not target.is_dir():
                return unpack(self._archive(digest), target, digest=digest)
        return read_model_folder(target)

    def _find(self, ref: ModelRef) -> str:
        digests = self._digests(ref.name) if not ref.owner else []
        if not digests:
            raise NotFound(
                f"There is no model {ref.model!r} in the store. {did_you_mean(ref.model, self.names())}",
                "Give a model folder's path, push one with `rilaas push FOLDER`, or ask a fleet with --target.",
            )
        if ref.variant:
            raise NotFound(f"{ref.model} has no variant {ref.variant!r} in the store; it holds originals only.")
        version = ref.version or str(len(digests))
        if version.isdigit() and 1 <= int(version) <= len(digests):
            return digests[int(version) - 1]
        found = [digest for digest in digests if len(version) >= 8 and digest.startswith(f"sha256:{version}")]
        if len(found) != 1:
            numbers = ", ".join(str(i + 1) for i in range(len(digests)))
            raise NotFound(f"{ref.model} has no version {version!r} in the store. Available: {numbers}.")
        return found[0]

    def _archive(self, digest: str) -> Path:
        return self._root / "archives" / f"{digest.removeprefix('sha256:')}.tar.gz"

    def _index(self, name: str) -> Path:
        return self._root / "models" / f"{name}.json"

    def _digests(self, name: str) -> list[str]:
        path = self._index(name)
        try:
            digests = json.loads(path.read_text(encoding="utf-8"))["digests"]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            raise InvalidInput(f"{path} is damaged.", "Move it away and push the model again.") from None
        return [str(digest) for digest in digests]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One at a time, across processes."""
        self._root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._root / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
