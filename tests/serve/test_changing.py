"""Versions that come and go while a server serves."""

import asyncio
import contextlib
import os
import signal

import numpy as np
import pytest

from rilaas.core import Conflict, InvalidInput, ModelFailed, ModelRef, NotFound, Unavailable
from rilaas.observe import Registry
from rilaas.serve.local import LocalModels
from rilaas.serve.log import ReplicaLog
from rilaas.serve.pool import ServedModel
from rilaas.serve.service import Caller
from rilaas.store import Limits
from rilaas.wire import decode_response, encode_request
from tests.model_folders import write_affine_model, write_python_model
from tests.processes import processes_of

NOBODY = Caller()
SLOW = """
import time


class Model:
    def __init__(self, folder, session):
        print("a slow model loads", flush=True)

    def predict(self, inputs):
        time.sleep(float(inputs["x"][0, 0]))
        return {"y": inputs["x"] + 1}

    def reset(self):
        pass
"""


def ref(text):
    return ModelRef.parse(text)


async def ask(models, version="", value=1.0, model="alice/affine"):
    body = encode_request(model, version, {"x": np.full((1, 3), value, np.float32)})
    return float(decode_response(await models.infer(body, NOBODY, None)).tensors["y"][0, 0])


async def until(holds):
    """Wait for what has to come; the test's own time limit ends a wait in vain."""
    while not await holds():
        await asyncio.sleep(0.02)


def with_models(action, registry=None):
    async def run():
        models = LocalModels(registry=registry)
        await models.start()
        try:
            return await action(models)
        finally:
            await models.stop()

    return asyncio.run(run())


@pytest.fixture
def folders(tmp_path):
    """Two versions of a model: y = 2 x + 1 and y = 10 x."""
    return write_affine_model(tmp_path / "one"), write_affine_model(tmp_path / "two", a=10.0, b=0.0)


def test_a_server_that_starts_with_nothing_gets_versions_side_by_side_and_loses_them_again(folders):
    registry = Registry()

    async def live(models):
        with pytest.raises(NotFound, match="No model 'alice/affine' is served here"):
            await ask(models)
        await models.add(ServedModel(ref("alice/affine:3"), folders[0]))
        await models.add(ServedModel(ref("alice/affine:4@int8"), folders[1]))
        assert [await ask(models, version) for version in ("3", "4@int8", "")] == [3.0, 10.0, 10.0]
        assert 'model_ready{model="alice/affine",version="4@int8"} 1' in registry.to_text()
        await models.remove(ref("alice/affine:4@int8"))
        assert await ask(models) == 3.0
        with pytest.raises(NotFound, match=r"no version '4@int8' here. Did you mean|Available: 3"):
            await ask(models, "4@int8")
        assert 'model_ready{model="alice/affine",version="4@int8"}' not in registry.to_text()
        assert 'replica_restarts{model="alice/affine",version="4@int8"}' not in registry.to_text()
        await models.remove(ref("alice/affine:3"))
        assert models.models(NOBODY) == []
        with pytest.raises(NotFound, match=r"alice/affine:3 is not served here"):
            await models.remove(ref("alice/affine:3"))
        assert not processes_of(folders[0])

    with_models(live, registry)


def test_a_request_in_flight_is_answered_before_its_version_goes(tmp_path):
    slow = write_python_model(tmp_path / "slow", SLOW)

    async def live(models):
        await models.add(ServedModel(ref("alice/slow:1"), slow))
        pool = models.pools[0]
        asked = asyncio.ensure_future(ask(models, "1", 0.5, "alice/slow"))
        while not pool._links[0].in_flight:
            await asyncio.sleep(0.01)
        await models.remove(ref("alice/slow:1"))
        assert await asked == 1.5

    with_models(live)


