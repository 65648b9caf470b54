"""Who may use what: robots, their keys, their grants; here from a file (see ``hub_access`` and ``redis_access``).

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
from rilaas.route.fleet import Fleet
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
    """One robot.

    Attributes:
        name: The robot's name.
        models: Its grants, by model (``[owner/]name`` or ``*``).
        public: What it may do with public models that it has no grant for; None where nothing.
        names: What it calls a model, to the model's full name.
    """

    name: str
    models: Mapping[str, Grant] = field(default_factory=dict)
    public: Grant | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def grant(self, model: str) -> Grant | None:
        """The grant for a model; None where there is none."""
        return self.models.get(model) or self.models.get(ANY_MODEL)


@dataclass(frozen=True, slots=True)
class Registered:
    """A robot and the key by which it was found."""

    robot: RobotAccess
    key: PublicKey


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How an access source fares.

    Attributes:
        source: ``file``, ``hub`` or ``redis``.
        epoch: Of the policy in force; grows with each change.
        age_s: Since the policy was last confirmed to be the one in force [s]; inf where it never was.
        problem: Why it cannot be confirmed now; '' while all is well.
    """

    source: str
    epoch: int
    age_s: float = 0.0
    problem: str = ""


class AccessSource(Protocol):
    """Where an interceptor finds the policy in force; asked on every request, so it answers from memory or nearly."""

    def find(self, kid: str) -> Registered | None:
        """The robot that a key belongs to, by the key's fingerprint; None where it belongs to none.

        Raises:
            Unavailable: The policy is not known, or not any more.
        """
        ...

    def fleet(self) -> Fleet | None:
        """Which models are public and where models run; None where the source says nothing of that.

        It is the same object until something of it changes, and the last one known where it is not known any more.
        """
        ...

    def status(self) -> SourceStatus:
        """How the source fares."""
        ...


def read_access(path: Path) -> dict[str, Registered]:
    """Read an access file: robots by key fingerprint.

    Raises:
        InvalidInput: Naming the robot and what would have been valid.
    """
    document = read_toml(path)
    checked_table(document, str(path), {"robots"})
    found: dict[str, Registered] = {}
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
            if kid in found:
                raise InvalidInput(f"{where}: the key {kid} belongs to robot {found[kid].robot.name!r} already.")
            found[kid] = Registered(robot, key)
    return found


class FileAccess:
    """The policy in a file, read again when the file changes.

    A file that becomes unreadable or wrong leaves the last good policy in force, and the log says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._current = read_access(path)
        self._epoch, self._problem = 0, ""
        self._checked = time.monotonic()
        self._confirmed = self._checked  # when the file was last good
        self._lock = threading.Lock()

    def find(self, kid: str) -> Registered | None:
        """See ``AccessSource.find``."""
        if time.monotonic() - self._checked > CHECK_EVERY_S:
            self._look_again()
        return self._current.get(kid)

    def fleet(self) -> Fleet | None:
        """See ``AccessSource.fleet``: a file names no servers."""
        return None

    def status(self) -> SourceStatus:
        """See ``AccessSource.status``."""
        self._look_again()
        return SourceStatus("file", self._epoch, time.monotonic() - self._confirmed, self._problem)

    def _look_again(self) -> None:
        with self._lock:
            self._checked = time.monotonic()
            self._refresh()
            if not self._problem:
                self._confirmed = self._checked

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
            self._current = read_access(self._path)
            self._epoch, self._problem = self._epoch + 1, ""
            _log.info("access policy of %s is in force (%d keys)", self._path.name, len(self._current))
        except RilaasError as error:
            self._problem = str(error)
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
