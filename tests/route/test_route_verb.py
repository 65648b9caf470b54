"""``rilaas route --hub``: the process, a robot's client and an independent one, a hub that goes away."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import tritonclient.grpc as triton

from rilaas.client import RobotClient
from rilaas.core import PermissionDenied, RilaasError, Signature, TensorSpec
from rilaas.route.redis_policy import beat, publish, rows_of
from rilaas.serve.front import Front
from rilaas.serve.service import ModelState, OpenGate
from rilaas.wire import (
    audience,
    decode_request,
    encode_metadata,
    encode_response,
    ensure_authority,
    generate_key,
    load_private_key,
    sign_token,
)
from tests.redis_server import RedisServer
from tests.route.fake_hub import FakeHub, eventually, grant, robot

SIGNATURE = Signature({"x": TensorSpec("x", "FP32", (-1,))}, {"y": TensorSpec("y", "FP32", (-1,))})
X = {"x": np.ones(2, np.float32)}


class Doubler:
    """A server with two revisions of one model."""

    async def infer(self, body, caller, deadline):
        request = decode_request(body)
        assert request.model == "alice/double"
        answer = {"y": 2 * request.tensors["x"]}
        return encode_response(request.model, "0a1b2c", answer, request_id=request.request_id)

    async def metadata(self, model, version, caller):
        return encode_metadata("double", [version], SIGNATURE, {})

    def models(self, caller):
        return [ModelState("alice/double", version, True) for version in ("3", "4")]


@pytest.fixture(scope="module")
def upstream():
    """The port of a server in a thread of this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start():
        front = Front(Doubler(), OpenGate())
        return front, await front.start("127.0.0.1:0", None)

    front, port = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    yield port
    asyncio.run_coroutine_threadsafe(front.drain(1.0), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def hub(tmp_path, upstream):
    key = generate_key(tmp_path / "id")
    servers = [{"name": "edge-1", "kind": "edge", "address": f"127.0.0.1:{upstream}", "insecure": True}]
    models = {"alice/double": {"servers": ["edge-1"], "aliases": {"prod": "3"}}}
    with FakeHub() as hub:
        lab = robot(key.public, models={"alice/double": grant()}, names={"double": "alice/double"})
        hub.change(robots={"alice/lab-1": lab}, fleet={"servers": servers, "models": models})
        yield hub


@pytest.fixture
def routed(tmp_path, hub):
    """Start the verb; what it said when it was ready."""
    (tmp_path / "token").write_text("rilaas_good\n")
    ensure_authority(tmp_path / "tls")
    processes = []

    def start(*more, **environment):
        arguments = ["--hub", hub.url, "--name", "edge", "--token-file", "token", "--tls", "tls", "--ready", "-"]
        arguments += ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--home", "home", *more]
        process = subprocess.Popen(
            [sys.executable, "-m", "rilaas.cli", "route", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return json.loads(process.stdout.readline())

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        process.stdout.close()


@contextlib.contextmanager
def client(folder, said, model="double", version=""):
    with RobotClient(said["address"], model, version, folder / "id", folder / "tls" / "ca.pem") as robot_client:
        yield robot_client


def test_a_robot_is_served_by_the_hubs_policy_and_goes_on_without_the_hub(tmp_path, hub, routed):
    said = routed()
    with client(tmp_path, said) as ours:
        assert np.array_equal(ours.predict(X)["y"], [2, 2])
        assert ours.signature.inputs.keys() == {"x"}
        hub.stop()
        eventually(lambda: np.array_equal(ours.predict(X)["y"], [2, 2]))
        again = routed()  # and so does one that starts now
        with client(tmp_path, again) as other:
            assert np.array_equal(other.predict(X)["y"], [2, 2])
        hub.change(robots={"alice/lab-1": None})
        hub.start()

        def is_refused():
            try:
                ours.predict(X)
            except RilaasError as error:
                return error.code == "unauthenticated"
            return False

        eventually(is_refused)


def test_an_independent_client_sees_the_true_model_and_revision(tmp_path, hub, routed):
    said = routed()
    token = sign_token(load_private_key(tmp_path / "id"), audience("127.0.0.1"))
    with triton.InferenceServerClient(
        said["address"], ssl=True, root_certificates=str(tmp_path / "tls" / "ca.pem")
    ) as theirs:
        headers = {"authorization": f"Bearer {token}"}
        tensor = triton.InferInput("x", [2], "FP32")
        tensor.set_data_from_numpy(X["x"])
        for model, version in (("double", ""), ("alice/double", "prod"), ("double", "prod")):
            result = theirs.infer(model, [tensor], model_version=version, headers=headers)
            response = result.get_response()
            assert (response.model_name, response.model_version) == ("alice/double", "3")
            assert np.array_equal(result.as_numpy("y"), [2, 2])
            assert theirs.is_model_ready(model, version, headers=headers)
        assert theirs.get_model_metadata("double", "prod", headers=headers).versions == ["3"]
        hub.change(fleet={**hub.fleet, "models": {"alice/double": {"servers": ["edge-1"], "aliases": {"prod": "4"}}}})

        def version():
            return theirs.infer("double", [tensor], headers=headers).get_response().model_version

        eventually(lambda: version() == "4")


def test_the_hub_hears_where_it_is_how_it_fares_and_who_asked(tmp_path, hub, routed):
    said = routed()
    with client(tmp_path, said) as ours:
        ours.predict(X)
        with pytest.raises(PermissionDenied), client(tmp_path, said, "other") as others:
            others.predict(X)
    path, beat_of_it = eventually(lambda: next((each for each in hub.beats if each[1]["seen"]), None))
    assert path == "/api/v1/interceptors/edge"
    assert beat_of_it["address"] == said["address"]
    assert beat_of_it["metrics"] == said["metrics"]
    assert (beat_of_it["epoch"], beat_of_it["source"], beat_of_it["source_ok"]) == (hub.epoch, "hub", True)
    assert list(beat_of_it["seen"]) == ["alice/lab-1"]
    assert 0 <= beat_of_it["policy_age_s"] < 60


def test_with_redis_the_policy_comes_from_there(tmp_path, hub, routed):
    with RedisServer(tmp_path / "redis") as server, server.client() as redis:
        rows = rows_of("alice/lab-1", hub.robots["alice/lab-1"])
        publish(redis, 1, rows, {"public": [], "fleet": hub.fleet}, True)
        beat(redis, 1)
        said = routed(RILAAS_REDIS_URL=server.url)
        with client(tmp_path, said, version="prod") as ours:
            assert np.array_equal(ours.predict(X)["y"], [2, 2])
            server.kill()
            assert np.array_equal(ours.predict(X)["y"], [2, 2])
        eventually(lambda: hub.beats and hub.beats[-1][1]["source_ok"] is False)
        assert hub.beats[-1][1]["source"] == "redis"
        assert hub.beats[-1][1]["problem"]


def test_it_needs_either_a_file_or_a_hub_with_a_token(tmp_path):
    for arguments, words in (
        ([], "either --config"),
        (["--hub", "http://127.0.0.1:1"], "--token-file"),
        (["--hub", "http://127.0.0.1:1", "--token-file", "none"], "no file none"),
        (["--hub", "http://10.0.0.7:1", "--token-file", "token"], "clear text"),
    ):
        (tmp_path / "token").write_text("rilaas_good")
        command = [sys.executable, "-m", "rilaas.cli", "route", "--listen", "127.0.0.1:0", *arguments]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode in (2, 3)
        assert words in ended.stderr
