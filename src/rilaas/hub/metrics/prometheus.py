"""A Prometheus server as a source, by its HTTP API.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, Unavailable
from rilaas.hub.metrics.source import Span, Values, Where

TIMEOUT_S = 5.0
_MAX_BYTES = 64 * 2**20
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")  # of RE2; a Python escape of a blank would be an error there


class Prometheus:
    """A ``MetricsSource`` on a Prometheus.

    Args:
        url: Such as ``http://127.0.0.1:9090``, with the path that it is mounted at and a user, if any.
        timeout_s: For all that is asked of this object together [s], so that a page does not wait for each part anew.
        least_window_s: A growth is measured over at least so long [s]: four times the interval at which it scrapes.

    Raises:
        InvalidInput: The URL is none.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, least_window_s: float = 60.0) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            parts, self._host = urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not self._host:
            raise InvalidInput("RILAAS_PROMETHEUS_URL is not a URL.", "Write http://127.0.0.1:9090.")
        self._is_https, self._path = parts.scheme == "https", parts.path.rstrip("/")
        host = f"[{self._host}]" if ":" in self._host else self._host
        # Without the password.
        self.url = f"{parts.scheme}://{host}{f':{self._port}' if self._port else ''}{self._path}"
        self.name = f"Prometheus at {self.url}"
        self._headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if parts.username:
            word = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(word).decode()
        self._until = time.monotonic() + timeout_s
        self._least_window_s = least_window_s

    def increases(
        self, family: str, by: Sequence[str], span: Span, where: Where | None = None
    ) -> dict[Values, NDArray[np.float64]]:
        """See ``MetricsSource.increases``."""
        ends, step_s = span.edges[1:], span.step_s
        over_s = max(step_s, self._least_window_s)
        growth = f"increase({selector(family, where)}[{math.ceil(over_s * 1000)}ms])"
        query = f"sum by ({_labels(by)}) ({growth}) * {step_s / over_s:.9g}"
        rows = self._ask(
            "query_range", query=query, start=f"{ends[0]:.3f}", end=f"{ends[-1]:.3f}", step=f"{step_s:.3f}"
        )
        found: dict[Values, NDArray[np.float64]] = {}
        for row in rows:
            grown = found.setdefault(_values(row, by), np.full(len(ends), np.nan))
            for at_s, text in row["values"]:
                index = round((float(at_s) - ends[0]) / step_s)
                if 0 <= index < len(grown):
                    grown[index] = float(text)
        return {key: grown for key, grown in found.items() if np.nansum(grown) > 0}

    def latest(self, family: str, by: Sequence[str], where: Where | None = None) -> dict[Values, float]:
        """See ``MetricsSource.latest``."""
        rows = self._ask("query", query=f"sum by ({_labels(by)}) ({selector(family, where)})")
        return {_values(row, by): float(row["value"][1]) for row in rows}

    def _ask(self, what: str, **form: str) -> list[dict[str, Any]]:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise Unavailable(f"Prometheus is not reachable at {self.url}: it did not answer in time.")
        kind = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=left_s)
        try:
            path = f"{quote(self._path)}/api/v1/{what}"
            connection.request("POST", path, urlencode(form), self._headers)
            answer = connection.getresponse()
            data = answer.read(_MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unavailable(f"Prometheus is not reachable at {self.url}: {said}.") from None
        finally:
            connection.close()
        return self._result(answer.status, data)

    def _result(self, status: int, data: bytes) -> list[dict[str, Any]]:
        try:
            document = json.loads(data) if len(data) <= _MAX_BYTES else {}
            if document["status"] == "success":
                rows: list[dict[str, Any]] = document["data"]["result"]
                return rows
            said = str(document.get("error", ""))[:300]
        except (ValueError, KeyError, TypeError, AttributeError):
            said = f"HTTP status {status}"
        raise Unavailable(f"Prometheus is not reachable at {self.url}: it answered {said!r}.")


def selector(family: str, where: Where | None = None) -> str:
    """``family{label="value"}`` in PromQL; whatever the values contain, it stays one selector.

    Raises:
        ValueError: The family or a label is no name.
    """
    parts = []
    for label, allowed in sorted((where or {}).items()):
        values = sorted(allowed)
        if len(values) == 1:
            parts.append(f"{_checked(label)}={_quoted(values[0])}")
        else:
            # Nothing is let through where nothing is allowed: no label value is a line end alone.
            words = "|".join(_SPECIAL.sub(r"\\\1", value) for value in values) if values else "\n"
            parts.append(f"{_checked(label)}=~{_quoted(words)}")
    return f"{_checked(family)}{{{','.join(parts)}}}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'


def _labels(by: Sequence[str]) -> str:
    return ", ".join(_checked(label) for label in by)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name of a metric or a label")
    return name


def _values(row: dict[str, Any], by: Sequence[str]) -> Values:
    return tuple(row["metric"].get(label, "") for label in by)
