"""Who may use what: robots, their keys, their grants; from a file for now, from the hub later.

The file is TOML::

    [robots.lab-1]
    keys = ["ssh-ed25519 AAAA... lab-1"]
    [robots.lab-1.models.lane-following]
    rate_per_s = 50.0        # optional: requests a second, on average
    burst = 100              # optional: requests at once
    [robots.lab-1.models."*"]  # any model
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rilaas.core import InvalidInput, ModelRef, RilaasError
from rilaas.core.toml import checked_table, read_toml
from rilaas.wire import PublicKey, fingerprint, load_public_key

_log = logging.getLogger("rilaas.route")

ANY_MODEL = "*"
CHECK_EVERY_S = 0.25  # how often a file is looked at; a change is in force within a second


@dataclass(frozen=True, slots=True)
class Grant:
    """What one robot may do with one model; rate None is unlimited."""

    rate_per_s: float | None = None
    burst: int = 1


@dataclass(frozen=True, slots=True)
class RobotAccess:
    """One robot: its grants by model (``[owner/]name`` or ``*``)."""

    name: str
    models: Mapping[str, Grant] = field(default_factory=dict)

    def grant(self, model: str) -> Grant | None:
        """The grant for a model; None where there is none."""
        return self.models.get(model) or self.models.get(ANY_MODEL)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole policy at one moment.

    Attributes:
        robots: By key fingerprint.
        keys: By key fingerprint.
        epoch: Grows with each change.
    """

    robots: Mapping[str, RobotAccess]
    keys: Mapping[str, PublicKey]
    epoch: int = 0


class AccessSource(Protocol):
    """Where an interceptor finds the policy in force; asked on every request, so it answers from memory."""

    def snapshot(self) -> Snapshot:
        """The policy in force.

        Raises:
            Unavailable: It is not known any more.
        """
        ...


def read_access(path: Path, epoch: int = 0) -> Snapshot:
    """Read an access file.

    Raises:
        InvalidInput: Naming the robot and what would have been valid.
    """
    document = read_toml(path)
    checked_table(document, str(path), {"robots"})
    robots: dict[str, RobotAccess] = {}
    keys: dict[str, PublicKey] = {}
    for name, row in checked_table(document.get("robots", {}), f"{path}: robots").items():
        where = f"{path}: robot {name!r}"
        checked_table(row, where, {"keys", "models"})
        models = checked_table(row.get("models", {}), f"{where}: models")
        robot = RobotAccess(name, {model: _grant(model, grant, where) for model, grant in models.items()})
        lines = row.get("keys", [])
        if not isinstance(lines, list):
            raise InvalidInput(f"{where}: keys is a list of OpenSSH public keys, one string each.")
        for line in lines:
            key = load_public_key(str(line))
            kid = fingerprint(key)
            if kid in robots:
                raise InvalidInput(f"{where}: the key {kid} belongs to robot {robots[kid].name!r} already.")
            robots[kid], keys[kid] = robot, key
    return Snapshot(robots, keys, epoch)


class FileAccess:
    """The policy in a file, read again when the file changes.

    A file that becomes unreadable or wrong leaves the last good policy in force, and the log says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._current = read_access(path)
        self._checked = time.monotonic()
        self._lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        """See ``AccessSource.snapshot``."""
        if time.monotonic() - self._checked > CHECK_EVERY_S:
            with self._lock:
                self._checked = time.monotonic()
                self._refresh()
        return self._current

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._current = read_access(self._path, self._current.epoch + 1)
            _log.info("access policy of %s is in force (%d keys)", self._path.name, len(self._current.keys))
        except RilaasError as error:
            _log.error("access policy unchanged, the file is wrong: %s", error)


def _grant(model: str, row: Any, where: str) -> Grant:
    if model != ANY_MODEL:
        ModelRef.parse(model)
    checked_table(row, f"{where}: models.{model}", {"rate_per_s", "burst"})
    rate, burst = row.get("rate_per_s"), row.get("burst", 1)
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate <= 0):
        raise InvalidInput(f"{where}: rate_per_s of {model} is {rate!r}; it is a number above 0 [1/s].")
    if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
        raise InvalidInput(f"{where}: burst of {model} is {burst!r}; it is a whole number from 1.")
    return Grant(None if rate is None else float(rate), burst)
