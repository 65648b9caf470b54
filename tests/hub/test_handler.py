"""Which requests hold a thread: those whose views do not wait."""

import contextlib
import http.client
import json
import threading
from pathlib import Path

from rilaas.hub.handler import THREADS, _waits
from tests.hub_process import HubProcess


def test_only_those_who_wait_for_news_go_the_long_way():
    assert _waits("/api/v1/policy")
    assert _waits("/api/v1/servers/edge-1/placements")
    assert not any(
        map(_waits, ("/", "/models", "/api/v1/servers/edge-1", "/api/v1/me", "/nowhere", "/static/style.css"))
    )


def connections_of(hub, database):
    """How often the hub's process has the database open."""
    found = 0
    for link in Path(f"/proc/{hub.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += link.readlink() == database
    return found


def test_a_crowd_opens_as_many_connections_as_there_are_threads(tmp_path):
    with HubProcess(tmp_path / "home") as hub:
        head = {"Authorization": f"Bearer {hub.token}"}

        def ask(count):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)) as link:
                for _ in range(count):
                    link.request("GET", "/api/v1/me", headers=head)
                    with link.getresponse() as answer:
                        assert json.loads(answer.read())

        def crowd():
            every = [threading.Thread(target=ask, args=(20,)) for _ in range(2 * THREADS)]
            for each in every:
                each.start()
            for each in every:
                each.join()

        for _ in range(2):
            crowd()
            # Besides theirs: those of who reads metrics and of who looks for news.
            assert 1 <= connections_of(hub, tmp_path / "home" / "hub" / "hub.sqlite3") <= THREADS + 4
