"""A robot, the interceptor, two servers: through TLS and tokens, with our client and with somebody else's."""

import asyncio
import threading
import urllib.request

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from rilaas.client import RobotClient
from rilaas.core import PermissionDenied, SignatureMismatch, Unauthenticated, check_policy
from rilaas.wire import (
    METHODS,
    audience,
    encode_request,
    error_from_rpc,
    generate_key,
    load_private_key,
    sign_token,
)


@pytest.fixture
def robot(fleet):
    with RobotClient(fleet.address, "affine", "", fleet.key_path, fleet.ca_path) as client:
        yield client


def bearer(fleet, key=None, whom="127.0.0.1", **more):
    token = sign_token(key or load_private_key(fleet.key_path), audience(whom), **more)
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def other_client(fleet):
    client = triton.InferenceServerClient(fleet.address, ssl=True, root_certificates=str(fleet.ca_path))
    yield client
    client.close()


def test_the_snippet_of_the_source_document_works_word_for_word(fleet, inputs):
    TARGET_IP, MODEL_NAME, MODEL_VERSION = fleet.address, "affine", "1"
    PRIVATE_SSH_KEY_PATH, SSL_CERTIFICATE_LOCATION = fleet.key_path, fleet.ca_path
    rc = RobotClient(TARGET_IP, MODEL_NAME, MODEL_VERSION, PRIVATE_SSH_KEY_PATH, SSL_CERTIFICATE_LOCATION)
    outputs = rc.predict(inputs)
    assert np.allclose(outputs["y"], [[3, 5, 7]])
    rc.close()


def test_a_robots_client_is_a_policy(robot, inputs):
    check_policy(robot, inputs)


def test_requests_go_to_both_servers_and_the_answer_says_which(robot, inputs):
    answers = [robot.predict(inputs).timing for _ in range(6)]
    assert {timing.server for timing in answers} == {"edge-1", "cloud-1"}
    for timing in answers:
        assert timing.total_s >= (0.02 if timing.server == "cloud-1" else 0.0)
        assert timing.compute_s > 0.0
        assert timing.wire_s > 0.0


def test_many_threads_get_their_own_answers(robot):
    wrong = []

    def ask(number):
        for k in range(20):
            x = np.full((1, 3), 100.0 * number + k, np.float32)
            if not np.allclose(robot.predict({"x": x})["y"], 2 * x + 1):
                wrong.append((number, k))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_robot_may_ask_without_waiting(robot):
    futures = [robot.submit({"x": np.full((1, 3), k, np.float32)}) for k in range(20)]
    for k, future in enumerate(futures):
        assert np.allclose(future.result(30)["y"], 2 * k + 1)

    async def together():
        return await asyncio.gather(*(robot.predict_async({"x": np.full((1, 3), k, np.float32)}) for k in range(8)))

    for k, answer in enumerate(asyncio.run(together())):
        assert np.allclose(answer["y"], 2 * k + 1)


def test_a_wrong_tensor_is_told_with_both_sides(robot):
    with pytest.raises(SignatureMismatch, match=r"FP64 \[1, 3\].*x: FP32 \[-1, 3\].*astype"):
        robot.predict({"x": np.zeros((1, 3))})
    with pytest.raises(SignatureMismatch, match=r"no input 'z'.*Available: x"):
        robot.predict({"z": np.zeros((1, 3), np.float32)})


def test_a_robot_without_a_grant_is_refused(fleet, inputs):
    with (
        RobotClient(fleet.address, "something-else", "", fleet.key_path, fleet.ca_path) as client,
        pytest.raises(PermissionDenied, match="may not use a model 'something-else', if there is one"),
    ):
        client.predict(inputs)


def test_an_unknown_key_is_refused(fleet, inputs, tmp_path):
    generate_key(tmp_path / "stranger")
    with (
        RobotClient(fleet.address, "affine", "", tmp_path / "stranger", fleet.ca_path) as client,
        pytest.raises(Unauthenticated, match="(?i)key"),
    ):
        client.predict(inputs)


