"""The metrics over HTTP, for Prometheus to read; and pages for whoever is on the same machine."""

from __future__ import annotations

import ipaddress
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from rilaas.core import Unavailable
from rilaas.observe.registry import Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Answer = Callable[[Mapping[str, str]], tuple[int, str]]
_TEXT = "text/plain; charset=utf-8"
_READ_TIMEOUT_S = 5.0  # a reader that stalls does not hold a thread for ever


class MetricsEndpoint:
    """A running endpoint; ``close`` it, or use it in a ``with``.

    Attributes:
        address: ``HOST:PORT`` where it listens.
    """

    def __init__(self, server: ThreadingHTTPServer, pages: dict[str, Answer] | None = None) -> None:
        self._server, self._pages = server, {} if pages is None else pages
        host, port = server.server_address[:2]
        self.address = f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"
        self._thread = threading.Thread(target=server.serve_forever, name="rilaas-metrics", daemon=True)
        self._thread.start()

    def show(self, path: str, answer: Answer) -> None:
        """Answer a path besides ``/metrics``, to callers on this machine alone.

        Args:
            path: Such as ``/decisions``.
            answer: From the query's values to an HTTP status and JSON; called from other threads.
        """
        self._pages[path] = answer

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MetricsEndpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve_metrics(registry: Registry, host: str = "127.0.0.1", port: int = 0) -> MetricsEndpoint:
    """Serve ``GET /metrics`` from a daemon thread.

    Args:
        registry: What to show.
        host: Address to listen on; the metrics carry no secrets, but names of models and robots.
        port: 0 takes a free one.

    Raises:
        Unavailable: The address cannot be listened on.
    """

    class Handler(_Handler):
        shown = registry
        pages: dict[str, Answer] = {}  # noqa: RUF012 - of this endpoint

    server_class = _Server6 if ":" in host else _Server
    try:
        return MetricsEndpoint(server_class((host, port), Handler), Handler.pages)
    except OSError as error:
        raise Unavailable(
            f"The metrics cannot be served on {host}:{port}: {error.strerror or error}.",
            "Choose another port, or 0 for a free one.",
        ) from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the host name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that went away is not worth a line."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    shown: Registry
    pages: dict[str, Answer]
    server_version, sys_version = "rilaas", ""
    timeout = _READ_TIMEOUT_S

    def do_GET(self) -> None:
        status, kind, text = self._answer()
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self) -> tuple[int, str, str]:
        asked = urlsplit(self.path)
        if asked.path == "/metrics":
            return 200, CONTENT_TYPE, self.shown.to_text()
        page = self.pages.get(asked.path)
        if page is None:
            return 404, _TEXT, "See /metrics.\n"
        if not self._is_from_here():
            return 403, _TEXT, "This is for callers on the same machine.\n"
        status, text = page(dict(parse_qsl(asked.query)))
        return status, "application/json", text + "\n"

    def _is_from_here(self) -> bool:
        """Whether the caller is on this machine and knows it: a page of the web that names us otherwise is not."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        return _is_loopback(str(self.client_address[0])) and (host == "localhost" or _is_loopback(host))

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, format: str, *args: object) -> None:
        """Reading metrics is not an event."""


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
