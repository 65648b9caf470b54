"""A model folder: what a user uploads and what this repository keeps under ``models/``."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from rilaas.core import InvalidInput, InvalidModelFolder, NotFound, did_you_mean
from rilaas.core.toml import read_toml
from rilaas.store.manifest import Manifest
from rilaas.store.manifest_toml import manifest_of
from rilaas.store.member import Names, is_ignored, why_invalid
from rilaas.store.mistake import Mistakes
from rilaas.store.weights import SUFFIXES, check_weights

MAX_FILES = 1000
_MAX_TOML_BYTES = 2**20
_MAX_HOOKS_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model folder.

    Attributes:
        path: Relative to the folder, with ``/`` between its parts.
        size_bytes: Its size [bytes].
        sha256: Hash of its content, in hexadecimal digits.
    """

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that was read and found valid.

    Attributes:
        path: Where it lies; absolute.
        manifest: What ``model.toml`` says.
        files: All its files in order of their paths, without hidden files and caches of Python.
    """

    path: Path
    manifest: Manifest
    files: tuple[ModelFile, ...]

    @property
    def digest(self) -> str:
        """``sha256:...`` over names and contents of all files: equal on every machine for the same model."""
        total = hashlib.sha256()
        for file in self.files:
            total.update(f"{file.sha256} {file.size_bytes} {file.path}\n".encode())
        return f"sha256:{total.hexdigest()}"

    @property
    def version(self) -> str:
        """The first 12 hexadecimal digits of the digest: the version until a registry gives it a number."""
        return self.digest.removeprefix("sha256:")[:12]

    @property
    def size_bytes(self) -> int:
        """Sum of all files [bytes]."""
        return sum(file.size_bytes for file in self.files)


def read_model_folder(path: Path | str, *, label: str = "") -> ModelFolder:
    """Read and check a model folder; nothing of it is run.

    Args:
        path: The folder.
        label: What it is called in errors; its path where empty.

    Raises:
        NotFound: There is no such folder.
        InvalidModelFolder: Something in it is wrong: all mistakes at once, with file and line.
    """
    folder = Path(path)
    label = label or str(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise NotFound(
            f"The model folder {label} {what}.", "A model folder holds model.toml, weights and optional hooks.py."
        )
    folder = folder.resolve()
    toml = folder / "model.toml"
    if toml.is_symlink() or not toml.is_file():
        raise InvalidModelFolder(
            f"{label} has no file model.toml.", "It describes the model: name, task, inputs, outputs, backend."
        )
    if toml.stat().st_size > _MAX_TOML_BYTES:
        raise InvalidModelFolder(f"{label}: model.toml is larger than {_MAX_TOML_BYTES} bytes.")
    try:
        data = read_toml(toml)
    except InvalidInput as error:
        raise InvalidModelFolder(f"{label}: {str(error).replace(str(toml), 'model.toml')}") from None
    mistakes = Mistakes(label, toml.read_text(encoding="utf-8"))
    names = _names(folder, mistakes)
    manifest = manifest_of(data, mistakes)
    _check_files(folder, manifest, set(names), mistakes)
    mistakes.raise_if_any()
    try:
        return ModelFolder(folder, manifest, tuple(_hashed(folder, name) for name in names))
    except OSError as error:
        raise InvalidModelFolder(f"{label}: {error.filename} cannot be read: {error.strerror}.") from None


def _names(folder: Path, mistakes: Mistakes) -> list[str]:
    """Valid regular files of the folder, sorted; everything else is a mistake."""

    def refuse(error: OSError) -> None:
        mistakes.in_file(os.path.relpath(error.filename, folder), f"it cannot be read: {error.strerror}.")

    names: list[str] = []
    for top, folders, files in os.walk(folder, onerror=refuse):
        for name in (*folders, *files):
            whole = Path(top, name)
            relative = whole.relative_to(folder).as_posix()
            if is_ignored(relative):
                continue
            mode = whole.lstat().st_mode
            if stat.S_ISLNK(mode):
                mistakes.in_file(relative, "symbolic links are not allowed. Put the file itself here.")
            elif why := why_invalid(relative):
                mistakes.in_file(f"{relative!a}", f"{why}.")
            elif stat.S_ISREG(mode):
                names.append(relative)
            elif not stat.S_ISDIR(mode):
                mistakes.in_file(relative, "this is no regular file.")
        folders[:] = [name for name in folders if not is_ignored(name)]
        if len(names) > MAX_FILES:
            mistakes.in_file(".", f"there are more than {MAX_FILES} files.")
            break
    names.sort()
    known = Names()
    for name in names:
        if other := known.add(name):
            mistakes.in_file(name, f"on some systems this is the same file as {other!r}.")
    return names


def _check_files(folder: Path, manifest: Manifest, names: set[str], mistakes: Mistakes) -> None:
    for key, name in (("weights", manifest.weights), ("hooks", manifest.hooks)):
        if name and (why := why_invalid(name)):
            mistakes.at_key((key,), f"{key} = {name!r} is no file of the folder: {why}.")
        elif name and name not in names and not (folder / name).is_symlink():
            mistakes.at_key((key,), f"there is no file {name!r} in the folder. {did_you_mean(name, names)}")
    if manifest.backend in SUFFIXES and manifest.backend != "python" and not manifest.weights:
        valid = " or ".join(f'weights = "FILE{suffix}"' for suffix in SUFFIXES[manifest.backend])
        mistakes.at_key(("backend",), f"the backend {manifest.backend} needs {valid}.")
    if manifest.backend == "python" and not manifest.hooks:
        mistakes.at_key(("backend",), 'the backend python needs hooks = "hooks.py" with a class Model.')
    if manifest.hooks and not manifest.hooks.endswith(".py"):
        mistakes.at_key(("hooks",), f"hooks = {manifest.hooks!r} is no Python file: it has to end with .py.")
    if not manifest.hooks and "hooks.py" in names:
        mistakes.in_file("hooks.py", 'it would not be used. Add hooks = "hooks.py" to model.toml, or remove it.')
    if manifest.hooks in names:
        _check_syntax(folder / manifest.hooks, manifest.hooks, mistakes)
    if manifest.weights in names and manifest.backend in SUFFIXES:
        check_weights(folder, manifest.weights, manifest.backend, mistakes)


def _check_syntax(path: Path, name: str, mistakes: Mistakes) -> None:
    """Parse a Python file, without running it."""
    try:
        if path.stat().st_size > _MAX_HOOKS_BYTES:
            mistakes.in_file(name, f"it is larger than {_MAX_HOOKS_BYTES} bytes.")
            return
        ast.parse(path.read_bytes(), name)
    except SyntaxError as error:
        python = ".".join(map(str, sys.version_info[:2]))
        mistakes.in_file(f"{name} line {error.lineno or 1}", f"this is no Python {python}: {error.msg}.")
    except (ValueError, RecursionError, MemoryError):
        mistakes.in_file(name, "this is no Python file, or it is nested too deep.")
    except OSError:
        return  # told where all files are read


def _hashed(folder: Path, name: str) -> ModelFile:
    total, size = hashlib.sha256(), 0
    with (folder / name).open("rb") as file:
        while chunk := file.read(2**20):
            total.update(chunk)
            size += len(chunk)
    return ModelFile(name, size, total.hexdigest())
