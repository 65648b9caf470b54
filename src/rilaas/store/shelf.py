"""The local store: archives named by their content, and which of them is version 3 of which model.

::

    home/store/
    ├── archives/<64 hexadecimal digits>.tar.gz
    ├── unpacked/<64 hexadecimal digits>/         made when a model is first used
    ├── latencies/<64 hexadecimal digits>.json    how fast it was, on which machine
    └── models/<name>.json                        {"digests": ["sha256:...", ...]}; version n is the n-th
                                                  "variants": {"sha256:...": {"int8": "sha256:..."}} of each version
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rilaas.core import Conflict, InvalidInput, ModelRef, NotFound, SignatureMismatch, did_you_mean
from rilaas.core.signature import Signature, TensorSpec
from rilaas.store.archive import pack
from rilaas.store.folder import ModelFolder, read_model_folder
from rilaas.store.latency_row import LatencyRow
from rilaas.store.unpack import unpack
from rilaas.store.variant_file import parent_of

MAX_LATENCIES = 200  # of one content; the oldest make room


@dataclass(frozen=True, slots=True)
class Stored:
    """A version or a variant in the store.

    Attributes:
        ref: ``name:number``, or ``name:number@variant``.
        digest: ``sha256:...`` of its content.
        archive: Where it lies.
        is_new: Whether this push made it.
        original: Digest of the version that a variant was made from; of a version, its own.
    """

    ref: ModelRef
    digest: str
    archive: Path
    is_new: bool
    original: str = ""


@dataclass(slots=True)
class _Index:
    """The versions of a model, and their variants by the digest of the version."""

    digests: list[str] = field(default_factory=list)
    variants: dict[str, dict[str, str]] = field(default_factory=dict)


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
        with self._lock():
            index = self._index(name)
            archive = self._keep(model)
            is_new = digest not in index.digests
            if is_new:
                index.digests.append(digest)
                self._write(name, index)
        number = index.digests.index(digest) + 1
        return Stored(ModelRef(name, version=str(number)), digest, archive, is_new, digest)

    def push_variant(self, model: ModelFolder, of: ModelRef, name: str, *, replace: bool = False) -> Stored:
        """Keep a model folder as a variant of a version.

        Args:
            model: The variant.
            of: The version that it was made from; its newest where it says none.
            name: Of the variant, such as ``int8``.
            replace: Whether it may take the place of another content of this name.

        Raises:
            NotFound: There is no such version.
            SignatureMismatch: It takes or gives other tensors than its original.
            Conflict: The name stands for another content, or the folder says that it was made from another version.
        """
        with self._lock():
            original = self._find(ModelRef(of.name, of.owner, of.version))
            index = self._index(of.name)
            ref = ModelRef(of.name, version=str(index.digests.index(original) + 1), variant=name)
            check_variant(self._opened(original).manifest.signature, original, model, f"{of.name}:{ref.version}")
            known = index.variants.setdefault(original, {})
            before = known.get(name)
            if before not in (None, model.digest) and not replace:
                raise Conflict(
                    f"{ref} is there with other content ({before.partition(':')[2][:12] if before else ''}).",
                    "Give it another name with --variant, or take its place with --replace.",
                )
            archive = self._keep(model)
            if before != model.digest:
                known[name] = model.digest
                self._write(of.name, index)
        return Stored(ref, model.digest, archive, before != model.digest, original)

    def names(self) -> list[str]:
        """Models that have a version here."""
        return sorted(path.stem for path in (self._root / "models").glob("*.json"))

    def variants(self, ref: ModelRef) -> list[Stored]:
        """The variants of a version, by name.

        Raises:
            NotFound: There is no such version.
        """
        original = self._find(ModelRef(ref.name, ref.owner, ref.version))
        index = self._index(ref.name)
        version = str(index.digests.index(original) + 1)
        return [
            Stored(ModelRef(ref.name, version=version, variant=name), digest, self._archive(digest), False, original)
            for name, digest in sorted(index.variants.get(original, {}).items())
        ]

    def folder(self, ref: ModelRef) -> ModelFolder:
        """A version or a variant as a model folder.

        Args:
            ref: ``name`` for the newest, ``name:3``, or ``name:`` and at least eight digits of its digest; each with
                ``@variant`` where that is meant.

        Raises:
            NotFound: It is not in the store.
        """
        digest = self._find(ref)
        with self._lock():
            return self._opened(digest)

    def stored(self, ref: ModelRef) -> Stored:
        """What a reference means, with its number.

        Raises:
            NotFound: It is not in the store.
        """
        digest, original = self._find(ref), self.original(ref)
        version = str(self._index(ref.name).digests.index(original) + 1)
        return Stored(
            ModelRef(ref.name, version=version, variant=ref.variant), digest, self._archive(digest), False, original
        )

    def original(self, ref: ModelRef) -> str:
        """Digest of the version that a reference means, whatever its variant.

        Raises:
            NotFound: It is not in the store.
        """
        return self._find(ModelRef(ref.name, ref.owner, ref.version))

    def note_latency(self, digest: str, row: LatencyRow) -> None:
        """Keep a measurement of a content; of many the newest stay."""
        with self._lock():
            rows = [*self._latencies(digest), row][-MAX_LATENCIES:]
            self._replace(self._latency_file(digest), {"rows": [each.as_json() for each in rows]})

    def latencies(self, digest: str) -> list[LatencyRow]:
        """What was measured of a content, the oldest first."""
        with self._lock():
            return self._latencies(digest)

    def _latencies(self, digest: str) -> list[LatencyRow]:
        rows = self._read(self._latency_file(digest)).get("rows", [])
        if not isinstance(rows, list):
            raise self._damaged(self._latency_file(digest))
        return [LatencyRow.of(row) for row in rows]

    def _find(self, ref: ModelRef) -> str:
        index = self._index(ref.name) if not ref.owner else _Index()
        if not index.digests:
            raise NotFound(
                f"There is no model {ref.model!r} in the store. {did_you_mean(ref.model, self.names())}",
                "Give a model folder's path, push one with `rilaas push FOLDER`, or ask a fleet with --target.",
            )
        original = _version_of(ref, index.digests)
        if not ref.variant:
            return original
        known = index.variants.get(original, {})
        if ref.variant not in known:
            version = index.digests.index(original) + 1
            raise NotFound(
                f"{ref.model}:{version} has no variant {ref.variant!r} in the store. {_named(ref.variant, known)}",
                f"Make one with `rilaas push FOLDER --as {ref.model}:{version} --variant {ref.variant}`.",
            )
        return known[ref.variant]

    def _keep(self, model: ModelFolder) -> Path:
        archive = self._archive(model.digest)
        if not archive.is_file():
            archive.parent.mkdir(parents=True, exist_ok=True)
            pack(model, archive)
        return archive

    def _opened(self, digest: str) -> ModelFolder:
        """The unpacked folder of a content; inside the lock."""
        target = self._root / "unpacked" / digest.removeprefix("sha256:")
        if not target.is_dir():
            return unpack(self._archive(digest), target, digest=digest)
        return read_model_folder(target)

    def _archive(self, digest: str) -> Path:
        return self._root / "archives" / f"{digest.removeprefix('sha256:')}.tar.gz"

    def _latency_file(self, digest: str) -> Path:
        return self._root / "latencies" / f"{digest.removeprefix('sha256:')}.json"

    def _index_file(self, name: str) -> Path:
        return self._root / "models" / f"{name}.json"

    def _index(self, name: str) -> _Index:
        path = self._index_file(name)
        said = self._read(path)
        if not said:
            return _Index()
        try:
            variants = {str(key): dict(value) for key, value in dict(said.get("variants", {})).items()}
            return _Index([str(digest) for digest in said["digests"]], variants)
        except (ValueError, KeyError, TypeError):
            raise self._damaged(path) from None

    def _write(self, name: str, index: _Index) -> None:
        said: dict[str, Any] = {"digests": index.digests}
        if variants := {key: value for key, value in index.variants.items() if value}:
            said["variants"] = variants
        self._replace(self._index_file(name), said)

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise self._damaged(path) from None
        if not isinstance(said, dict):
            raise self._damaged(path)
        return said

    def _replace(self, path: Path, said: dict[str, Any]) -> None:
        """Write a file so that a reader sees the old one or the new one, also where the process is killed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)

    def _damaged(self, path: Path) -> InvalidInput:
        return InvalidInput(f"{path} is damaged.", "Move it away and push the model again.")

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


