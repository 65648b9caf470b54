"""What ``rilaas doctor`` looks at of the hub: that its URL answers, and the real parts that the environment names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rilaas.cli.check import Check
from rilaas.cli.config import Settings
from rilaas.cli.hub_target import open_hub
from rilaas.core import RilaasError, Unauthenticated

# Variables of the machine that runs the hub (or an interceptor, of Redis); what holds where one is not set.
VARIABLES: Mapping[str, str] = {
    "RILAAS_DATABASE_URL": "the hub's database; SQLite in home where not set",
    "RILAAS_REDIS_URL": "the Redis that interceptors read the policy from; they ask the hub where not set",
    "RILAAS_PROMETHEUS_URL": "where the hub reads metrics; it keeps the last hours itself where not set",
}
_TIMEOUT_S = 3.0


def variables() -> tuple[tuple[str, str, str], ...]:
    """Each variable, its value without the password, and what it means."""
    return tuple((name, _shown(os.environ.get(name, "")), meaning) for name, meaning in VARIABLES.items())


def check_hub(settings: Settings) -> Iterator[Check]:
    """The hub that was named, and each part that a variable names."""
    if settings.hub:
        yield _hub(settings)
    for name, probe in _PROBES.items():
        if url := os.environ.get(f"RILAAS_{name.upper()}_URL", ""):
            yield _part(name, url, probe)


def _hub(settings: Settings) -> Check:
    where = _shown(settings.hub)
    try:
        with open_hub(settings, timeout_s=_TIMEOUT_S) as connection:
            me = connection.get("/api/v1/me")
        return Check("hub", "ok", f"{where} answers; the token is {me['person']}'s and may {', '.join(me['scopes'])}")
    except Unauthenticated as error:
        return Check("hub", "broken", error.message, error.hint)
    except RilaasError as error:
        return Check("hub", "broken", error.message, error.hint or f"Is `rilaas hub` running at {where}?")


def _part(name: str, url: str, probe: Callable[[str], str]) -> Check:
    hint = f"Is it running, and is RILAAS_{name.upper()}_URL its address, with user and password?"
    try:
        return Check(name, "ok", f"{_shown(url)} answers, {probe(url)}")
    except ModuleNotFoundError as error:
        return Check(name, "broken", f"the package {error.name} is missing", "Install it: pip install 'rilaas[hub]'")
    except RilaasError as error:
        return Check(name, "broken", error.message, error.hint or hint)
    except Exception as error:  # every driver has errors of its own; each is a finding here
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Check(name, "broken", f"{_shown(url)}: {_hidden(said, url)}", hint)


def _database(url: str) -> str:
    from rilaas.hub.database import database

    database(Path(), url)  # says what is wrong with a URL of another kind
    import psycopg

    with psycopg.connect(url, connect_timeout=int(_TIMEOUT_S)) as connection:
        return f"PostgreSQL {connection.info.server_version // 10000}"


def _redis(url: str) -> str:
    import redis

    with redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as client:
        return f"Redis {client.info('server')['redis_version']}"


def _prometheus(url: str) -> str:
    from rilaas.hub.metrics.prometheus import Prometheus

    count = len(Prometheus(url, timeout_s=_TIMEOUT_S).latest("up", ["job", "instance"]))
    return f"{count} target{'' if count == 1 else 's'} scraped"


_PROBES: Mapping[str, Callable[[str], str]] = {
    "database": _database,
    "redis": _redis,
    "prometheus": _prometheus,
}


def _shown(url: str) -> str:
    """A URL without its password."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return "(no URL)"
    shown = url.replace(f":{password}@", ":***@", 1) if password else url
    return re.sub(r"(password=)[^&]*", r"\1***", shown)


def _hidden(said: str, url: str) -> str:
    """What a driver said, should it quote the URL."""
    return said.replace(url, _shown(url))
