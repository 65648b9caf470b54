"""The way to the hub, over real sockets: a small HTTP server stands for it."""

import hashlib
import io
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rilaas.core import Conflict, InvalidInput, NotFound, Unavailable
from rilaas.wire import HubConnection, ensure_authority

BLOB = bytes(range(256)) * 5000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self):
        super().handle_one_request()
        if self.server.drops:  # the next request finds the connection closed
            self.close_connection = True

    def answer(self, status, data, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, self.headers.get("Authorization"), body))
        self.server.peers.add(self.client_address)
        path = self.path.partition("?")[0]
        if path.endswith("/conflict"):
            told = {"code": "conflict", "message": "Bob was faster.", "hint": "Look again.", "request_id": "7"}
            self.answer(409, json.dumps(told).encode())
        elif path.endswith("/internal"):
            told = {"code": "internal", "message": "The hub failed.", "hint": "", "request_id": "abc"}
            self.answer(500, json.dumps(told).encode())
        elif path.endswith("/proxy"):
            self.answer(502, b"<html>Bad gateway</html>")
        elif path.endswith("/page"):
            self.answer(200, b"<html>")
        elif path.endswith("/blob"):
            self.answer(200, BLOB)
        elif path.endswith("/short"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(BLOB)))
            self.end_headers()
            self.wfile.write(BLOB[:1000])
            self.close_connection = True
        elif path.endswith("/empty"):
            self.answer(204, b"")
        elif path.endswith("/slow"):
            self.server.released.wait(60)
            self.answer(200, b"1")
        else:
            self.answer(200, json.dumps({"path": self.path, "size_bytes": len(body)}).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.peers, self.drops = [], set(), False
        self.released = threading.Event()
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.released.set()
        self.shutdown()
        self.server_close()
        self.thread.join()

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def hub(server):
    with HubConnection(f"http://127.0.0.1:{server.server_port}/base/", "rilaas_secret", timeout_s=20) as hub:
        yield hub


def test_every_verb_carries_the_token_and_brings_json_back(hub, server):
    assert hub.get("/a", after=3, wait_s=None, full=True) == {"path": "/base/a?after=3&full=true", "size_bytes": 0}
    assert hub.post("/a", {"x": 1})["size_bytes"] == 7
    assert hub.patch("/a", [1])["size_bytes"] == 3
    assert hub.put("/a", b"12345", part=2) == {"path": "/base/a?part=2", "size_bytes": 5}
    assert hub.delete("/empty") is None
    assert {token for _, _, token, _ in server.seen} == {"Bearer rilaas_secret"}
    assert len(server.peers) == 1, "one connection is kept"


def test_a_file_is_sent_from_where_it_stands(hub, server):
    file = io.BytesIO(b"head" + BLOB)
    file.seek(4)
    assert hub.put("/a", file)["size_bytes"] == len(BLOB)
    assert server.seen[-1][3] == BLOB


def test_a_refusal_comes_back_as_the_error_that_it_was(hub):
    with pytest.raises(Conflict, match="Bob was faster") as refusal:
        hub.get("/conflict")
    assert refusal.value.hint == "Look again."
    with pytest.raises(Exception, match="under abc"):
        hub.get("/internal")


@pytest.mark.parametrize("path", ["/proxy", "/page"])
def test_what_is_no_hub_is_unavailable_and_the_hint_names_the_url(hub, path):
    with pytest.raises(Unavailable) as refusal:
        hub.get(path)
    assert hub.url in refusal.value.hint


def test_nobody_there_is_unavailable():
    with Server() as server:
        port = server.server_port
    with HubConnection(f"http://127.0.0.1:{port}") as hub, pytest.raises(Unavailable, match="cannot be reached"):
        hub.get("/a")


def test_a_kept_connection_that_the_hub_closed_costs_nothing(hub, server):
    server.drops = True
    file = io.BytesIO(BLOB)
    for _ in range(3):
        file.seek(0)
        assert hub.get("/a")
        assert hub.put("/a", file)["size_bytes"] == len(BLOB)
    assert len(server.seen) == 6


def test_many_threads_share_one_connection_object(hub):
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append(hub.get(f"/{n}")["path"])) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(f"/base/{n}" for n in range(16))


def test_closing_breaks_off_a_request_that_waits(hub, server):
    said = []

    def ask():
        try:
            hub.get("/slow")
        except Unavailable as error:
            said.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not server.seen:
        time.sleep(0.01)
    hub.close()
    asking.join(30)
    assert len(said) == 1
    with pytest.raises(Unavailable, match="closed on this side"):
        hub.get("/a")


def test_a_download_appears_only_when_it_is_whole_and_right(hub, tmp_path):
    digest = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
    assert hub.download("/blob", tmp_path / "blob", digest).read_bytes() == BLOB
    for path, words in ("/short", "1000 of"), ("/blob", "have the SHA-256"), ("/conflict", "faster"):
        with pytest.raises((Unavailable, Conflict), match=words):
            hub.download(path, tmp_path / "other", f"sha256:{'0' * 64}")
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]
    with pytest.raises(InvalidInput, match="cannot be written"):
        hub.download("/blob", tmp_path / "no-such" / "blob")


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://a", "http://", "http://a:b", "http://u:p@a", "http://a?b"]
)
def test_what_is_no_url_is_told(url):
    with pytest.raises(InvalidInput, match="is not the URL"):
        HubConnection(url)


def test_a_token_never_goes_over_the_network_in_clear_text():
    with pytest.raises(InvalidInput, match="clear text") as refusal:
        HubConnection("http://10.0.0.7:8000", "rilaas_secret")
    assert "rilaas_secret" not in str(refusal.value)
    HubConnection("http://10.0.0.7:8000").close()
    for url in ("http://localhost:1", "http://[::1]:1", "https://10.0.0.7"):
        HubConnection(url, "rilaas_secret").close()


def test_a_token_that_would_break_the_header_is_refused_without_being_shown(server):
    with HubConnection(f"http://127.0.0.1:{server.server_port}", "rilaas_a\r\nX: y") as hub:
        with pytest.raises(InvalidInput, match="no token") as refusal:
            hub.get("/a")
        assert "X: y" not in str(refusal.value)


def test_a_hub_with_a_certificate_of_ours_is_trusted_by_it_alone(tmp_path):
    authority = ensure_authority(tmp_path / "tls")
    mine = authority.issue("hub", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mine.cert_path, mine.key_path)
    with Server(context) as server:
        url = f"https://127.0.0.1:{server.server_port}"
        with HubConnection(url, "rilaas_secret", ca_path=authority.cert_path) as hub:
            assert hub.get("/a")["path"] == "/a"
        other = ensure_authority(tmp_path / "other")
        with HubConnection(url, ca_path=other.cert_path) as hub, pytest.raises(Unavailable, match="not trusted"):
            hub.get("/a")
    with pytest.raises(NotFound):
        HubConnection(url, ca_path=tmp_path / "none.pem")
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(InvalidInput, match="PEM"):
        HubConnection(url, ca_path=tmp_path / "junk.pem")
