"""Requests wait for whichever replica is free first."""

import asyncio
import time

import numpy as np
import pytest

from rilaas.core import DeadlineExceeded, ModelRef, Unavailable
from rilaas.serve.pool import Pool, ServedModel
from rilaas.wire import decode_response, encode_request
from tests.model_folders import write_python_model

SLEEPY = """
import os, time
class Model:
    def __init__(self, folder, session): pass
    def predict(self, inputs):
        seconds = float(inputs["x"][0, 0])
        if seconds < 0: os._exit(3)
        time.sleep(seconds)
        return {"y": inputs["x"]}
    def reset(self): pass
"""


@pytest.fixture
def pool_of(tmp_path):
    """Makes a pool of so many replicas of a model that takes as long as it is told."""
    folder = write_python_model(tmp_path / "sleepy", SLEEPY, name="sleepy")

    def make(replicas):
        (tmp_path / "sockets").mkdir()
        return Pool(ServedModel(ModelRef.parse("sleepy:1"), folder, replicas), tmp_path / "sockets")

    return make


async def ask(pool, seconds, deadline_s=None):
    """How long it waited, as the answer says [s]."""
    body = encode_request("sleepy", "1", {"x": np.full((1, 3), seconds, np.float32)})
    deadline = None if deadline_s is None else time.monotonic() + deadline_s
    return decode_response(await pool.infer(body, deadline)).parameters["rilaas_queue_s"]


def run(pool, questions):
    async def all_of_it():
        await pool.start()
        try:
            return await questions()
        finally:
            await pool.stop()

    return asyncio.run(all_of_it())


def test_nobody_waits_for_a_replica_while_another_is_free(pool_of):
    pool, ended = pool_of(2), []

    async def one(name, seconds):
        waited_s = await ask(pool, seconds)
        ended.append(name)
        return waited_s

    async def questions():
        rows = [("long", 3.0), ("short", 0.01), ("next", 0.01), ("after", 0.01)]
        return await asyncio.gather(*(one(name, seconds) for name, seconds in rows))

    run(pool, questions)
    assert ended == ["short", "next", "after", "long"]


def test_the_wait_in_the_line_is_told_and_counted(pool_of):
    pool = pool_of(2)

    async def questions():
        asking = [asyncio.ensure_future(ask(pool, 0.5)) for _ in range(3)]
        await asyncio.sleep(0.1)
        return pool.in_flight, await asyncio.gather(*asking)

    in_flight, waited_s = run(pool, questions)
    assert in_flight == 3
    assert sum(waited >= 0.5 for waited in waited_s) == 1


def test_who_waits_too_long_is_told_so_and_the_line_goes_on(pool_of):
    pool = pool_of(2)

    async def questions():
        busy = [asyncio.ensure_future(ask(pool, 1.0)) for _ in range(2)]
        await asyncio.sleep(0.05)
        late = asyncio.ensure_future(ask(pool, 0.0, deadline_s=0.2))
        left = asyncio.ensure_future(ask(pool, 0.0))
        last = asyncio.ensure_future(ask(pool, 0.0))
        await asyncio.sleep(0.05)
        left.cancel()
        with pytest.raises(DeadlineExceeded):
            await late
        await last
        await asyncio.gather(*busy)
        return pool.in_flight

    assert run(pool, questions) == 0


def test_where_the_last_replica_dies_the_line_is_told(pool_of):
    pool = pool_of(2)

    async def questions():
        asking = [asyncio.ensure_future(ask(pool, seconds)) for seconds in (-1.0, -1.0, 0.0, 0.0)]
        return await asyncio.gather(*asking, return_exceptions=True)

    assert all(isinstance(answer, Unavailable) for answer in run(pool, questions))
