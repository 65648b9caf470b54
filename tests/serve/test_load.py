"""What a server says of its load: the bytes, who hears it, and when."""

import asyncio

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import ModelFailed
from rilaas.serve.front import Front
from rilaas.serve.load import ASK, Load, decode_load, encode_load, every_s, split_load, with_load
from rilaas.serve.local import LocalModels
from rilaas.serve.pool import served_model
from rilaas.serve.service import Caller, ModelState, OpenGate
from rilaas.wire import METHODS, encode_request, encode_response, unwrap_stream_response, wrap_stream_response
from rilaas.wire import inference_pb2 as pb
from tests.model_folders import write_affine_model

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,9}(/[a-z][a-z0-9-]{0,9})?", fullmatch=True)
COUNTS = st.integers(0, 2**40)
REPLY = encode_response("m", "1", {"y": np.ones(3, np.float32)}, request_id="r", parameters={"rilaas_in_flight": 9})


@given(COUNTS, st.dictionaries(NAMES, st.tuples(COUNTS, COUNTS)), COUNTS)
def test_what_is_told_is_what_is_heard(in_flight, models, clients):
    slots = {name: each for name, (each, _) in models.items()}
    load = Load(in_flight, slots, {name: each for name, (_, each) in models.items()}, clients)
    assert decode_load(encode_load(load)) == load


@pytest.mark.parametrize("error", [None, ModelFailed("no")], ids=["answer", "refusal"])
def test_the_load_is_no_part_of_the_answer_that_is_handed_on(error):
    wrapped = wrap_stream_response(b"" if error else REPLY, error, "r")
    load = Load(2, {"m": 4}, {"m": 7}, 3)
    rest, heard = split_load(with_load(wrapped, load))
    assert (bytes(rest), heard) == (wrapped, load)
    assert split_load(with_load(b"", load)) == (b"", load)
    assert split_load(wrapped) == (wrapped, None), "a server that tells nothing is understood"


def test_any_parser_of_protobuf_reads_answer_and_load_as_one_message():
    message = pb.ModelStreamInferResponse.FromString(
        with_load(wrap_stream_response(REPLY, None, "r"), Load(2, {"m": 4, "n": 1}, {"m": 7}))
    ).infer_response
    assert (message.id, message.outputs[0].name) == ("r", "y")
    assert message.parameters["rilaas_in_flight"].int64_param == 2
    assert message.parameters["rilaas_models"].string_param == "m=4/7 n=1/0"


@pytest.mark.parametrize("models", ["m", "m=4", "m=4/x", "m=/"])
def test_what_is_no_load_is_not_taken_for_one(models):
    good = encode_load(Load(1, {"m": 4}, {}))
    assert decode_load(good.replace(b"m=4/0", models.encode().ljust(5))) is None
    assert decode_load(b"\xff") is None
    assert decode_load(b"") is None


def test_many_callers_are_told_less_often_each():
    assert every_s(1) == every_s(20) == 0.1
    assert every_s(1000) == 5.0


class Service:
    """A load that a test sets; every answer makes it one request busier."""

    def __init__(self):
        self.now = Load(0, {"m": 1}, {"m": 0})

    async def infer(self, body, caller, deadline):
        self.now = Load(self.now.in_flight + 1, {"m": 1}, {"m": 1})
        return encode_response("m", "1", {}, request_id="r")

    def models(self, caller):
        return [ModelState("m", "1", True)]

    def load(self):
        return self.now


def called(action):
    async def run():
        service = Service()
        front = Front(service, OpenGate())
        port = await front.start("127.0.0.1:0", None)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await asyncio.wait_for(action(service, channel), 30.0)
        finally:
            await front.drain(5.0)

    asyncio.run(run())


def stream(channel, metadata=()):
    return channel.stream_stream(METHODS["ModelStreamInfer"].path)(metadata=metadata)


def test_who_asks_hears_the_load_with_answers_and_between_them_and_how_many_hear_it():
    async def act(service, channel):
        call = stream(channel, [(ASK, "1")])
        rest, load = split_load(await call.read())
        assert (rest, load) == (b"", Load(0, {"m": 1}, {"m": 0}, 1)), "before anything was asked"
        await call.write(encode_request("m", "", {}))
        rest, load = split_load(await call.read())
        assert unwrap_stream_response(rest)[2] == "r" or rest == b""
        while load.in_flight != 1:
            _, load = split_load(await call.read())
        service.now = Load(5, {"m": 1}, {"m": 9})
        while load.in_flight != 5:
            rest, load = split_load(await call.read())
        assert rest == b""
        other = stream(channel, [(ASK, "1")])
        while load.clients != 2:
            _, load = split_load(await call.read())
        other.cancel()
        while load.clients != 1:
            _, load = split_load(await call.read())
        call.cancel()

    called(act)


def test_who_does_not_ask_gets_answers_and_nothing_else():
    async def act(service, channel):
        listening, call = stream(channel, [(ASK, "1")]), stream(channel)
        for _ in range(3):
            await call.write(encode_request("m", "", {}))
            message = await call.read()
            assert split_load(message) == (message, None)
            assert not pb.ModelStreamInferResponse.FromString(message).infer_response.parameters
            service.now = Load(50, {"m": 1}, {"m": 9})
            await listening.read()
        listening.cancel()
        unary = channel.unary_unary(METHODS["ModelInfer"].path)
        assert b"rilaas_in_flight" not in await unary(encode_request("m", "", {}))
        assert b"rilaas_in_flight" in await unary(encode_request("m", "", {}), metadata=((ASK, "1"),))
        await call.done_writing()

    called(act)


def test_replicas_are_counted_by_model_and_requests_while_they_are_computed(tmp_path):
    async def run():
        folder = write_affine_model(tmp_path / "affine", name="affine", a=2.0, b=1.0, size=3)
        models = LocalModels([served_model(f"a:1={folder}", replicas=2), served_model(f"a:2={folder}")])
        assert models.load() == Load(0, {"a": 0}, {}), "nothing can be computed before it has started"
        await models.start()
        try:
            body = encode_request("a", "1", {"x": np.zeros((1, 3), np.float32)})
            asking = [asyncio.ensure_future(models.infer(body, Caller(), None)) for _ in range(5)]
            await asyncio.sleep(0)
            assert models.load() == Load(5, {"a": 3}, {"a": 5})
            await asyncio.gather(*asking)
            assert models.load() == Load(0, {"a": 3}, {"a": 5})
        finally:
            await models.stop()

    asyncio.run(run())
