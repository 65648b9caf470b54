"""RobotClient as in the source document, in front of real processes, and with the interceptor inside."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rilaas.client import EmbeddedTransport, RobotClient
from rilaas.core import InvalidInput, PermissionDenied, RilaasError, Unauthenticated, check_policy
from rilaas.wire import generate_key
from tests.client.front import eventually, x
from tests.model_folders import write_affine_model, write_python_model

SLOW = """
import time
class Model:
    def __init__(self, folder, session):
        pass
    def predict(self, inputs):
        time.sleep(float(inputs["x"][0, 0]))
        return {"y": inputs["x"]}
    def reset(self):
        pass
"""


def write_access(folder, key, *models):
    text = f'[robots.alice]\nkeys = ["{key.line}"]\n'
    (folder / "access.toml.new").write_text(text + "".join(f"[robots.alice.models.{model}]\n" for model in models))
    (folder / "access.toml.new").replace(folder / "access.toml")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A folder with two models, a robot's key, its access and a route."""
    folder = tmp_path_factory.mktemp("fleet")
    write_affine_model(folder / "affine")
    write_python_model(folder / "slow", SLOW, name="slow")
    key = generate_key(folder / "robot").public
    write_access(folder, key, "affine", "slow")
    (folder / "route.toml").write_text(
        'listen = "127.0.0.1:0"\naccess = "access.toml"\n[tls]\nauthority = "tls"\n'
        '[[servers]]\nname = "here"\nmodels = ["affine", "slow"]\n'
    )
    return folder


class Route:
    """A ``rilaas route`` process."""

    def __init__(self, folder, address="127.0.0.1:0"):
        path = folder / f"route-{address}.toml"
        path.write_text((folder / "route.toml").read_text().replace("127.0.0.1:0", address))
        command = [
            sys.executable,
            "-m",
            "rilaas.cli",
            "route",
            "--config",
            path,
            "--ready",
            "-",
            "-q",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.process.stdout.readline())["address"]

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def close(self):
        self.process.terminate()
        self.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def start_route(fleet):
    """Start interceptors that end with the tests."""
    started = []

    def start(*address):
        started.append(Route(fleet, *address))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def route(start_route):
    return start_route()


def test_the_source_documents_example_works_word_for_word(fleet, route):
    TARGET_IP = route.address
    MODEL_NAME = "affine"
    MODEL_VERSION = "1"
    PRIVATE_SSH_KEY_PATH = str(fleet / "robot")
    SSL_CERTIFICATE_LOCATION = str(fleet / "tls" / "ca.pem")
    inputs = {"x": np.ones((1, 3), np.float32)}

    rc = RobotClient(TARGET_IP, MODEL_NAME, MODEL_VERSION, PRIVATE_SSH_KEY_PATH, SSL_CERTIFICATE_LOCATION)
    outputs = rc.predict(inputs)

    assert outputs["y"].tolist() == [[3, 3, 3]]
    rc.close()


@pytest.fixture
def robot(fleet, route):
    with RobotClient(route.address, "affine", "", fleet / "robot", fleet / "tls" / "ca.pem") as client:
        yield client


def test_a_served_model_keeps_the_contract_of_a_policy(robot):
    check_policy(robot)
    timing = robot.predict({"x": np.zeros((1, 3), np.float32)}).timing
    assert timing.server == "here"
    assert 0 < timing.compute_s < timing.total_s


def test_a_key_that_is_revoked_stops_working_on_the_open_stream(fleet, robot):
    inputs = {"x": np.zeros((1, 3), np.float32)}
    robot.predict(inputs)
    access = (fleet / "access.toml").read_text()

    def refusal():
        try:
            robot.predict(inputs)
        except Unauthenticated as error:
            return error.message
        return ""

    try:
        write_access(fleet, generate_key(fleet / "other").public, "affine")
        eventually(refusal)
        assert "not registered any more" in refusal()
    finally:
        (fleet / "access.toml").write_text(access)
    eventually(lambda: not refusal())


def test_a_model_without_a_grant_is_denied(fleet, route):
    key, ca = fleet / "robot", fleet / "tls" / "ca.pem"
    with RobotClient(route.address, "secret", "", key, ca) as client, pytest.raises(PermissionDenied):
        client.predict(x(1))


def test_an_interceptor_that_is_killed_and_started_again_during_calls_loses_none(fleet, start_route):
    route = start_route()
    key, ca = fleet / "robot", fleet / "tls" / "ca.pem"
    ended = threading.Event()
    with RobotClient(route.address, "affine", "", key, ca) as client:

        def drive(number):
            count = 0
            while not ended.is_set():
                inputs = {"x": np.full((1, 3), number, np.float32)}
                assert client.predict(inputs, deadline_s=60)["y"][0, 0] == 2 * number + 1
                count += 1
            return count

        with ThreadPoolExecutor(4) as pool:
            drives = [pool.submit(drive, number) for number in range(4)]
            try:
                time.sleep(0.3)
                route.kill()
                start_route(route.address)
                assert client.predict({"x": np.zeros((1, 3), np.float32)}, deadline_s=60)["y"][0, 0] == 1
            finally:
                ended.set()
            assert all(each.result() > 0 for each in drives)


@pytest.fixture
def embedded(fleet):
    transport = EmbeddedTransport(fleet / "route.toml", fleet / "robot")
    yield transport
    transport.close()


def test_the_interceptor_inside_the_client_keeps_the_contract_too(embedded):
    client = RobotClient.over(embedded, "affine")
    check_policy(client)
    assert client.submit({"x": np.zeros((1, 3), np.float32)}).result(20)["y"][0, 0] == 1


def test_closing_an_interceptor_inside_the_client_fails_what_is_in_flight(embedded):
    client = RobotClient.over(embedded, "slow")
    client.predict({"x": np.zeros((1, 3), np.float32)})
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.predict, {"x": np.full((1, 3), 60, np.float32)})
        time.sleep(0.2)
        client.close()
        with pytest.raises(RilaasError):
            call.result(20)
    client.close()
    with pytest.raises(InvalidInput, match="closed"):
        client.predict({"x": np.zeros((1, 3), np.float32)})


def test_an_interceptor_inside_the_client_wants_a_known_key(fleet, tmp_path):
    generate_key(tmp_path / "stranger")
    with pytest.raises(Unauthenticated, match="belongs to no robot"):
        EmbeddedTransport(fleet / "route.toml", tmp_path / "stranger")
