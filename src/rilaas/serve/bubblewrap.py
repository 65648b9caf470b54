"""The command line of a sandbox for one replica, with bubblewrap (https://github.com/containers/bubblewrap).

Inside there are, read-only: the system's programs and libraries, this Python with its packages, our source, the model
folder. Nothing else of the disk, no home folder, no network, no other process; the few places that can be written to
(/tmp, /dev/shm) are small and vanish with it.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/sys/devices/system/cpu")
_SCRATCH_BYTES = 64 * 2**20
_NOBODY = "65534"
_NEEDED = ("rilaas", "numpy", "google.protobuf", "onnxruntime")

_ALWAYS = (
    "--unshare-all",
    "--as-pid-1",
    "--die-with-parent",
    "--new-session",
    "--clearenv",
    *("--cap-drop", "ALL"),
    *("--uid", _NOBODY, "--gid", _NOBODY),
    *("--hostname", "replica"),
    *("--proc", "/proc", "--dev", "/dev"),
    *("--size", str(_SCRATCH_BYTES), "--tmpfs", "/dev/shm"),
    *("--size", str(_SCRATCH_BYTES), "--tmpfs", "/tmp"),
)
_SEALED = ("--remount-ro", "/dev", "--remount-ro", "/")
_IF_KNOWN = ("--disable-userns",)  # bubblewrap 0.8 and newer: no further user namespaces inside


def sandbox(inside: Iterable[Path], environment: dict[str, str], writable: Iterable[Path] = ()) -> list[str]:
    """Everything of the command line that stands before the program.

    Args:
        inside: Folders and files that are visible, read-only, at their own paths.
        environment: All environment variables of the program.
        writable: Folders that can be written to, at their own paths.
    """
    words = [_program(), *_flags(), *_system()]
    for folder in inside:
        words += ["--ro-bind", str(folder), str(folder)]
    for folder in writable:
        words += ["--bind", str(folder), str(folder)]
    words += [*_SEALED, "--chdir", "/"]
    for key, value in environment.items():
        words += ["--setenv", key, value]
    return words


def why_not() -> str:
    """Say why there can be no sandbox here; '' where there can."""
    if not _program():
        return "bubblewrap is not installed"
    return "" if _flags() else "bubblewrap is installed but may not make a sandbox here"


def import_roots() -> list[Path]:
    """The folders from which rilaas and what a replica needs are imported."""
    roots = []
    for name in _NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            roots.append(Path(spec.origin).resolve().parents[name.count(".") + 1])
    return list(dict.fromkeys(roots))


def python_folders() -> list[Path]:
    """The folders of this Python, a virtual environment and what it was made from, outside the system's."""
    places = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    real = Path(sys.executable).resolve().parents[1]
    folders = dict.fromkeys([*(Path(place) for place in places), real])
    return [folder for folder in folders if not folder.is_relative_to("/usr") and folder != Path("/")]


def _program() -> str:
    return shutil.which("bwrap") or ""


@functools.lru_cache(maxsize=1)
def _flags() -> tuple[str, ...]:
    """The flags that work here, tried out; empty where none do."""
    for flags in ((*_ALWAYS, *_IF_KNOWN), _ALWAYS):
        if _works([_program(), *flags, *_system(), *_SEALED, "/bin/sh", "-c", ":"]):
            return flags
    return ()


def _works(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _system() -> list[str]:
    words: list[str] = []
    for name in SYSTEM_FOLDERS:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]
    for name in SYSTEM_FILES:
        words += ["--ro-bind-try", name, name]
    return words
