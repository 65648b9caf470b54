"""The policy over HTTP, from a real hub: those who wait hear of changes, and hold no thread."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from rilaas.core import PermissionDenied, Unauthenticated
from tests.hub.ssh_keys import public_line
from tests.hub_process import HubProcess


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with HubProcess(tmp_path_factory.mktemp("hub")) as hub, hub.connect() as connection:
        hub.api = connection
        yield hub


def wait(connection, after, wait_s=20.0):
    return connection.get("/api/v1/policy", after=after, wait_s=wait_s, interceptor="route-1")


def test_a_policy_that_is_not_known_comes_at_once_and_whole(hub):
    document = wait(hub.api, -1)
    assert document["full"] is True
    assert set(document) == {"epoch", "full", "robots", "public", "fleet"}


def test_who_waits_hears_of_a_change_and_of_nothing_else(hub, tmp_path):
    epoch = wait(hub.api, -1)["epoch"]
    with ThreadPoolExecutor(1) as pool, hub.connect() as other:
        answer = pool.submit(wait, other, epoch)
        hub.api.post("/api/v1/robots", {"name": "lab-1", "keys": public_line(tmp_path)})
        document = answer.result(15.0)
    assert (document["epoch"], document["full"]) == (epoch + 1, False)
    assert list(document["robots"]) == ["local/lab-1"]
    assert "public" not in document


def test_who_waits_in_vain_gets_an_answer_without_news(hub):
    epoch = wait(hub.api, -1)["epoch"]
    assert wait(hub.api, epoch, 0.2) == {"epoch": epoch, "full": False, "robots": {}}


def test_an_epoch_of_the_future_is_answered_with_everything(hub):
    assert wait(hub.api, 10**9)["full"] is True


def test_many_who_wait_hold_no_threads(hub):
    epoch = wait(hub.api, -1)["epoch"]
    with ExitStack() as closing:
        connections = [closing.enter_context(hub.connect()) for _ in range(24)]
        done = []
        threads = [
            threading.Thread(target=lambda each=each: done.append(wait(each, epoch)["epoch"])) for each in connections
        ]
        before = _threads(hub)
        for thread in threads:
            thread.start()
        assert _until(lambda: _sockets(hub) >= 24)
        assert _until(lambda: _threads(hub) <= before + 6), f"{before} threads became {_threads(hub)}"
        assert not done
        hub.api.post("/api/v1/robots", {"name": "lab-3"})
        for thread in threads:
            thread.join(15.0)
        assert done == [epoch + 1] * 24
        assert _threads(hub) <= before + 6


def test_a_server_hears_what_it_is_to_hold(hub):
    hub.api.post("/api/v1/servers/edge-1", {"address": "127.0.0.1:5001", "insecure": True})
    answer = hub.api.get("/api/v1/servers/edge-1/placements", after=-1, wait_s=5)
    assert answer == {"generation": 0, "placements": []}


def test_a_token_of_one_machine_is_not_good_for_another(hub):
    made = hub.api.post("/api/v1/tokens", {"name": "r", "scopes": ["interceptor"], "subject": "route-1"})
    with hub.connect(made["token"]) as route:
        assert wait(route, -1)["full"] is True
        with pytest.raises(PermissionDenied, match="route-1"):
            route.get("/api/v1/policy", after=-1, interceptor="route-2")
        with pytest.raises(PermissionDenied, match="server"):
            route.get("/api/v1/servers/edge-1/placements", after=-1)
    with hub.connect("rilaas_wrong") as stranger, pytest.raises(Unauthenticated):
        wait(stranger, -1)


def test_a_hub_that_is_stopped_keeps_nobody_waiting(tmp_path):
    with HubProcess(tmp_path / "home") as hub, hub.connect() as connection:
        epoch = wait(connection, -1)["epoch"]
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(wait, connection, epoch)
            assert _until(lambda: _sockets(hub) >= 1)
            hub.process.terminate()
            assert answer.result(15.0)["epoch"] == epoch
        hub.process.wait(30)
        assert "graceful" not in hub.log


def _threads(hub):
    return len(list(Path(f"/proc/{hub.process.pid}/task").iterdir()))


def _sockets(hub):
    """Connections that the hub has accepted."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{hub.port:04X}") and row[3] == "01" for row in rows)


def _until(condition):
    end = time.monotonic() + 20.0
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