def test_a_version_that_cannot_load_is_refused_with_its_own_reason_and_the_others_go_on(folders, tmp_path):
    source = "print('my last words', flush=True)\nraise ValueError('no such tensor')\n"
    broken = write_python_model(tmp_path / "broken", source)

    async def live(models):
        await models.add(ServedModel(ref("alice/affine:1"), folders[0]))
        for version in ("1", "2"):  # in place of the one that runs, and beside it
            with pytest.raises(ModelFailed, match="no such tensor"):
                await models.add(ServedModel(ref(f"alice/affine:{version}"), broken))
        assert await ask(models) == await ask(models, "1") == 3.0
        assert [state.version for state in models.models(NOBODY)] == ["1"]

    with_models(live)


def test_a_version_is_replaced_without_a_gap_and_keeps_its_place(folders, tmp_path):
    async def live(models):
        for version in ("1", "2"):
            await models.add(ServedModel(ref(f"alice/affine:{version}"), folders[0]))
        answers, done = [], asyncio.Event()

        async def keep_asking():
            while not done.is_set():
                answers.append(await ask(models, "1"))

        asking = asyncio.ensure_future(keep_asking())
        limits = Limits(memory_bytes=3 * 2**30)
        await models.add(ServedModel(ref("alice/affine:1"), folders[1], replicas=2, limits=limits))
        first = len(answers)
        await until(lambda: asyncio.sleep(0, len(answers) > first + 3))
        done.set()
        await asking
        assert set(answers) == {3.0, 10.0}
        assert answers == sorted(answers)
        pool = models.pools[0]
        assert (pool.replicas_ready, pool.served.ref.version) == (2, "1")
        assert "3072 MiB of memory" in pool.isolation
        assert await ask(models) == 3.0, "the last version is the default"

    with_models(live)


def test_a_replica_that_is_killed_comes_back_and_its_log_tells_the_story(tmp_path):
    slow, registry = write_python_model(tmp_path / "slow", SLOW), Registry()

    async def live(models):
        await models.add(ServedModel(ref("slow:1"), slow, isolation="process"))
        pool = models.pools[0]
        (pid,) = processes_of(slow)
        os.kill(pid, signal.SIGKILL)

        async def answers():
            with contextlib.suppress(Unavailable):
                return pool.restarts == 1 and await ask(models, "", 0.0, "slow") == 1.0

        await until(answers)
        assert 'rilaas_serve_replica_restarts{model="slow",version="1"} 1' in registry.to_text()
        story = "\n".join(pool.log.tail())
        for part in (
            "starts",
            "[0] a slow model loads",
            "is ready (pid",
            "ended with signal SIGKILL",
            "restart in 1 s",
        ):
            assert part in story
        assert story.count("is ready (pid") == 2
        assert len(pool.log.tail(3)) == 3

    with_models(live, registry)


def test_a_log_keeps_its_last_lines_and_no_line_is_endless():
    log = ReplicaLog(lines=3)
    for number in range(5):
        log.listener(7)(f"line {number}\n" + "x" * 10_000)
    assert [line.split()[1:4] for line in log.tail()] == [["[7]", "line", str(number)] for number in (2, 3, 4)]
    assert max(map(len, log.tail())) == 500
    assert len(log.tail(1)) == 1
    assert log.tail(0) == []


def test_a_version_that_is_starting_is_seen_and_cannot_be_started_twice_or_removed(tmp_path):
    endless = write_python_model(tmp_path / "endless", "import time\ntime.sleep(600)\n")
    served = ServedModel(ref("endless:1"), endless)

    async def live(models):
        starting = asyncio.ensure_future(models.add(served))
        await asyncio.sleep(0)
        (state,) = models.models(NOBODY)
        assert (state.ready, state.reason) == (False, "starting")
        with pytest.raises(Unavailable, match="starting"):
            await ask(models, "1", model="endless")
        with pytest.raises(Conflict, match="being started already"):
            await models.add(served)
        with pytest.raises(Conflict, match="being started"):
            await models.remove(served.ref)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert models.models(NOBODY) == []

        async def is_gone():
            return not processes_of(endless)

        await until(is_gone)  # also while it is loading

    with_models(live)


def test_a_version_named_twice_is_told(folders):
    served = ServedModel(ref("affine:1"), folders[0])
    with pytest.raises(InvalidInput, match="affine:1 is named twice"):
        LocalModels([served, served])