def test_tritonclient_talks_to_the_interceptor_with_a_token(fleet, other_client, inputs):
    headers = bearer(fleet)
    assert other_client.is_server_live()
    assert other_client.is_server_ready()
    assert other_client.is_model_ready("affine", headers=headers)
    index = other_client.get_model_repository_index(headers=headers)
    assert [(model.name, model.version, model.state) for model in index.models] == [("affine", "1", "READY")]
    metadata = other_client.get_model_metadata("affine", headers=headers)
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [("x", "FP32", [-1, 3])]
    tensor = triton.InferInput("x", [1, 3], "FP32")
    tensor.set_data_from_numpy(inputs["x"])
    answer = other_client.infer("affine", [tensor], headers=headers, request_id="seven")
    assert np.allclose(answer.as_numpy("y"), [[3, 5, 7]])
    assert answer.get_response().id == "seven"


def test_tritonclient_streams_to_the_interceptor(fleet, other_client, inputs):
    answers = []
    arrived = threading.Event()

    def take(result, error):
        answers.append((result, error))
        if len(answers) == 3:
            arrived.set()

    other_client.start_stream(take, headers=bearer(fleet, single_use=True))
    for number in range(3):
        tensor = triton.InferInput("x", [1, 3], "FP32")
        tensor.set_data_from_numpy(inputs["x"] + number)
        other_client.async_stream_infer("affine", [tensor], request_id=str(number))
    assert arrived.wait(20)
    other_client.stop_stream()
    for result, error in answers:
        assert error is None
        number = int(result.get_response().id)
        assert np.allclose(result.as_numpy("y"), 2 * (inputs["x"] + number) + 1)


def test_tritonclient_talks_to_a_server_directly(fleet, inputs):
    client = triton.InferenceServerClient(fleet.about["edge-1"]["address"])
    tensor = triton.InferInput("x", [1, 3], "FP32")
    tensor.set_data_from_numpy(inputs["x"])
    assert np.allclose(client.infer("affine", [tensor]).as_numpy("y"), [[3, 5, 7]])
    client.close()


def refusal(fleet, headers):
    credentials = grpc.ssl_channel_credentials(fleet.ca_path.read_bytes())
    with grpc.secure_channel(fleet.address, credentials) as channel:
        body = encode_request("affine", "", {"x": np.zeros((1, 3), np.float32)})
        with pytest.raises(grpc.RpcError) as failure:
            channel.unary_unary(METHODS["ModelInfer"].path)(body, metadata=tuple(headers.items()), timeout=20)
    return failure.value


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (lambda fleet: {}, "carries no robot token"),
        (lambda fleet: {"authorization": "Basic Zm9v"}, "not a bearer token"),
        (lambda fleet: {"authorization": "Bearer abc.def.ghi"}, "token"),
        (lambda fleet: bearer(fleet, whom="10.0.0.99"), "is for 'rilaas://10.0.0.99'"),
        (lambda fleet: bearer(fleet, clock=lambda: 1_000_000_000), "expired"),
        (lambda fleet: bearer(fleet, lifetime_s=86_400), "lives 86400 s"),
        (lambda fleet: bearer(fleet, single_use=True), "only opens a stream"),
        (lambda fleet: forged(bearer(fleet)), "signature is wrong"),
        (lambda fleet: unsigned(bearer(fleet)), "algorithm"),
    ],
)
def test_bad_tokens_are_refused_and_told_why(fleet, headers, words):
    failure = refusal(fleet, headers(fleet))
    assert failure.code() is grpc.StatusCode.UNAUTHENTICATED
    error = error_from_rpc(failure)
    assert isinstance(error, Unauthenticated)
    assert words in str(error)


def forged(headers):
    head, payload, signature = headers["authorization"].split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return {"authorization": f"{head}.{payload}.{signature[:middle]}{other}{signature[middle + 1 :]}"}


def unsigned(headers):
    import base64
    import json

    head, payload, _ = headers["authorization"].removeprefix("Bearer ").split(".")
    fields = json.loads(base64.urlsafe_b64decode(head + "=="))
    none = base64.urlsafe_b64encode(json.dumps({**fields, "alg": "none"}).encode()).decode().rstrip("=")
    return {"authorization": f"Bearer {none}.{payload}."}