def check_variant(original: Signature, digest: str, model: ModelFolder, called: str) -> None:
    """Refuse a folder that is no variant of a version.

    Args:
        original: Signature of the version.
        digest: Of the version.
        model: The folder.
        called: The version in errors.

    Raises:
        SignatureMismatch: It takes or gives other tensors; the message says which.
        Conflict: It says that it was made from another version.
        InvalidInput: Its record cannot be read.
    """
    signature = model.manifest.signature
    for side, there, here in (
        ("input", original.inputs, signature.inputs),
        ("output", original.outputs, signature.outputs),
    ):
        one, other = {str(spec) for spec in there.values()}, {_as_original(spec, there) for spec in here.values()}
        if one != other:
            raise SignatureMismatch(
                f"This is no variant of {called}, for its signature is another one: {side}s "
                f"{', '.join(sorted(one))} there, {', '.join(sorted(other))} here.",
                "Push it as a version.",
            )
    parent = parent_of(model)
    if parent and parent != digest:
        raise Conflict(
            f"This is no variant of {called}: its variant.json says that it was made from {parent[:19]}, "
            f"and {called} is {digest[:19]}.",
            "Name the version that it was made from, or push that one first.",
        )


def _as_original(spec: TensorSpec, there: Mapping[str, TensorSpec]) -> str:
    """A variant may fix the free batch axis to 1: some runtimes are faster then."""
    original = there.get(spec.name)
    if original is not None and original.shape[:1] == (-1,) and spec.shape[:1] == (1,):
        spec = replace(spec, shape=(-1, *spec.shape[1:]))
    return str(spec)


def _version_of(ref: ModelRef, digests: list[str]) -> str:
    version = ref.version or str(len(digests))
    if version.isdigit() and 1 <= int(version) <= len(digests):
        return digests[int(version) - 1]
    found = [digest for digest in digests if len(version) >= 8 and digest.startswith(f"sha256:{version}")]
    if len(found) != 1:
        numbers = ", ".join(str(i + 1) for i in range(len(digests)))
        raise NotFound(f"{ref.model} has no version {version!r} in the store. Available: {numbers}.")
    return found[0]


def _named(word: str, known: dict[str, str]) -> str:
    return did_you_mean(word, known) if known else "It has none; the original is meant without @."
