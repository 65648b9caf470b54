"""The gRPC front over a service that a test controls, asked by plain gRPC and by tritonclient."""

import asyncio
import contextlib
import gc
import threading
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton

from rilaas.core import ModelFailed, NotFound, Signature, TensorSpec, Unavailable
from rilaas.serve.front import Front
from rilaas.serve.service import ModelState, OpenGate
from rilaas.wire import (
    METHODS,
    decode_request,
    decode_response,
    encode_metadata,
    encode_request,
    encode_response,
    error_from_rpc,
    unwrap_stream_response,
)
from rilaas.wire import inference_pb2 as pb

SIGNATURE = Signature.of((TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1, 2)),))


class Doubler:
    """Doubles x; waits for its gate where x begins with 5; fails in two ways on 6 and 7."""

    def __init__(self):
        self.open = asyncio.Event()
        self.deadlines = []

    async def infer(self, body, caller, deadline):
        request = decode_request(body)
        self.deadlines.append(deadline)
        x = request.tensors["x"]
        if x.flat[0] == 5:
            await self.open.wait()
        if x.flat[0] == 6:
            raise ModelFailed("The model stumbled.", "Lift your feet.")
        if x.flat[0] == 7:
            raise ZeroDivisionError("secret detail")
        return encode_response(request.model, "1", {"y": 2 * x}, request_id=request.request_id)

    async def metadata(self, model, version, caller):
        if model != "double":
            raise NotFound(f"No model {model!r}.")
        return encode_metadata("double", ("1",), SIGNATURE, {})

    def models(self, caller):
        return [ModelState("double", "1", True), ModelState("broken", "1", False, "out of memory")]


class Running:
    """A front in a thread's event loop."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.service = self.do(self._make())
        self.port = self.do(self.front.start("127.0.0.1:0", None))
        self.address = f"127.0.0.1:{self.port}"

    async def _make(self):
        service = Doubler()
        self.front = Front(service, OpenGate(), name="test")
        return service

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def release(self):
        self.loop.call_soon_threadsafe(self.service.open.set)

    def close(self):
        self.release()
        self.do(self.front.drain(2.0))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def running():
    front = Running()
    yield front
    front.close()


@pytest.fixture
def channel(running):
    with grpc.insecure_channel(running.address) as open_channel:
        yield open_channel


def body(first, request_id="1"):
    return encode_request("double", "", {"x": np.array([[first, 1]], np.float32)}, request_id=request_id)


def infer(channel, first, **more):
    return channel.unary_unary(METHODS["ModelInfer"].path)(body(first), timeout=20, **more)


def health(channel):
    return channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20)


def test_liveness_readiness_and_health_are_told(running, channel):
    client = triton.InferenceServerClient(running.address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "test"
    assert client.is_model_ready("double")
    assert client.is_model_ready("double", "1")
    assert not client.is_model_ready("double", "2")
    assert not client.is_model_ready("broken")
    assert health(channel) == b"\x08\x01"
    client.close()


def test_the_index_tells_what_is_not_ready_and_why(channel):
    ask = channel.unary_unary(METHODS["RepositoryIndex"].path)
    every = pb.RepositoryIndexResponse.FromString(ask(b"")).models
    assert [(m.name, m.version, m.state, m.reason) for m in every] == [
        ("double", "1", "READY", ""),
        ("broken", "1", "UNAVAILABLE", "out of memory"),
    ]
    ready = ask(pb.RepositoryIndexRequest(ready=True).SerializeToString())
    assert [m.name for m in pb.RepositoryIndexResponse.FromString(ready).models] == ["double"]


def test_typed_contents_are_answered_too(channel):
    request = pb.ModelInferRequest(model_name="double")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2]).contents.fp32_contents.extend([1.5, -2.0])
    reply = channel.unary_unary(METHODS["ModelInfer"].path)(request.SerializeToString(), timeout=20)
    answer = decode_response(reply)
    assert np.array_equal(answer.tensors["y"], [[3, -4]])


def test_an_error_carries_its_code_and_hint(channel):
    with pytest.raises(grpc.RpcError) as failure:
        infer(channel, 6)
    error = error_from_rpc(failure.value)
    assert (error.code, error.message, error.hint) == ("model_failed", "The model stumbled.", "Lift your feet.")


def test_a_fault_of_ours_is_told_by_a_number_and_its_details_stay_in_the_log(channel, caplog):
    with pytest.raises(grpc.RpcError) as failure:
        infer(channel, 7)
    assert failure.value.code() is grpc.StatusCode.INTERNAL
    assert "secret detail" not in str(error_from_rpc(failure.value))
    number = error_from_rpc(failure.value).hint.split()[-1].rstrip(".")
    assert number in caplog.text
    assert "secret detail" in caplog.text


def test_what_is_no_message_is_invalid(channel):
    with pytest.raises(grpc.RpcError) as failure:
        channel.unary_unary(METHODS["ModelMetadata"].path)(b"\xff\xff", timeout=20)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_unknown_method_is_unimplemented(channel):
    with pytest.raises(grpc.RpcError) as failure:
        channel.unary_unary("/inference.GRPCInferenceService/SystemSharedMemoryRegister")(b"", timeout=20)
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_callers_deadline_reaches_the_service(running, channel):
    infer(channel, 1)
    left_s = running.service.deadlines[-1] - time.monotonic()
    assert 10 < left_s < 21


def test_a_stream_answers_in_the_order_in_which_things_are_done(running, channel):
    send = threading.Event()

    def requests():
        yield body(5, "slow")
        yield body(1, "quick")
        yield body(6, "wrong")
        send.wait(20)

    answers = channel.stream_stream(METHODS["ModelStreamInfer"].path)(requests(), timeout=30)
    first, second = (unwrap_stream_response(next(answers)) for _ in range(2))
    told = {first[2]: first, second[2]: second}
    assert np.array_equal(decode_response(told["quick"][1]).tensors["y"], [[2, 2]])
    assert told["wrong"][0].code == "model_failed"
    running.release()
    assert unwrap_stream_response(next(answers))[2] == "slow"
    send.set()
    assert list(answers) == []


def test_draining_answers_what_is_in_flight_takes_nothing_new_and_says_so(running, channel):
    forever = threading.Event()

    def requests():
        yield body(5, "in flight")
        forever.wait(20)

    answers = channel.stream_stream(METHODS["ModelStreamInfer"].path)(requests(), timeout=30)
    end = time.monotonic() + 20
    while not running.service.deadlines:
        assert time.monotonic() < end
        time.sleep(0.01)
    draining = asyncio.run_coroutine_threadsafe(running.front.drain(10.0), running.loop)
    time.sleep(0.2)
    assert not draining.done()
    with pytest.raises(grpc.RpcError) as refusal, grpc.insecure_channel(running.address) as another:
        infer(another, 1)
    assert isinstance(error_from_rpc(refusal.value), Unavailable)
    running.release()
    assert unwrap_stream_response(next(answers))[2] == "in flight"
    with contextlib.suppress(grpc.RpcError):
        assert list(answers) == []
    forever.set()
    draining.result(20)


def test_a_taken_port_is_told(running):
    async def second():
        await Front(running.service, OpenGate()).start(running.address, None)

    with pytest.raises(Unavailable, match=f"Cannot listen on {running.address}"):
        running.do(second())


@pytest.fixture(autouse=True)
def nothing_left_open():
    yield
    gc.collect()  # so that what a test leaves open fails that test
