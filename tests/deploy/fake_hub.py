"""A hub that speaks the servers' part of the REST interface, and nothing else."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from rilaas.store import pack, read_model_folder

TOKEN = "rilaas_test"


class FakeHub:
    """What a test wants on the server ``edge-1``, and what that reports; stopped and started at will."""

    def __init__(self, folder):
        self.folder, self.port = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.generation, self.placements = 1, []
        self.archives, self.downloads, self.reports, self.questions = {}, [], [], []
        self.changed = threading.Condition()
        self._server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.hub = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def stop(self):
        if self._server is not None:
            server, self._server = self._server, None
            with self.changed:
                self.changed.notify_all()
            server.shutdown()
            self._thread.join()
            server.server_close()

    @property
    def is_up(self):
        return self._server is not None

    def keep(self, model_folder, *, as_digest=""):
        """Take a model into the registry; returns its digest."""
        archive = pack(model_folder, self.folder)
        digest = as_digest or read_model_folder(model_folder).digest
        self.archives[digest] = archive.read_bytes()
        return digest

    def want(self, *placements):
        """Change what is wanted: pairs of a reference and a digest, or of a reference and a table."""
        rows = []
        for number, (ref, more) in enumerate(placements):
            model, _, revision = ref.partition(":")
            table = more if isinstance(more, dict) else {"digest": more}
            rows.append({"id": 10 * self.generation + number, "model": model, "revision": revision, "replicas": 1})
            rows[-1] |= {"threads": 1, "memory_bytes": None, "cpus": None, "isolation": "auto"} | table
        with self.changed:
            self.generation, self.placements = self.generation + 1, rows
            self.changed.notify_all()

    def told(self, ref):
        """The last report on a version that is wanted; None where there is none yet."""
        model, _, revision = ref.partition(":")
        ids = [row["id"] for row in self.placements if (row["model"], row["revision"]) == (model, revision)]
        if not self.reports or not ids:
            return None
        return next((row for row in self.reports[-1]["placements"] if row["id"] == ids[0]), None)

    def is_told(self, ref, state, reason=""):
        """Whether the last report says this of a version."""
        told = self.told(ref)
        return told is not None and told["state"] == state and reason in told["reason"]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    hub = None


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        hub, parts = self.server.hub, urlsplit(self.path)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401, {"code": "unauthenticated", "message": "Nobody has this token.", "hint": ""})
        elif parts.path == "/api/v1/servers/edge-1/placements":
            query = {name: float(values[0]) for name, values in parse_qs(parts.query).items()}
            hub.questions.append(query)
            until = time.monotonic() + query["wait_s"]
            with hub.changed:
                while hub.is_up and hub.generation == query["after"] and (left := until - time.monotonic()) > 0:
                    hub.changed.wait(left)
                table = {"generation": hub.generation, "placements": hub.placements}
            if hub.is_up:
                self.answer(200, table)
        elif parts.path.startswith("/api/v1/servers/edge-1/archives/"):
            digest = parts.path.rpartition("/")[2]
            hub.downloads.append(digest)
            if digest in hub.archives:
                self.answer(200, hub.archives[digest])
            else:
                self.answer(404, {"code": "not_found", "message": "There is no such archive.", "hint": ""})

    def do_POST(self):
        hub, body = self.server.hub, self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/api/v1/servers/edge-1"
        hub.reports.append(json.loads(body))
        self.answer(200, {"generation": hub.generation})

    def answer(self, status, what):
        data = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass
