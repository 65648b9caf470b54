"""Servers die, stop and return; robots should not notice where their deadline allows it."""

import signal
import threading
import time

import numpy as np
import pytest

from rilaas.cli.fleet import FleetServer
from rilaas.client import RobotClient
from rilaas.core import ModelFailed, RateLimited, RilaasError, Unauthenticated
from tests.file_fleet import FileFleet
from tests.model_folders import COUNTING_MODEL, write_affine_model, write_python_model

TWO = (FleetServer("a", "edge"), FleetServer("b", "cloud"))


@pytest.fixture
def pair(tmp_path):
    model = write_affine_model(tmp_path / "affine", name="affine", a=2.0, b=1.0, size=3)
    with FileFleet(tmp_path / "home", model, "affine", TWO, "round_robin") as fleet:
        yield fleet


def client(fleet, model="affine"):
    return RobotClient(fleet.address, model, "", fleet.key_path, fleet.ca_path)


def drive(fleet, seconds, errors, servers):
    """Ask for a while from one robot; collect what goes wrong and who answered."""
    end = time.monotonic() + seconds
    with client(fleet) as robot:
        number = 0
        while time.monotonic() < end:
            number += 1
            time.sleep(0.01)  # four robots stay under the demo's rate limit
            x = np.full((1, 3), number, np.float32)
            try:
                answer = robot.predict({"x": x}, deadline_s=5.0)
                servers.append(answer.timing.server)
                assert np.allclose(answer["y"], 2 * x + 1)
            except RilaasError as error:
                errors.append(error)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killing_one_server_loses_no_request(pair, how):
    errors, servers = [], []
    robots = [threading.Thread(target=drive, args=(pair, 4.0, errors, servers)) for _ in range(4)]
    for robot in robots:
        robot.start()
    time.sleep(1.0)
    pair.processes["a"].send_signal(how)
    pair.processes["a"].wait(20)
    gone = len(servers)
    for robot in robots:
        robot.join()
    assert not errors
    assert {"a", "b"} == set(servers[:gone])
    assert len(servers) > gone + 20
    assert set(servers[gone + 20 :]) == {"b"}


def test_a_replica_that_dies_is_started_again(tmp_path):
    source = """
import os
class Model:
    def __init__(self, folder, session): pass
    def predict(self, inputs):
        if inputs["x"][0, 0] < 0: os._exit(3)
        return {"y": inputs["x"]}
    def reset(self): pass
"""
    model = write_python_model(tmp_path / "fragile", source, name="fragile")
    with FileFleet(tmp_path / "home", model, "fragile", TWO[:1]) as fleet, client(fleet, "fragile") as robot:
        shape = [1 if size == -1 else size for size in robot.signature.inputs["x"].shape]
        good = {"x": np.ones(shape, np.float32)}
        robot.predict(good)
        with pytest.raises(RilaasError) as failure:
            robot.predict({"x": -np.ones(shape, np.float32)}, deadline_s=0.2)
        assert failure.value.code in {"unavailable", "deadline_exceeded"}
        assert np.array_equal(robot.predict(good, deadline_s=30.0)["y"], good["x"])


def test_the_models_own_error_is_told_without_a_traceback(tmp_path):
    source = """
class Model:
    def __init__(self, folder, session): pass
    def predict(self, inputs):
        if inputs["x"].any(): raise ValueError("the gripper is closed")
        return {"y": inputs["x"]}
    def reset(self): pass
"""
    model = write_python_model(tmp_path / "angry", source, name="angry")
    with FileFleet(tmp_path / "home", model, "angry", TWO[:1]) as fleet, client(fleet, "angry") as robot:
        shape = [1 if size == -1 else size for size in robot.signature.inputs["x"].shape]
        with pytest.raises(RilaasError, match="the gripper is closed") as failure:
            robot.predict({"x": np.ones(shape, np.float32)})
        assert failure.value.code == "model_failed"
        assert "Traceback" not in str(failure.value)
        assert "hooks.py" not in failure.value.message


