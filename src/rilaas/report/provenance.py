"""Where numbers come from: version, commit, seeds, machine, command."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rilaas

_GIT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Provenance:
    """What it takes to get the same numbers again.

    Attributes:
        version: Of rilaas.
        commit: Of the clone that it ran from, with ``-dirty`` where tracked files differ; '' outside a clone.
        seeds: All that were used.
        machine: ``cpu``, ``cores`` that this process may use, ``memory_bytes``, ``os``, ``python``.
        command: The command line, without the path of anybody's home.
        created_utc: When, as ``2026-01-31T12:00:00Z``.
    """

    version: str
    commit: str
    seeds: tuple[int, ...]
    machine: Mapping[str, str | int]
    command: str
    created_utc: str = ""


def provenance(seeds: Sequence[int] = (), *, command: Sequence[str] | None = None) -> Provenance:
    """Collect it for this process.

    Args:
        seeds: Those that were used.
        command: Program and arguments; ``sys.argv`` where None.
    """
    return Provenance(
        version=rilaas.__version__,
        commit=commit_of(Path(rilaas.__file__).resolve().parent),
        seeds=tuple(seeds),
        machine=machine(),
        command=command_line(sys.argv if command is None else command),
        created_utc=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def commit_of(package: Path) -> str:
    """Commit of the clone whose ``src`` holds the package, or ''.

    A package that is installed into a virtual environment inside some other clone does not get that one's commit.
    """
    top = _git(package, "rev-parse", "--show-toplevel")
    if not top or Path(top, "src", package.name).resolve() != package:
        return ""
    commit = _git(package, "rev-parse", "HEAD")
    dirty = _git(package, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if commit and dirty else commit


def machine() -> dict[str, str | int]:
    """This machine, without its name."""
    facts: dict[str, str | int] = {"cpu": _cpu(), "cores": _cores()}
    if memory_bytes := _memory_bytes():
        facts["memory_bytes"] = memory_bytes
    return {**facts, "os": _system(), "python": platform.python_version()}


def command_line(arguments: Sequence[str]) -> str:
    """A command as it could be typed again, with homes written as ``~`` and this folder as ``.``."""
    program = Path(arguments[0]).name if arguments else ""
    program = {"__main__.py": "python -m rilaas.cli"}.get(program, program)
    return " ".join([program, *(_quoted(_without_home(argument)) for argument in arguments[1:])])


def _quoted(argument: str) -> str:
    """Quoted for a shell; a ``~`` stays outside the quotes, or it would not be expanded."""
    if argument.startswith("~/"):
        return "~/" + (shlex.quote(argument[2:]) if argument[2:] else "")
    return argument if re.fullmatch(r"[\w@%+=:,./~-]+", argument) else shlex.quote(argument)


def _without_home(argument: str) -> str:
    here, home = str(Path.cwd()), str(Path.home())
    if here != "/":
        argument = re.sub(rf"{re.escape(here)}(?=/|$)", ".", argument)
    if home != "/":
        argument = re.sub(rf"{re.escape(home)}(?=/|$)", "~", argument)
    return re.sub(r"/(?:home|Users)/[^/]+(?=/|$)", "~", argument)


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    try:
        found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError, AttributeError):
        name = f"{platform.system()} {platform.release()}".strip()
    return f"{name} ({platform.machine()})"
