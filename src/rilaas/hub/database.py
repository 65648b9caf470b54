"""Where the hub's data are: the database by its URL, and the secret that signs sessions."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rilaas.core import InvalidInput

# WAL lets pages be read while something is written; a transaction takes its lock at its begin, so that two of them
# wait for each other instead of failing half-way (measured: 300 of 800 concurrent ones failed without).
_SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
    "PRAGMA mmap_size=134217728; PRAGMA cache_size=-8000; PRAGMA busy_timeout=20000;",
}

# A connection is kept by its thread; one that the database has closed meanwhile is opened again.
_KEPT = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


def database(home: Path, url: str) -> dict[str, Any]:
    """Django's description of the database.

    Args:
        home: The hub's folder.
        url: ``postgresql://...`` or ''.

    Raises:
        InvalidInput: The URL is of another kind.
    """
    if not url:
        name = str(home / "hub.sqlite3")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": dict(_SQLITE), **_KEPT}
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise InvalidInput(
            f"RILAAS_DATABASE_URL begins with {parts.scheme!r}.",
            "Write postgresql://user:password@host:port/name, or leave it out for SQLite.",
        )
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        **_KEPT,
    }


def read_secret(home: Path) -> str:
    """The secret that signs sessions; a passing one where the hub was never started on this home."""
    try:
        return (home / "secret").read_text()
    except FileNotFoundError:
        return secrets.token_urlsafe(48)


def make_home(home: Path) -> None:
    """Make the hub's folder and the secret in it, for the owner alone; both are kept where they are there."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)  # whoever made it before
    (home / "scratch").mkdir(exist_ok=True)
    mine = home / f".secret-{os.getpid()}"
    handle = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
    with contextlib.suppress(FileExistsError):
        os.link(mine, home / "secret")  # whoever is first
    mine.unlink()
