"""What doctor finds of the hub, and of the database, the Redis and the Prometheus that it is to use."""

import http.server
import json
import threading

import pytest

from rilaas.cli.config import read_settings
from rilaas.cli.hub_checkup import check_hub
from tests.redis_server import RedisServer

NOBODY = "127.0.0.1:1"  # a port that nothing listens on


def found(monkeypatch, **variables):
    for name, url in variables.items():
        monkeypatch.setenv(f"RILAAS_{name.upper()}_URL", url)
    return {check.name: check for check in check_hub(read_settings({}, environment={}))}


@pytest.fixture
def web():
    """Answers every request with the bytes of ``said``."""
    said = {"body": b"{}"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(said["body"])))
            self.end_headers()
            self.wfile.write(said["body"])

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        said["url"] = f"http://127.0.0.1:{server.server_port}"
        yield said
        server.shutdown()
        thread.join()


def test_nothing_is_asked_where_nothing_is_named(call, monkeypatch):
    assert found(monkeypatch) == {}


def test_parts_that_do_not_answer_are_broken_and_no_password_is_shown(call, monkeypatch):
    checks = found(
        monkeypatch,
        database=f"postgresql://ann:secret@{NOBODY}/rilaas",
        redis=f"redis://:secret@{NOBODY}/0",
        prometheus=f"http://ann:secret@{NOBODY}",
    )
    assert [check.state for check in checks.values()] == ["broken"] * 3
    assert all("127.0.0.1" in check.found and check.hint for check in checks.values())
    done = call("doctor")
    assert done.code == 20
    assert "3 things broken: database, redis, prometheus." in done.out
    assert "postgresql://ann:***@" in done.out
    assert "secret" not in done.out + done.err


def test_a_database_of_another_kind_is_told_what_would_be_right(call, monkeypatch):
    check = found(monkeypatch, database="mysql://127.0.0.1/rilaas")["database"]
    assert check.state == "broken"
    assert "postgresql://" in check.hint


def test_a_redis_that_answers_is_ok(call, monkeypatch, tmp_path):
    redis = RedisServer(tmp_path / "redis").start()
    try:
        check = found(monkeypatch, redis=redis.url)["redis"]
    finally:
        redis.kill()
    assert check.state == "ok"
    assert f"{redis.url} answers, Redis " in check.found


def test_a_prometheus_that_answers_is_ok(call, monkeypatch, web):
    web["body"] = json.dumps({"status": "success", "data": {"result": []}}).encode()
    check = found(monkeypatch, prometheus=web["url"])["prometheus"]
    assert (check.state, check.found) == ("ok", f"{web['url']} answers, 0 targets scraped")


def test_a_hub_is_asked_whose_token_it_is(call, web):
    web["body"] = json.dumps({"person": "alice", "scopes": ["read", "write"], "subject": ""}).encode()
    settings = read_settings({"hub": web["url"]}, environment={"RILAAS_TOKEN": "rilaas_x"})
    (check,) = check_hub(settings)
    assert check.found == f"{web['url']} answers; the token is alice's and may read, write"


def test_a_hub_that_is_away_or_a_token_that_is_missing_is_broken(call, tmp_path):
    away = read_settings({"hub": f"http://{NOBODY}"}, environment={"RILAAS_TOKEN": "rilaas_x"})
    nameless = read_settings({"hub": "https://hub.lab", "home": tmp_path / "empty"}, environment={})
    for settings, words in ((away, "cannot be reached"), (nameless, "There is no token")):
        (check,) = check_hub(settings)
        assert check.state == "broken"
        assert check.hint
        assert words in check.found
