"""A small hub: it tells the policy by long poll, hears heartbeats, and can be stopped and started again."""

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

EMPTY = {"servers": [], "models": {}}


def grant(rate_per_s=None, burst=1):
    return {"rate_per_s": rate_per_s, "burst": burst}


def robot(*keys, models=None, public=None, names=None):
    """A robot's entry; keys are ``PublicKey``s."""
    return {"keys": [key.line for key in keys], "models": models or {}, "public": public, "names": names or {}}


def eventually(condition, seconds=20.0):
    """Wait until a condition holds; the value that it had."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
    return value


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def tell(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def setup(self):
        super().setup()
        self.server.hub.connections.append(self.connection)

    def handle(self):
        with contextlib.suppress(OSError):
            super().handle()

    def is_admitted(self):
        if self.headers.get("Authorization") == "Bearer rilaas_good":
            return True
        self.tell(401, {"code": "unauthenticated", "message": "The token is not known.", "hint": ""})
        return False

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.is_admitted():
            assert parts.path == "/api/v1/policy"
            self.tell(200, self.server.hub.wait(int(query["after"]), float(query["wait_s"])))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_admitted():
            self.server.hub.beats.append((self.path, body))
            self.tell(200, {"epoch": self.server.hub.epoch})

    def log_message(self, *args):
        pass


class FakeHub:
    """Attributes: robots, public, fleet as in the document; questions: (after, was it answered in full)."""

    def __init__(self):
        self.robots, self.public, self.fleet = {}, [], dict(EMPTY)
        self.epoch, self.log, self.questions, self.beats = 1, [], [], []
        self.connections = []
        self.changed = threading.Condition()
        self.server, self.port, self.is_ending = None, 0, False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def change(self, *, robots=None, **shared):
        """Change robots (None takes one away), ``public`` or ``fleet``; each change is an epoch."""
        with self.changed:
            self.robots.update(robots or {})
            for name, value in shared.items():
                setattr(self, name, value)
            self.epoch += 1
            self.log.append((self.epoch, {"robots": robots or {}, **shared}))
            self.changed.notify_all()

    def forget(self):
        """Lose the log of changes: who asks gets everything."""
        self.log.clear()

    def wait(self, after, wait_s):
        with self.changed:
            self.changed.wait_for(lambda: self.epoch != after or self.is_ending, wait_s)
            news = [change for epoch, change in self.log if epoch > after]
            if self.epoch == after:
                return {"epoch": after, "full": False, "robots": {}}
            is_full = len(news) != self.epoch - after
            self.questions.append((after, is_full))
            if is_full:
                known = {name: row for name, row in self.robots.items() if row is not None}
                return {
                    "epoch": self.epoch,
                    "full": True,
                    "robots": known,
                    "public": self.public,
                    "fleet": self.fleet,
                }
            merged = {"epoch": self.epoch, "full": False, "robots": {}}
            for change in news:
                merged["robots"].update(change["robots"])
                merged |= {name: value for name, value in change.items() if name != "robots"}
            return merged

    def start(self):
        self.is_ending = False
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = False
        self.server.hub, self.port = self, self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def stop(self):
        if self.server is None:
            return
        server, self.server = self.server, None
        with self.changed:
            self.is_ending = True
            self.changed.notify_all()
        server.shutdown()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        self.thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *args):
        self.stop()
