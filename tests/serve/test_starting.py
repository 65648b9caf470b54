import asyncio
import threading

import pytest

from rilaas.core import ModelFailed
from rilaas.serve.starting import all_or_none, launched_aside


class Replica:
    """Stands for a launched one; nothing but ``stop`` is asked of it here."""

    def __init__(self):
        self.stopped = threading.Event()

    def stop(self):
        self.stopped.set()


def test_what_is_launched_aside_is_returned_or_its_error_raised():
    replica = Replica()
    assert asyncio.run(launched_aside(lambda: replica)) is replica

    def fail():
        raise ModelFailed("no weights")

    with pytest.raises(ModelFailed, match="no weights"):
        asyncio.run(launched_aside(fail))


@pytest.mark.parametrize("loop_goes_on", [True, False])
def test_a_replica_that_is_ready_after_nobody_waits_any_more_is_stopped(loop_goes_on):
    replica, begun, go = Replica(), threading.Event(), threading.Event()

    def launch():
        begun.set()
        go.wait(30)
        return replica

    async def break_off():
        task = asyncio.ensure_future(launched_aside(launch))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if loop_goes_on:
            go.set()
            assert await asyncio.to_thread(replica.stopped.wait, 30)

    asyncio.run(break_off())
    go.set()
    assert replica.stopped.wait(30)


def test_when_one_start_fails_the_others_are_broken_off_before_its_error_is_told():
    broken_off = []

    async def for_ever():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            broken_off.append(True)

    async def fail():
        raise ModelFailed("no weights")

    with pytest.raises(ModelFailed, match="no weights"):
        asyncio.run(all_or_none([for_ever(), fail(), for_ever()]))
    assert broken_off == [True, True]
