"""Networks that were made before, by the hash of what they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rilaas.optimize.network import FORMATS, Network

LIMIT_BYTES = 2 * 2**30
_SUFFIX = ".network"
_NOTE = ".json"
_PARTIAL = ".partial-"
_MAX_HEAD_BYTES = 4096


def key_of(parts: Mapping[str, Any]) -> str:
    """Hexadecimal key of everything that a result depends on, as JSON takes it."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry.

    Attributes:
        network: It.
        seconds: What it took to make [s].
    """

    network: Network
    seconds: float


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries in a folder, each a file of one line of JSON (format, size, hash, seconds) and the network's bytes.

    Notes, small files of JSON, lie among them. Everything is written beside and renamed, so that what was interrupted
    is not there; an entry that was damaged afterwards is recognized by its hash, removed and made again. Several
    processes may share a folder.

    Attributes:
        folder: Made when something is kept.
        limit_bytes: Above this, what was not used for the longest time goes [bytes].
    """

    folder: Path
    limit_bytes: int = LIMIT_BYTES

    def get(self, key: str) -> Kept | None:
        """An entry; None where there is none, or a damaged one."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                head, data = file.readline(_MAX_HEAD_BYTES), file.read()
        except OSError:
            return None
        kept = _read(head, data)
        if kept is None:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # it was used just now
        return kept

    def put(self, key: str, network: Network, seconds: float) -> None:
        """Keep a network; a full disk costs the entry, not the work."""
        head = {
            "format": network.format,
            "size_bytes": len(network.data),
            "sha256": hashlib.sha256(network.data).hexdigest(),
            "seconds": seconds,
        }
        path = self._path(key)
        self._write(path, json.dumps(head).encode() + b"\n" + network.data)
        self._shrink(path)

    def note(self, key: str) -> dict[str, Any] | None:
        """Figures that were noted; None where there are none."""
        try:
            said = json.loads(self._path(key, _NOTE).read_bytes())
        except (OSError, ValueError):
            return None
        return said if isinstance(said, dict) else None

    def put_note(self, key: str, said: Mapping[str, Any]) -> None:
        """Note figures, as JSON takes them."""
        self._write(self._path(key, _NOTE), json.dumps(said).encode())

    def size_bytes(self) -> int:
        """Of all entries [bytes]."""
        return sum(size for _, size, _ in self._entries())

    def _write(self, path: Path, data: bytes) -> None:
        """Beside, then renamed; a disk that takes nothing is no reason to stop."""
        partial = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
            partial = Path(name)
            with os.fdopen(number, "wb") as file:
                file.write(data)
            partial.replace(path)
        except OSError:
            pass
        finally:
            if partial is not None:
                partial.unlink(missing_ok=True)

    def _shrink(self, newest: Path) -> None:
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self.limit_bytes:
                break
            if path != newest:  # a network larger than the limit is still kept once
                path.unlink(missing_ok=True)
                total -= size

    def _entries(self) -> list[tuple[int, int, Path]]:
        """When it was used [ns], size [bytes] and path of each."""
        found = []
        for path in self.folder.glob(f"*/*{_SUFFIX}"):
            with contextlib.suppress(OSError):  # another process was faster
                said = path.stat()
                found.append((said.st_mtime_ns, said.st_size, path))
        return found

    def _path(self, key: str, suffix: str = _SUFFIX) -> Path:
        return self.folder / key[:2] / f"{key}{suffix}"


def _read(head: bytes, data: bytes) -> Kept | None:
    """An entry from its file, or None where it is damaged."""
    try:
        said = json.loads(head)
        whole = said["format"] in FORMATS and said["sha256"] == hashlib.sha256(data).hexdigest()
        return Kept(Network(data, said["format"]), float(said["seconds"])) if whole else None
    except (ValueError, TypeError, KeyError):
        return None
