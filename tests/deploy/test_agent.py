"""A server's agent, with real replicas, and a hub that comes and goes."""

import asyncio
import contextlib
import json
import os
import signal

import numpy as np
import pytest

from rilaas.core import NotFound, RilaasError, Unavailable
from rilaas.deploy import Agent, Announced, ProcessRuntime, agent, reconciler
from rilaas.serve.local import LocalModels
from rilaas.serve.service import Caller
from rilaas.wire import decode_response, encode_request
from rilaas.wire.hub import HubConnection
from tests.deploy.fake_hub import TOKEN
from tests.model_folders import write_python_model
from tests.processes import processes_of

SLOW = """
import time


class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        if inputs["x"][0, 0] > 0:
            print("working", flush=True)
            time.sleep(0.5)
        return {"y": inputs["x"] + 1}

    def reset(self):
        pass
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(agent, "PAUSES_S", (0.02, 0.1))
    monkeypatch.setattr(agent, "REPORT_EVERY_S", 0.2)
    monkeypatch.setattr(reconciler, "PASSING_PAUSES_S", (0.05, 0.1))


class Server:
    """A server without a front: its models, and the agent that fills them."""

    def __init__(self, hub, folder):
        self.hub, self.folder = hub, folder

    async def __aenter__(self):
        self.models = LocalModels()
        self.connection = HubConnection(self.hub.url, TOKEN)
        told = Announced("127.0.0.1:5001", True, "127.0.0.1:9001", "edge", 0.02)
        agent = Agent("edge-1", self.connection, ProcessRuntime(self.models), self.folder, told)
        self.task = asyncio.ensure_future(agent.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.models.stop()
        self.connection.close()

    async def until(self, holds):
        while not holds():
            assert not self.task.done(), self.task.exception()
            await asyncio.sleep(0.02)

    async def ready(self, *refs):
        await self.until(lambda: all(self.hub.is_told(ref, "ready") for ref in refs))

    async def ask(self, version="", value=1.0, model="alice/m"):
        body = encode_request(model, version, {"x": np.full((1, 3), value, np.float32)})
        return float(decode_response(await self.models.infer(body, Caller(), None)).tensors["y"][0, 0])


@pytest.fixture
def with_server(hub, tmp_path):
    """Runs a coroutine function with a server that keeps its things in the same folder each time."""

    async def run(action):
        async with Server(hub, tmp_path / "home") as server:
            return await action(server)

    return lambda action: asyncio.run(run(action))


def test_what_the_hub_wants_is_fetched_started_and_reported(hub, with_server, affine):
    async def live(server):
        hub.want(("alice/m:3", {"digest": hub.keep(affine(2)), "replicas": 2, "memory_bytes": 2**30}))
        await server.ready("alice/m:3")
        assert await server.ask() == await server.ask("3") == 3.0
        told = hub.told("alice/m:3")
        assert (told["replicas_ready"], told["restarts"], told["reason"]) == (2, 0, "")
        assert "1024 MiB of memory" in told["isolation"]
        assert any("is ready (pid" in line for line in told["log"])
        states = [row["state"] for report in hub.reports for row in report["placements"]]
        assert states[0] == "starting"
        assert {key: value for key, value in hub.reports[-1].items() if key != "placements"} == {
            "address": "127.0.0.1:5001",
            "insecure": True,
            "metrics": "127.0.0.1:9001",
            "kind": "edge",
            "added_delay_s": 0.02,
        }
        assert hub.questions[0]["wait_s"] == 0.0

    with_server(live)


def test_a_new_version_is_up_before_the_old_one_goes(hub, with_server, affine):
    async def live(server):
        first, second = hub.keep(affine(2)), hub.keep(affine(9))
        hub.want(("alice/m:1", first), ("alice/m:2", second))
        await server.ready("alice/m:1", "alice/m:2")
        assert [await server.ask("1"), await server.ask("2")] == [3.0, 10.0]
        hub.want(("alice/m:3", hub.keep(affine(4))))
        while True:  # no request without a version fails while one takes the place of the others
            assert await server.ask() in (10.0, 3.0, 5.0)
            if hub.is_told("alice/m:3", "ready") and len(server.models.pools) == 1:
                break
        assert await server.ask() == 5.0
        with pytest.raises(NotFound):
            await server.ask("2")
        hub.want()
        await server.until(lambda: hub.reports[-1]["placements"] == [])
        assert not server.models.pools

    with_server(live)


def test_a_version_that_is_not_wanted_any_more_answers_what_it_was_asked(hub, with_server, tmp_path):
    async def live(server):
        hub.want(("alice/m:1", hub.keep(write_python_model(tmp_path / "slow", SLOW))))
        await server.ready("alice/m:1")
        asked = asyncio.ensure_future(server.ask())
        await server.until(lambda: any("working" in line for line in server.models.pools[0].log.tail()))
        hub.want()
        assert await asked == 2.0
        await server.until(lambda: not server.models.pools)

    with_server(live)


def test_a_model_that_cannot_load_is_failed_with_its_reason_and_last_words_and_not_tried_for_nothing(
    hub, with_server, affine, broken
):
    async def live(server):
        hub.want(("alice/m:1", hub.keep(affine(2))), ("alice/m:2", hub.keep(broken)))
        await server.ready("alice/m:1")
        await server.until(lambda: hub.is_told("alice/m:2", "failed", "no such tensor"))
        told = hub.told("alice/m:2")
        assert "tried again in 30 s" in told["reason"]
        assert any("my last words" in line for line in told["log"])
        assert await server.ask() == 3.0
        hub.want(("alice/m:1", hub.keep(affine(2))), ("alice/m:2", hub.keep(affine(5))))  # another placement
        await server.ready("alice/m:2")
        assert await server.ask("2") == 6.0

    with_server(live)


def test_a_version_that_is_given_more_goes_on_answering_and_is_never_reported_as_anything_but_ready(
    hub, with_server, affine
):
    digest = hub.keep(affine(2))

    async def live(server):
        hub.want(("alice/m:1", digest))
        await server.ready("alice/m:1")
        hub.reports.clear()
        hub.want(("alice/m:1", {"digest": digest, "replicas": 2}))
        await server.until(lambda: hub.is_told("alice/m:1", "ready") and hub.told("alice/m:1")["replicas_ready"] == 2)
        hub.want(("alice/m:1", {"digest": digest, "memory_bytes": 2**24}))  # too little to load it
        await server.until(lambda: hub.is_told("alice/m:1", "ready", "It may use 16 MiB of memory"))
        assert "The replica of alice/m:1 died while it loaded its model." in hub.told("alice/m:1")["reason"]
        assert await server.ask("1") == 3.0
        assert {row["state"] for report in hub.reports for row in report["placements"]} == {"ready"}

    with_server(live)


def test_a_failing_version_is_no_reason_to_keep_one_that_is_not_wanted(hub, with_server, affine, broken):
    async def live(server):
        hub.want(("alice/m:1", hub.keep(affine(2))))
        await server.ready("alice/m:1")
        hub.want(("alice/m:2", hub.keep(broken)))
        await server.until(lambda: hub.is_told("alice/m:2", "failed"))
        await server.until(lambda: not server.models.pools)

    with_server(live)


def test_an_archive_that_is_not_of_its_digest_is_refused_and_leaves_nothing(hub, with_server, affine, tmp_path):
    wrong = f"sha256:{'0' * 64}"

    async def live(server):
        hub.want(("alice/m:1", hub.keep(affine(2), as_digest=wrong)), ("alice/m:2", f"sha256:{'1' * 64}"))
        await server.until(lambda: hub.is_told("alice/m:1", "failed", f"not {wrong}"))
        await server.until(lambda: hub.is_told("alice/m:2", "failed", "There is no such archive"))
        assert list((tmp_path / "home" / "models").iterdir()) == []
        assert hub.downloads.count(wrong) == 1

    with_server(live)


def test_a_placement_that_cannot_be_read_is_failed_and_the_others_run(hub, with_server, affine):
    digest = hub.keep(affine(2))

    async def live(server):
        hub.want(
            ("alice/m:1", digest),
            ("alice/m:2", {"digest": digest, "isolation": "ray"}),
            ("alice/m:3", {"digest": "../../etc"}),
            ("alice/m:1", {"digest": digest, "replicas": 2}),
        )
        await server.ready("alice/m:1")
        await server.until(lambda: hub.is_told("alice/m:2", "failed", "isolation is 'ray'"))
        assert hub.is_told("alice/m:3", "failed", "it is sha256: and 64 hexadecimal digits")
        assert [row["reason"] for row in hub.reports[-1]["placements"] if "already" in row["reason"]]

    with_server(live)


def test_a_replica_that_is_killed_is_reported_and_comes_back(hub, with_server, affine):
    async def live(server):
        hub.want(("alice/m:1", {"digest": hub.keep(affine(2)), "isolation": "process"}))
        await server.ready("alice/m:1")
        (pid,) = processes_of(server.folder / "models")
        os.kill(pid, signal.SIGKILL)
        await server.until(lambda: hub.is_told("alice/m:1", "starting", "restart in"))
        await server.ready("alice/m:1")
        assert hub.told("alice/m:1")["restarts"] == 1
        assert any("ended with signal SIGKILL" in line for line in hub.told("alice/m:1")["log"])

    with_server(live)


def test_while_the_hub_is_away_what_runs_goes_on_and_then_the_reports_do(hub, with_server, affine):
    async def live(server):
        hub.want(("alice/m:1", hub.keep(affine(2))))
        await server.ready("alice/m:1")
        hub.stop()
        hub.reports.clear()
        assert await server.ask() == 3.0
        hub.want(("alice/m:1", hub.keep(affine(2))), ("alice/m:2", hub.keep(affine(3))))
        await asyncio.sleep(0.3)
        assert await server.ask() == 3.0
        hub.start()
        await server.ready("alice/m:1", "alice/m:2")
        assert hub.told("alice/m:1")["restarts"] == 0

    with_server(live)


def test_a_hub_restored_from_a_backup_is_followed_though_its_generation_is_the_one_we_had(hub, with_server, affine):
    async def live(server):
        digest = hub.keep(affine(2))
        hub.want(("alice/m:1", digest))
        await server.ready("alice/m:1")
        generation = hub.generation
        hub.stop()
        hub.generation = generation - 1  # the backup, and what was done since
        hub.want(("alice/m:2", {"digest": digest, "id": 7}))
        assert hub.generation == generation
        hub.start()
        await server.ready("alice/m:2")

    with_server(live)


def test_an_old_version_stays_while_the_hub_cannot_give_the_new_one(hub, with_server, affine, monkeypatch):
    async def live(server):
        hub.want(("alice/m:1", hub.keep(affine(2))))
        await server.ready("alice/m:1")
        download, tries = HubConnection.download, []

        def fail(self, path, target, digest=""):
            tries.append(path)
            raise Unavailable("The hub is away.")

        monkeypatch.setattr(HubConnection, "download", fail)
        hub.want(("alice/m:2", hub.keep(affine(3))))
        await server.until(lambda: len(tries) > 2)
        await server.until(lambda: hub.is_told("alice/m:2", "failed", "The hub is away. It is tried again in"))
        assert await server.ask("1") == 3.0
        monkeypatch.setattr(HubConnection, "download", download)
        await server.ready("alice/m:2")
        await server.until(lambda: len(server.models.pools) == 1)

    with_server(live)


def test_a_version_that_is_wanted_again_before_it_went_is_not_restarted(hub, with_server, affine):
    async def live(server):
        digest = hub.keep(affine(2))
        hub.want(("alice/m:1", digest))
        await server.ready("alice/m:1")
        before = processes_of(server.folder / "models")
        hub.want(("alice/m:2", hub.keep(write_endless(server))))
        await server.until(lambda: hub.is_told("alice/m:2", "starting", "loaded"))
        hub.want(("alice/m:1", digest))
        await server.ready("alice/m:1")
        await server.until(lambda: len(server.models.pools) == 1)
        assert set(before) <= set(processes_of(server.folder / "models"))

    with_server(live)


def write_endless(server):
    return write_python_model(server.folder.parent / "endless", "import time; time.sleep(600)\n", name="endless")


def test_a_server_that_starts_while_the_hub_is_away_begins_with_what_was_wanted_last(
    hub, with_server, affine, tmp_path
):
    async def first(server):
        hub.want(("alice/m:1", hub.keep(affine(2))), ("alice/m:2", hub.keep(affine(3))))
        await server.ready("alice/m:1", "alice/m:2")

    async def second(server):
        await server.until(lambda: len(server.models.pools) == 2 and all(pool.ready for pool in server.models.pools))
        assert [await server.ask("1"), await server.ask("2")] == [3.0, 4.0]
        hub.want(("alice/m:2", hub.keep(affine(3))))
        hub.start()
        await server.ready("alice/m:2")
        await server.until(lambda: len(server.models.pools) == 1)

    with_server(first)
    state = tmp_path / "home" / "placements.json"
    assert state.stat().st_mode & 0o777 == 0o600
    assert [row["revision"] for row in json.loads(state.read_text())["placements"]] == ["1", "2"]
    hub.stop()
    with_server(second)
    assert len(hub.downloads) == 2, "what lies on the disk is not fetched again"


@pytest.mark.parametrize("text", ["", "{}", "[1", '{"generation": 1, "placements": [{}]}'])
def test_a_list_on_the_disk_that_cannot_be_read_is_no_harm(hub, with_server, affine, tmp_path, text):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "placements.json").write_text(text)

    async def live(server):
        hub.want(("alice/m:1", hub.keep(affine(2))))
        await server.ready("alice/m:1")

    with_server(live)


def test_two_servers_cannot_share_a_folder(hub, with_server, tmp_path):
    async def live(server):
        await server.until(lambda: hub.reports)
        async with Server(hub, tmp_path / "home") as other:
            while not other.task.done():
                await asyncio.sleep(0.02)
            with pytest.raises(RilaasError, match="Another server runs with the folder"):
                other.task.result()
            other.task = asyncio.ensure_future(asyncio.sleep(0))

    with_server(live)
