"""Talking to the hub: JSON and files over HTTP/1.1 with a scoped token, by the standard library alone.

Blocking and safe from any thread: each request takes an idle connection or opens one, and leaves it for the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import json
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

from rilaas.core import InvalidInput, NotFound, Unavailable, error_from_code

MAX_JSON_BYTES = 64 * 2**20
IDLE_S = 4.0  # servers close a connection that was idle for about five seconds
_MAX_IDLE = 4  # connections that are kept
_CHUNK_BYTES = 1 << 20
_AGAIN = frozenset({"GET", "PUT", "DELETE"})  # doing them twice is doing them once
_DROPPED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ConnectionAbortedError)

Token = str | Callable[[], str]


class HubConnection:
    """The hub at a URL; close it, or use it in a ``with``.

    Paths are absolute within the hub (``/api/v1/policy``). Every method raises the error that the hub answered with,
    and ``Unavailable`` where it cannot be reached or something else answered.

    Args:
        url: ``http://HOST:PORT`` or ``https://...``, with the path that the hub is mounted at, if any.
        token: Sent as bearer token; a function is asked for each request.
        ca_path: The authority that a hub's certificate is checked against; the system's where None.
        timeout_s: Wait for a connection, and for each piece of an answer, at most so long [s].

    Raises:
        InvalidInput: The URL is none, or a token would go over the network in clear text.
        NotFound: There is no file ``ca_path``.
    """

    def __init__(
        self, url: str, token: Token = "", *, ca_path: Path | str | None = None, timeout_s: float = 30
    ) -> None:
        self.url = url.rstrip("/")
        try:
            parts = urlsplit(self.url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            parts, self._host, self._port = urlsplit(""), "", None
        if parts.scheme not in ("http", "https") or not self._host or parts.query or parts.fragment or parts.username:
            raise InvalidInput(f"{url!r} is not the URL of a hub.", "Write http://127.0.0.1:8000 or https://HOST.")
        if token and parts.scheme == "http" and not _is_loopback(self._host):
            raise InvalidInput(
                f"The hub's token would go to {self._host} in clear text.", "Use https://, or a hub on this machine."
            )
        self._base, self._token, self._timeout_s = parts.path, token, timeout_s
        self._tls = _context(ca_path) if parts.scheme == "https" else None
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path; query values of None are left out."""
        return self._json("GET", path, query)

    def post(self, path: str, body: Any = None) -> Any:
        """Send JSON, return JSON; None where the answer is empty."""
        return self._json("POST", path, {}, _encoded(body))

    def patch(self, path: str, body: Any) -> Any:
        """Send JSON, return JSON."""
        return self._json("PATCH", path, {}, _encoded(body))

    def put_json(self, path: str, body: Any) -> Any:
        """Put JSON in the place of what is there, return JSON."""
        return self._json("PUT", path, {}, _encoded(body))

    def put(self, path: str, data: bytes | BinaryIO, **query: Any) -> Any:
        """Send bytes, or a seekable file from where it stands, and return JSON."""
        return self._json("PUT", path, query, data, "application/octet-stream")

    def delete(self, path: str, **query: Any) -> Any:
        """Delete what is at a path."""
        return self._json("DELETE", path, query)

    def download(self, path: str, target: Path, digest: str = "") -> Path:
        """Fetch bytes into a file, which appears only when it is whole.

        Args:
            path: Where they are.
            target: The file; until it is whole it has ``.partial`` at its end.
            digest: SHA-256 of the bytes, in hexadecimal, ``sha256:`` before it or not; '' is not checked.

        Raises:
            InvalidInput: The file cannot be made.
            Unavailable: The bytes are not those of the digest, or fewer than announced, or the disk is full.
        """
        partial = target.with_name(f"{target.name}.partial")
        try:
            with self._answer("GET", path, {}) as answer:
                found, size_bytes = _save(answer, partial)
                announced = answer.headers.get("Content-Length")
            if announced is not None and int(announced) != size_bytes:
                raise Unavailable(f"Of {path} came {size_bytes} of {announced} bytes.", "Try again.")
            if digest and found != digest.removeprefix("sha256:"):
                raise Unavailable(f"The bytes of {path} have the SHA-256 {found}, not {digest}.", "Try again.")
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    def interrupt(self) -> None:
        """Break off the requests that are on their way; they fail with ``Unavailable``."""
        with self._lock:
            busy = list(self._busy)
        for connection in busy:
            if (sock := connection.sock) is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # TLS's own would wait for the other side

    def close(self) -> None:
        """Hang up, in the middle of requests too."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()
        self.interrupt()

    def __enter__(self) -> HubConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _json(
        self, method: str, path: str, query: dict[str, Any], body: bytes | BinaryIO | None = None, kind: str = ""
    ) -> Any:
        with self._answer(method, path, query, body, kind or "application/json") as answer:
            data = answer.read(MAX_JSON_BYTES)
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError:
            raise Unavailable(f"{self.url} answered {path} with what is no JSON.", self._hint()) from None

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, query: dict[str, Any], body: bytes | BinaryIO | None = None, kind: str = ""
    ) -> Iterator[http.client.HTTPResponse]:
        """A good answer, to be read; its connection is kept where it was read to the end."""
        target = f"{self._base}{path}{_query(query)}"
        try:
            connection, answer = self._ask(method, target, body, self._headers(body, kind))
            try:
                if not 200 <= answer.status < 300:
                    raise self._refusal(answer)
                yield answer
            finally:
                is_good = answer.isclosed() and not answer.will_close
                answer.close()
                self._release(connection, is_good=is_good)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"The hub at {self.url} cannot be reached: {_words(error)}.", self._hint()) from None

    def _ask(
        self, method: str, target: str, body: bytes | BinaryIO | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        begin = None if body is None or isinstance(body, bytes) else body.tell()
        connection, is_fresh = self._connection()
        try:
            return connection, _exchange(connection, method, target, body, headers)
        except BaseException as error:
            self._release(connection, is_good=False)
            if is_fresh or method not in _AGAIN or not isinstance(error, _DROPPED):
                raise
        if begin is not None and body is not None and not isinstance(body, bytes):
            body.seek(begin)
        connection = self._open()
        try:
            return connection, _exchange(connection, method, target, body, headers)
        except BaseException:
            self._release(connection, is_good=False)
            raise

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """An idle connection that is still good, or a fresh one; and whether it is fresh."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection, since = self._idle.pop()
                self._busy.add(connection)
            if time.monotonic() - since < IDLE_S and not _has_ended(connection):
                return connection, False
            self._release(connection, is_good=False)
        return self._open(), True

    def _open(self) -> http.client.HTTPConnection:
        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            if self._tls is None
            else http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._tls)
        )
        with self._lock:
            if self._is_closed:
                raise Unavailable(f"The connection to {self.url} was closed on this side.")
            self._busy.add(connection)
        return connection

    def _release(self, connection: http.client.HTTPConnection, *, is_good: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if is_good and not self._is_closed and len(self._idle) < _MAX_IDLE:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _headers(self, body: bytes | BinaryIO | None, kind: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "rilaas"}
        token = self._token if isinstance(self._token, str) else self._token()
        if token:
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise InvalidInput("The hub's token is no token: it is one word of ASCII.", "Copy it again.")
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = kind
            headers["Content-Length"] = str(len(body) if isinstance(body, bytes) else _left_bytes(body))
        return headers

    def _refusal(self, answer: http.client.HTTPResponse) -> Exception:
        status, data = answer.status, answer.read(MAX_JSON_BYTES)
        try:
            told = json.loads(data)
            code, message = told["code"], told["message"]
        except (ValueError, KeyError, TypeError):
            return Unavailable(f"{self.url} answered with HTTP status {status} and no reason.", self._hint())
        hint, number = str(told.get("hint") or ""), told.get("request_id")
        if code == "internal" and number:
            hint = f"{hint} The hub's log has it under {number}.".strip()
        return error_from_code(str(code), str(message), hint)

    def _hint(self) -> str:
        return f"Is {self.url} the hub's URL, and does it run?"


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | BinaryIO | None,
    headers: dict[str, str],
) -> http.client.HTTPResponse:
    try:
        connection.request(method, target, body, headers)
    except (BrokenPipeError, ConnectionResetError):
        if body is None or connection.sock is None:
            raise
        # It did not want the whole body; it may have said why.
    return connection.getresponse()


def _save(answer: http.client.HTTPResponse, path: Path) -> tuple[str, int]:
    """Write an answer to a file; returns its SHA-256 and size [bytes]."""
    digest, size_bytes = hashlib.sha256(), 0
    try:
        file = path.open("wb")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None
    with file:
        while chunk := answer.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
            try:
                file.write(chunk)
            except OSError as error:
                raise Unavailable(f"{path} cannot be written: {error.strerror}.", "Is the disk full?") from None
    return digest.hexdigest(), size_bytes


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed an idle connection: it has something to read, which can only be the end."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _left_bytes(file: BinaryIO) -> int:
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end - here


def _encoded(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _query(values: dict[str, Any]) -> str:
    pairs = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in values.items()
        if value is not None
    }
    return f"?{urlencode(pairs)}" if pairs else ""


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(ca_path: Path | str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_path is None else str(ca_path))
    except FileNotFoundError:
        raise NotFound(f"There is no file {ca_path}.") from None
    except OSError:  # ssl.SSLError is one
        raise InvalidInput(f"{ca_path} is not a certificate in PEM form.") from None
