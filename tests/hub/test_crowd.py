"""Many at once, against a real hub: nothing fails or is lost, and who waits is in nobody's way."""

import collections
import contextlib
import http.client
import json
import os
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from rilaas.hub.handler import THREADS
from rilaas.hub.metrics.collector import scrape
from rilaas.hub.metrics.target import Target
from tests.hub_process import HubProcess
from tests.postgresql_server import PostgresServer, program

pytestmark = pytest.mark.skipif("RILAAS_TEST_INSIDE" in os.environ, reason="the hubs here choose their own database")


@pytest.fixture
def database(request):
    if request.param == "sqlite":
        yield ""
        return
    program("initdb")
    with tempfile.TemporaryDirectory(prefix="pg-") as short:
        Path(short).chmod(0o755)
        with PostgresServer(Path(short) / "s") as server:
            yield server.url


def ask(hub, method, path, body=None):
    """Status and answer, over a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", hub.port, timeout=120)) as link:
        headers = {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/json"}
        link.request(method, f"/api/v1/{path}", None if body is None else json.dumps(body), headers)
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())


def at_once(count, act):
    """Call ``act(number)`` in so many threads at once; the results."""
    start, found = threading.Barrier(count), []

    def run(number):
        start.wait()
        found.append(act(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == count
    return found


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_sixty_write_at_once_and_all_that_is_acknowledged_is_there(database, tmp_path):
    with HubProcess(tmp_path / "home", RILAAS_DATABASE_URL=database) as hub:

        def write(number):
            return [ask(hub, "POST", "robots", {"name": f"r-{number}-{i}"})[0] for i in range(3)]

        statuses = collections.Counter(status for each in at_once(60, write) for status in each)
        assert statuses == {201: 180}, hub.log[-3000:]
        assert ask(hub, "GET", "robots")[1]["count"] == 180
        same = at_once(20, lambda _: ask(hub, "POST", "robots", {"name": "one"})[0])
        assert sorted(same) == [201] + [409] * 19
        assert len(ask(hub, "GET", "policy?interceptor=i")[1]["robots"]) == 181


def test_those_who_wait_for_news_are_in_nobodys_way(tmp_path):
    with HubProcess(tmp_path / "home") as hub:
        epoch = ask(hub, "GET", "policy?interceptor=i-0")[1]["epoch"]
        told = []

        def wait(number):
            told.append(ask(hub, "GET", f"policy?interceptor=i-{number}&after={epoch}&wait_s=30")[1]["epoch"])

        threads = [threading.Thread(target=wait, args=(number,)) for number in range(6 * THREADS)]
        for thread in threads:
            thread.start()
        assert ask(hub, "GET", "robots")[0] == 200
        assert told == []
        assert ask(hub, "POST", "robots", {"name": "news", "keys": ""})[0] == 201
        for thread in threads:
            thread.join()
        assert len(told) == 6 * THREADS


def test_a_service_that_drips_its_metrics_does_not_hold_the_reader():
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip():
            link, _ = server.accept()
            with link, contextlib.suppress(OSError):
                link.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.02):
                    link.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert scrape(Target("server", "edge-1", address), timeout_s=0.2) is None
        over.set()
        thread.join()
