"""The hub that a verb talks to, and how the movement of bytes is shown."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import urlencode, urlsplit

from rilaas.cli.config import Settings
from rilaas.cli.output import Output
from rilaas.core import ModelRef, NotFound, Unauthenticated
from rilaas.report import Report
from rilaas.wire import HubConnection

LOCAL_TOKEN = Path("hub", "token")  # in the home: made by `rilaas hub` for the command line on its machine
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERY_S = 0.2
_ANSWER_S = 600.0  # checking and packing gigabytes takes the hub minutes


def open_hub(settings: Settings, *, timeout_s: float = _ANSWER_S) -> HubConnection:
    """A connection to the hub; close it.

    Args:
        settings: Which hub, and the token.
        timeout_s: Wait for a connection, and for each piece of an answer, at most so long [s].

    Raises:
        NotFound: No hub was named.
        Unauthenticated: There is no token for it.
        InvalidInput: Its URL is none, or a token would go to it in clear text.
    """
    if not settings.hub:
        raise NotFound("No hub was named.", "Add --hub URL, or set RILAAS_HUB, or hub in rilaas.toml.")
    is_near = urlsplit(settings.hub).hostname in _LOOPBACK
    token, path = settings.token.text, settings.home / LOCAL_TOKEN
    if not token and is_near and path.is_file():
        token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise Unauthenticated(
            f"There is no token for {settings.hub}.",
            "Make one on its page Account, with the scopes read and write, and set RILAAS_TOKEN.",
        )
    ca = settings.ca or (settings.ca_path if is_near and settings.ca_path.is_file() else None)
    return HubConnection(settings.hub, token, ca_path=ca, timeout_s=timeout_s)


def owned(ref: ModelRef, hub: HubConnection) -> ModelRef:
    """A reference with its owner: whoever the token acts for, where none is written."""
    if ref.owner:
        return ref
    return ModelRef(ref.name, str(hub.get("/api/v1/me")["person"]), ref.version, ref.variant)


def model_path(ref: ModelRef) -> str:
    """Where the hub has a model."""
    return f"/api/v1/models/{ref.model}"


def keep_report(hub: HubConnection, report: Report, ref: ModelRef) -> str:
    """Add a report to a model's evaluations.

    Args:
        hub: An open connection.
        report: What was measured.
        ref: The model; with a version where it is known.

    Returns:
        The address of its page.
    """
    ref = owned(ref, hub)
    query = urlencode({"model": ref.model, "revision": ref.revision})
    return str(hub.post(f"/api/v1/evaluations?{query}", json.loads(report.to_json()))["url"])


class Transfer:
    """Progress of bytes on a terminal: how many, how fast, how long it will take.

    Args:
        total_bytes: How many there are [bytes].
        output: Where to.
        done_bytes: How many were there at the beginning [bytes].
    """

    def __init__(self, total_bytes: int, output: Output, done_bytes: int = 0) -> None:
        self._total, self._output, self._begin = total_bytes, output, done_bytes
        self._start_s = time.monotonic()

    def at(self, done_bytes: int) -> None:
        """So many bytes are done."""
        rate = (done_bytes - self._begin) / max(1e-3, time.monotonic() - self._start_s)
        left = f", {(self._total - done_bytes) / rate:.0f} s left" if rate > 0 else ""
        self._output.progress(f"{1e-6 * done_bytes:.1f} of {1e-6 * self._total:.1f} MB, {1e-6 * rate:.1f} MB/s{left}")


class Watched:
    """Shows, for the time of a ``with``, how a file grows.

    Args:
        path: The file.
        total_bytes: Its size in the end [bytes].
        output: Where to.
    """

    def __init__(self, path: Path, total_bytes: int, output: Output) -> None:
        self._path, self._output, self._transfer = path, output, Transfer(total_bytes, output)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._output.progress_done()

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            if self._path.is_file():
                self._transfer.at(self._path.stat().st_size)
