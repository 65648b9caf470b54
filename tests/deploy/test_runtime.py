"""What every runtime has to keep; a new one is added to ``RUNTIMES``."""

import asyncio
import contextlib
import os
import re
import signal

import pytest

from rilaas.core import ModelFailed, ModelRef
from rilaas.deploy import Placement, ProcessRuntime
from rilaas.serve.local import LocalModels
from rilaas.store import read_model_folder
from tests.model_folders import write_python_model
from tests.processes import processes_of


@contextlib.asynccontextmanager
async def processes():
    models = LocalModels()
    try:
        yield ProcessRuntime(models)
    finally:
        await models.stop()


RUNTIMES = {"process": processes}


@pytest.fixture(params=list(RUNTIMES))
def with_runtime(request):
    """Runs a coroutine function with a fresh runtime."""

    async def run(action):
        async with RUNTIMES[request.param]() as runtime:
            return await action(runtime)

    return lambda action: asyncio.run(run(action))


def placement(folder, ref, **more):
    parsed = ModelRef.parse(ref)
    digest = read_model_folder(folder).digest
    return Placement(1, parsed.model, parsed.revision, digest, **more)


async def until(holds):
    while not holds():
        await asyncio.sleep(0.02)


def test_two_versions_of_a_model_run_side_by_side_until_each_is_stopped(with_runtime, affine):
    async def live(runtime):
        first, second = placement(affine(1), "alice/a:1"), placement(affine(2), "alice/a:2@int8", replicas=2)
        await runtime.start(first, affine(1))
        await runtime.start(second, affine(2))
        running = runtime.running()
        assert {ref: each.replicas_ready for ref, each in running.items()} == {first.ref: 1, second.ref: 2}
        assert [each.reason for each in running.values()] == ["", ""]
        assert all(each.isolation for each in running.values())
        await runtime.stop(first.ref)
        assert set(runtime.running()) == {second.ref}
        await runtime.stop(second.ref)
        assert not runtime.running()
        await runtime.stop(second.ref)  # what does not run is no error

    with_runtime(live)
    assert not processes_of(affine(1).parent)


def test_limits_of_a_placement_go_before_the_models_own(with_runtime, affine):
    async def live(runtime):
        await runtime.start(placement(affine(1), "a:1"), affine(1))
        await runtime.start(placement(affine(1), "a:2", memory_bytes=2**30, cpus=1), affine(1))
        own, given = (each.isolation for each in runtime.running().values())
        assert "2048 MiB of memory" in own
        assert "1024 MiB of memory" in given

    with_runtime(live)


def test_what_cannot_load_is_told_with_its_reason_and_log_and_harms_no_other(with_runtime, affine, broken):
    async def live(runtime):
        good, bad = placement(affine(1), "a:1"), placement(broken, "a:2")
        await runtime.start(good, affine(1))
        with pytest.raises(ModelFailed, match="no such tensor"):
            await runtime.start(bad, broken)
        failed = runtime.running()[bad.ref]
        assert failed.replicas_ready == 0
        assert "no such tensor" in failed.reason
        assert any("my last words" in line for line in failed.log)
        assert runtime.running()[good.ref].replicas_ready == 1
        await runtime.stop(bad.ref)
        assert set(runtime.running()) == {good.ref}

    with_runtime(live)


def test_a_version_is_replaced_when_the_new_replicas_are_ready_and_stays_when_they_cannot_be(
    with_runtime, affine, broken
):
    async def live(runtime):
        await runtime.start(placement(affine(1), "a:1"), affine(1))
        before = set(processes_of(affine(1)))
        await runtime.start(placement(affine(1), "a:1", replicas=2), affine(1))
        assert runtime.running()[ModelRef.parse("a:1")].replicas_ready == 2
        assert not before & set(processes_of(affine(1)))
        with pytest.raises(ModelFailed):
            await runtime.start(placement(broken, "a:1"), broken)
        still = runtime.running()[ModelRef.parse("a:1")]
        assert still.replicas_ready == 2
        assert "no such tensor" in still.reason

    with_runtime(live)


def test_a_replica_that_dies_is_started_anew_and_counted(with_runtime, affine):
    ref = ModelRef.parse("a:1")

    async def live(runtime):
        await runtime.start(placement(affine(1), "a:1", isolation="process"), affine(1))
        (pid,) = processes_of(affine(1))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: runtime.running()[ref].restarts == 1)
        await until(lambda: runtime.running()[ref].replicas_ready == 1)
        log = runtime.running()[ref].log
        assert any("ended with signal SIGKILL" in line for line in log)
        assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in log)

    with_runtime(live)


def test_a_start_can_be_broken_off_and_begun_again(with_runtime, affine, tmp_path):
    endless = write_python_model(tmp_path / "endless", "import time\nprint('loading', flush=True)\ntime.sleep(600)\n")

    async def live(runtime):
        starting = asyncio.ensure_future(runtime.start(placement(endless, "a:1"), endless))
        await until(lambda: any("loading" in line for each in runtime.running().values() for line in each.log))
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await runtime.start(placement(affine(1), "a:1"), affine(1))
        assert runtime.running()[ModelRef.parse("a:1")].replicas_ready == 1

    with_runtime(live)
