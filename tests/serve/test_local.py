"""Models in real replicas, behind the service and the stream of a front; whole servers are in tests/end_to_end."""

import asyncio
import contextlib
import time

import grpc.aio
import numpy as np
import pytest

from rilaas.core import DeadlineExceeded, ModelFailed, RateLimited, RilaasError
from rilaas.serve import link
from rilaas.serve.local import LocalModels
from rilaas.serve.pool import served_model
from rilaas.serve.service import Caller
from rilaas.serve.stream import Streams
from rilaas.wire import decode_response, encode_request, unwrap_stream_response
from rilaas.wire.field import varint
from tests.model_folders import write_python_model

NOBODY = Caller()
# A model's own code can do in its process what it likes; x[0, 0] says what.
FORGER = """
import time

import numpy as np

import rilaas.serve.answer as answer

encode, what = answer.encode_response, 0.0


def forge(*arguments, **more):
    reply = encode(*arguments, **more)
    forged = {1.0: b"\\xff\\xff\\xff", 2.0: reply + b"\\x1a\\x03two", 3.0: reply + b"\\x2a\\x7f"}
    return forged.get(what, reply)


answer.encode_response = forge


class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        global what
        what = float(inputs["x"][0, 0])
        if what == 4.0:
            return {"y": np.zeros((6_000_000, 3), np.float32)}
        if what == 5.0:
            time.sleep(0.5)
        return {"y": inputs["x"]}

    def reset(self):
        pass
"""


def request(value, request_id=""):
    return encode_request("forger", "", {"x": np.full((1, 3), value, np.float32)}, request_id=request_id)


@pytest.fixture(scope="module")
def forger(tmp_path_factory):
    return write_python_model(tmp_path_factory.mktemp("models") / "forger", FORGER, name="forger")


def with_models(folder, action):
    async def run():
        models = LocalModels([served_model(str(folder))])
        await models.start()
        try:
            return await action(models)
        finally:
            await models.stop()

    return asyncio.run(run())


class Call:
    """The context of a ModelStreamInfer call whose caller sends some requests and then no more."""

    def __init__(self, *requests):
        self.requests, self.written = list(requests), []

    async def read(self):
        return self.requests.pop(0) if self.requests else grpc.aio.EOF

    async def write(self, reply):
        self.written.append(reply)


@pytest.mark.parametrize("forged", [1.0, 3.0])
def test_an_answer_that_is_no_message_is_the_models_failure_and_goes_no_further(forger, forged):
    async def ask(models):
        with pytest.raises(ModelFailed, match="forger:1 gave an answer that is no message"):
            await models.infer(request(forged), NOBODY, None)
        return await models.infer(request(0.0), NOBODY, None)

    assert np.array_equal(decode_response(with_models(forger, ask)).tensors["y"], np.zeros((1, 3)))


def test_an_answer_that_is_too_large_to_be_sent_is_the_models_failure(forger):
    async def ask(models):
        with pytest.raises(ModelFailed, match=r"forger:1 gave an answer of 72\d+ bytes; at most 67108864"):
            await models.infer(request(4.0), NOBODY, None)

    with_models(forger, ask)


def test_callers_that_do_not_wait_cannot_fill_the_memory_in_front_of_a_busy_model(forger, monkeypatch):
    monkeypatch.setattr(link, "MAX_QUEUED_BYTES", 2**20)
    large = request(0.0) + b"\x32" + varint(2**20) + bytes(2**20)

    async def ask(models):
        busy = asyncio.ensure_future(models.infer(request(5.0), NOBODY, None))
        await asyncio.sleep(0.05)
        late = [models.infer(large, NOBODY, time.monotonic() + 0.05) for _ in range(10)]
        refused = await asyncio.gather(*late, return_exceptions=True)
        await busy
        while True:  # the replica takes what has been queued, and all is well again
            with contextlib.suppress(RateLimited):
                return refused, await models.infer(request(0.0), NOBODY, None)
            await asyncio.sleep(0.05)

    refused, answer = with_models(forger, ask)
    kinds = [type(error) for error in refused]
    assert kinds.count(RateLimited) >= 7
    assert kinds.count(DeadlineExceeded) == 10 - kinds.count(RateLimited)
    assert "asked faster than it answers: 1 MiB" in str(refused[-1])
    assert np.array_equal(decode_response(answer).tensors["y"], np.zeros((1, 3)))


def test_a_model_cannot_answer_somebody_elses_request_on_a_stream(forger):
    call = Call(request(2.0, "one"), request(0.0, "two"), request(1.0, "three"))

    async def ask(models):
        await Streams().answer(call, models, NOBODY)

    with_models(forger, ask)
    answers = {}
    for written in call.written:
        error, reply, request_id = unwrap_stream_response(written)
        answers[request_id] = error or decode_response(reply).tensors["y"][0, 0]
    assert (answers["one"], answers["two"]) == (2.0, 0.0)
    assert isinstance(answers["three"], RilaasError)
    assert answers["three"].code == "model_failed"