def test_a_stranger_is_refused_before_its_message_is_read(fleet):
    credentials = grpc.ssl_channel_credentials(fleet.ca_path.read_bytes())
    never = threading.Event()

    def message():
        never.wait(30)
        yield b""

    with grpc.secure_channel(fleet.address, credentials) as channel:
        with pytest.raises(grpc.RpcError) as failure:  # as a stream of one message, which is the same on the wire
            channel.stream_unary(METHODS["ModelInfer"].path)(message(), timeout=20)
        assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED
        never.set()


def test_a_robot_may_not_hold_any_number_of_streams(fleet):
    credentials = grpc.ssl_channel_credentials(fleet.ca_path.read_bytes())
    body = encode_request("affine", "", {"x": np.zeros((1, 3), np.float32)}, request_id="1")
    release = threading.Event()

    def hold():
        yield body
        release.wait(30)

    def opened(channel):
        call = channel.stream_stream(METHODS["ModelStreamInfer"].path)(
            hold(), metadata=tuple(bearer(fleet, single_use=True).items()), timeout=30
        )
        next(call)
        return call

    with grpc.secure_channel(fleet.address, credentials) as channel:
        calls = []
        with pytest.raises(grpc.RpcError) as failure:
            calls.extend(opened(channel) for _ in range(40))
        assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 10 <= len(calls) <= 16
        release.set()
        for call in calls:
            call.cancel()


def test_a_stream_token_opens_one_stream(fleet):
    headers = tuple(bearer(fleet, single_use=True).items())
    credentials = grpc.ssl_channel_credentials(fleet.ca_path.read_bytes())
    body = encode_request("affine", "", {"x": np.zeros((1, 3), np.float32)}, request_id="1")
    with grpc.secure_channel(fleet.address, credentials) as channel:
        stream = channel.stream_stream(METHODS["ModelStreamInfer"].path)
        assert len(list(stream(iter([body]), metadata=headers, timeout=20))) == 1
        with pytest.raises(grpc.RpcError) as failure:
            list(stream(iter([body]), metadata=headers, timeout=20))
    assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b + b"\xff\xff\xff", lambda b: b"\x00" * 50]
)
def test_a_truncated_or_garbled_request_is_refused_and_harms_nobody(fleet, robot, inputs, damage):
    body = encode_request("affine", "", {"x": np.zeros((1, 3), np.float32)})
    credentials = grpc.ssl_channel_credentials(fleet.ca_path.read_bytes())
    headers = tuple(bearer(fleet).items())
    with grpc.secure_channel(fleet.address, credentials) as channel:
        with pytest.raises(grpc.RpcError) as failure:
            channel.unary_unary(METHODS["ModelInfer"].path)(damage(body), metadata=headers, timeout=20)
        assert failure.value.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED}
    assert np.allclose(robot.predict(inputs)["y"], [[3, 5, 7]])


def test_a_message_over_the_limit_is_refused(fleet, robot, inputs):
    with pytest.raises(Exception, match="(?i)large|bytes|connection|interceptor") as failure:
        robot.predict({"x": np.zeros((6_000_000, 3), np.float32)}, deadline_s=20.0)  # 72 MB
    assert failure.value.code in {"invalid_input", "unavailable"}
    assert np.allclose(robot.predict(inputs)["y"], [[3, 5, 7]])


def test_a_wrong_shape_by_tritonclient_is_told(fleet, other_client):
    tensor = triton.InferInput("x", [1, 2], "FP32")
    tensor.set_data_from_numpy(np.zeros((1, 2), np.float32))
    with pytest.raises(InferenceServerException, match=r"x.*FP32 \[1, 2\].*\[-1, 3\]"):
        other_client.infer("affine", [tensor], headers=bearer(fleet))


def test_the_interceptor_speaks_only_tls(fleet):
    with grpc.insecure_channel(fleet.address) as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary(METHODS["ServerLive"].path)(b"", timeout=5)
    with pytest.raises(OSError):  # noqa: PT011  # whatever it is called, it is no answer
        urllib.request.urlopen(f"http://{fleet.address}/", timeout=5)
