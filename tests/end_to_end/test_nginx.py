"""nginx as the load balancer before two servers, as the RILaaS document has it: clear text gRPC on loopback."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from benchmarks.balancing_replayed.nginx import Nginx, configuration, program

from rilaas.wire import METHODS, decode_response, encode_request
from tests.model_folders import write_python_model

SLOW = """
import time
class Model:
    def __init__(self, folder, session): pass
    def predict(self, inputs):
        time.sleep(float(inputs["x"][0, 0]))
        return {"y": inputs["x"] + 1}
    def reset(self): pass
"""
ADDRESSES = ["127.0.0.1:7001", "127.0.0.1:7002"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Addresses of two servers, each with the models ``short`` and ``long``."""
    if program() is None:
        pytest.skip("nginx is not installed; scripts/install_packages.sh nginx-light")
    folder = tmp_path_factory.mktemp("servers")
    models = [str(write_python_model(folder / name, SLOW, name=name)) for name in ("short", "long")]
    command = [sys.executable, "-m", "rilaas.cli", "serve", *models, "--replicas", "2"]
    command += ["--listen", "127.0.0.1:0", "--insecure", "--ready", "-", "-q"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        yield [json.loads(process.stdout.readline())["address"] for process in running]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
            process.stdout.close()


def ask(channel, model, seconds=0.0):
    """One request; returns the answer's tensor and which server nginx sent it to."""
    body = encode_request(model, "", {"x": np.full((1, 3), seconds, np.float32)})
    answer, call = channel.unary_unary(METHODS["ModelInfer"].path).with_call(body, timeout=30)
    return decode_response(answer).tensors["y"], dict(call.initial_metadata())["rilaas-upstream"]


@pytest.fixture
def through(servers, tmp_path):
    """Starts nginx with a method and gives a channel to it; ended with the test."""
    started = []

    def start(method):
        started.append(Nginx(tmp_path / method, method, servers).__enter__())
        started.append(grpc.insecure_channel(started[-1].address))
        return started[-1]

    yield start
    for each in reversed(started):
        each.__exit__(None, None, None)


def test_another_projects_client_is_answered_through_nginx(servers, tmp_path):
    with Nginx(tmp_path / "nginx", "least_conn", servers) as nginx:
        client = triton.InferenceServerClient(nginx.address)
        assert client.is_model_ready("short")
        tensor = triton.InferInput("x", [1, 3], "FP32")
        tensor.set_data_from_numpy(np.zeros((1, 3), np.float32))
        assert np.array_equal(client.infer("short", [tensor]).as_numpy("y"), np.ones((1, 3)))
        client.close()


def test_least_conn_avoids_the_server_that_is_at_work(through, servers):
    channel = through("least_conn")
    with ThreadPoolExecutor() as pool:
        long = pool.submit(ask, channel, "long", 4.0)
        time.sleep(0.5)  # until it is there
        answers = [ask(channel, "short") for _ in range(6)]
        busy = long.result()[1]
    assert {upstream for _, upstream in answers} == set(servers) - {busy}
    assert all(np.array_equal(tensor, np.ones((1, 3))) for tensor, _ in answers)


def test_round_robin_goes_round_the_servers(through, servers):
    channel = through("round_robin")
    upstreams = [ask(channel, "short")[1] for _ in range(6)]
    assert set(upstreams) == set(servers)
    assert upstreams[:2] * 3 == upstreams


def test_the_rotation_is_of_all_models_together_so_that_two_in_turn_meet_one_server_each(through, servers):
    channel = through("round_robin")
    pairs = [(ask(channel, "short")[1], ask(channel, "long")[1]) for _ in range(4)]
    assert len(set(pairs)) == 1
    assert set(pairs[0]) == set(servers)


def test_an_error_of_the_model_comes_through_nginx_as_it_was(through):
    with pytest.raises(grpc.RpcError) as failure:
        ask(through("least_conn"), "nobody")
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND
    assert "nobody" in failure.value.details()


def test_a_configuration_names_the_servers_and_the_method():
    text = configuration("/tmp/here", "least_conn", 8000, ADDRESSES)
    assert "listen 127.0.0.1:8000 http2;" in text
    assert [line.split()[1] for line in text.splitlines() if line.strip().startswith("server 127")] == ADDRESSES
    assert "        least_conn;\n" in text
    assert "least_conn" not in configuration("/tmp/here", "round_robin", 8000, ADDRESSES)


@pytest.mark.parametrize(("method", "addresses"), [("best", ADDRESSES), ("least_conn", [])])
def test_what_nginx_cannot_do_is_refused_before_it_is_started(method, addresses):
    with pytest.raises(ValueError, match="nginx"):
        configuration("/tmp/here", method, 8000, addresses)