def test_a_server_that_returns_is_used_again(pair):
    address = pair.about["a"]["address"]
    pair.processes["a"].kill()
    pair.processes["a"].wait(20)
    with client(pair) as robot:
        x = {"x": np.zeros((1, 3), np.float32)}
        for _ in range(10):
            assert robot.predict(x, deadline_s=5.0).timing.server == "b"
        arguments = ["serve", f"affine={pair.model}", "--listen", address, "--insecure"]
        pair.processes["a"].stdout.close()
        pair._launch("a", arguments)
        pair._ready("a")
        end = time.monotonic() + 60
        while robot.predict(x, deadline_s=5.0).timing.server != "a":
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_change_of_the_access_file_is_in_force_on_open_connections(pair):
    access = pair.folder / "access.toml"
    text = access.read_text()
    x = {"x": np.zeros((1, 3), np.float32)}
    with client(pair) as robot:
        robot.predict(x)
        access.write_text(text.replace("rate_per_s = 1000\nburst = 100", "rate_per_s = 0.001\nburst = 2"))
        assert "0.001 times a second, 2 at once" in str(until(RateLimited, robot, x))
        access.write_text("[robots]\n")
        assert "not registered any more" in str(until(Unauthenticated, robot, x))


def until(kind, robot, inputs, seconds=20.0):
    """Ask until this kind of error comes."""
    end = time.monotonic() + seconds
    while True:
        try:
            robot.predict(inputs)
        except RilaasError as error:
            if isinstance(error, kind):
                return error
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_server_that_cannot_load_its_model_says_why(tmp_path):
    model = write_affine_model(tmp_path / "affine", name="affine", a=2.0, b=1.0, size=3)
    (model / "weights.onnx").write_bytes(b"not an onnx file at all")
    with (
        pytest.raises(RilaasError, match=r"a did not start.*") as failure,
        FileFleet(tmp_path / "h", model, "affine", TWO),
    ):
        pass
    assert "weights.onnx" in str(failure.value)


def test_reset_reaches_the_model(tmp_path):
    model = write_python_model(tmp_path / "counting", COUNTING_MODEL, name="counting")
    with FileFleet(tmp_path / "home", model, "counting", TWO[:1]) as fleet, client(fleet, "counting") as robot:
        shape = [1 if size == -1 else size for size in robot.signature.inputs["x"].shape]
        x = {"x": np.ones(shape, np.float32)}
        robot.reset()
        assert [robot.predict(x)["y"].flat[0] for _ in range(3)] == [1, 2, 3]
        robot.reset()
        assert robot.predict(x)["y"].flat[0] == 1
        assert robot.submit(x).result(20)["y"].flat[0] == 2


FRAGILE = """
import os, time
class Model:
    def __init__(self, folder, session): pass
    def predict(self, inputs):
        if inputs["x"][0, 0] == 666: os._exit(3)
        if inputs["x"][0, 0] == 777: time.sleep(3600)
        return {"y": inputs["x"]}
    def reset(self): pass
"""


def restarts(fleet):
    """How often each server's replica was started anew."""
    counts = {}
    for name in ("a", "b"):
        log = (fleet.folder / f"{name}.log").read_text()
        counts[name] = log.count("restart in")
    return counts


def test_a_request_that_kills_the_model_is_tried_once_more_and_not_again(tmp_path):
    model = write_python_model(tmp_path / "fragile", FRAGILE, name="fragile")
    with (
        FileFleet(tmp_path / "home", model, "fragile", TWO, "round_robin") as fleet,
        client(fleet, "fragile") as robot,
    ):
        shape = [1 if size == -1 else size for size in robot.signature.inputs["x"].shape]
        with pytest.raises(ModelFailed, match="ended the process of 'fragile' on 2 servers"):
            robot.predict({"x": np.full(shape, 666, np.float32)}, deadline_s=20.0)
        good = {"x": np.ones(shape, np.float32)}
        assert np.array_equal(robot.predict(good, deadline_s=30.0)["y"], good["x"])
        assert sum(restarts(fleet).values()) <= 2


def test_a_model_that_hangs_is_started_anew_and_the_others_are_served(tmp_path):
    model = write_python_model(tmp_path / "fragile", FRAGILE, name="fragile")
    with (model / "model.toml").open("a") as file:
        file.write("\n[limits]\nanswer_s = 1.0\n")
    with FileFleet(tmp_path / "home", model, "fragile", TWO[:1]) as fleet, client(fleet, "fragile") as robot:
        shape = [1 if size == -1 else size for size in robot.signature.inputs["x"].shape]
        with pytest.raises(RilaasError):
            robot.predict({"x": np.full(shape, 777, np.float32)}, deadline_s=0.3)
        good = {"x": np.ones(shape, np.float32)}
        assert np.array_equal(robot.predict(good, deadline_s=60.0)["y"], good["x"])
        assert "hangs: no answer" in (fleet.folder / "a.log").read_text()
