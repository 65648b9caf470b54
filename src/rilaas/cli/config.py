"""Settings: argument > flag > ``RILAAS_*`` > ``rilaas.toml`` > default, and where each value came from."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.core.toml import read_toml

FILE = "rilaas.toml"
DEFAULT = "default"
_PATHS = ("home", "key", "ca")


MEANINGS: Mapping[str, str] = {
    "home": "folder of the store, the certificate authority and the keys",
    "target": "HOST[:PORT] of the interceptor; '' runs models in this process",
    "key": "the robot's private SSH key",
    "ca": "certificate of the fleet's authority; tls/ca.pem in home where not set",
    "hub": "URL of the hub that models are pushed to and pulled from; '' is the local store",
    "token": "token for the hub, with the scopes read and write",
    "deadline_s": "seconds after which an answer is useless; 0 waits",
    "threads": "threads of a model that runs in this process",
}


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that ``str`` and ``repr`` do not show."""

    text: str = field(default="", repr=False)

    def __str__(self) -> str:
        return "(not shown)" if self.text else ""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the command line; each is also ``RILAAS_<NAME>`` and a key of ``rilaas.toml``.

    Attributes:
        home: Folder of all local state.
        target: The interceptor, or ''.
        key: The robot's private SSH key.
        ca: Certificate of the fleet's authority; None for the one in ``home``.
        hub: URL of the hub, or ''.
        token: For the hub.
        deadline_s: Of each call [s]; 0 waits.
        threads: Of a model in this process.
        sources: Where each value came from: ``flag``, ``RILAAS_HOME``, a file's name, ``default``.
    """

    home: Path = field(default_factory=lambda: Path.home() / ".rilaas")
    target: str = ""
    key: Path = field(default_factory=lambda: Path.home() / ".ssh" / "id_ed25519")
    ca: Path | None = None
    hub: str = ""
    token: Secret = field(default_factory=Secret)
    deadline_s: float = 0.0
    threads: int = 1
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ca_path(self) -> Path:
        """The authority's certificate."""
        return self.ca or self.home / "tls" / "ca.pem"

    @property
    def deadline(self) -> float | None:
        """The deadline as ``Policy.predict`` takes it."""
        return self.deadline_s or None


def read_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Collect the settings for this call.

    Args:
        flags: By setting; None is not given.
        environment: ``os.environ`` where None.
        folder: Where ``rilaas.toml`` may lie; the current folder where None.

    Raises:
        InvalidInput: A value has the wrong type or range, or the file has an unknown key.
    """
    environment = os.environ if environment is None else environment
    file, name = _read_file(environment.get("RILAAS_CONFIG"), folder or Path.cwd())
    values: dict[str, Any] = {}
    sources = dict.fromkeys(MEANINGS, DEFAULT)
    for key in MEANINGS:
        for source, given in (
            ("flag", (flags or {}).get(key)),
            (f"RILAAS_{key.upper()}", environment.get(f"RILAAS_{key.upper()}") or None),
            (name, file.get(key)),
        ):
            if given is not None:
                values[key], sources[key] = _converted(key, given, source), source
                break
    return Settings(**values, sources=sources)


def _read_file(explicit: str | None, folder: Path) -> tuple[Mapping[str, Any], str]:
    path = Path(explicit) if explicit else folder / FILE
    try:
        table = read_toml(path)
    except NotFound:
        if explicit:
            raise NotFound(f"There is no file {path}, which RILAAS_CONFIG names.") from None
        return {}, FILE
    for key in table:
        if key not in MEANINGS:
            raise InvalidInput(f"{path}: there is no setting {key!r}.", did_you_mean(key, MEANINGS))
    # Paths in a file are meant from where the file lies.
    based = {k: v if v.startswith("~") else str(path.parent / v) for k, v in table.items() if _is_path(k, v)}
    return {**table, **based}, path.name


def _is_path(key: str, value: object) -> bool:
    return key in _PATHS and isinstance(value, str)


def _converted(key: str, given: Any, source: str) -> Any:
    kinds: Mapping[str, tuple[type, str]] = {
        "threads": (int, "a whole number from 1"),
        "deadline_s": (float, "a number of seconds, 0 for none"),
    }
    kind, what = kinds.get(key, (Path, "a path") if key in _PATHS else (str, "text"))
    try:
        if isinstance(given, bool) or (kind in (str, Path) and not isinstance(given, str | Path)):
            raise ValueError
        value: Any = Path(given).expanduser() if kind is Path else kind(given)
        if (key == "threads" and value < 1) or (key == "deadline_s" and not 0 <= value < math.inf):
            raise ValueError
    except (ValueError, TypeError, RuntimeError):  # RuntimeError: ~somebody without a home
        raise InvalidInput(f"{key} from {source} is {str(given)!r}; it is {what}.") from None
    return Secret(value) if key == "token" else value
