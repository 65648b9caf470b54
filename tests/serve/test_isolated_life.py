"""How an isolated replica starts, ends and dies, and what is told of it."""

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput, InvalidModelFolder, ModelFailed
from rilaas.serve.isolation import launch
from rilaas.store import Limits
from tests.model_folders import write_affine_model, write_python_model
from tests.replica_client import ReplicaClient
from tests.serve.hostile import MIB, Hostile, write_hostile_model


def gone(pid):
    """Whether a process ends (a zombie has ended) within some seconds."""
    until = time.monotonic() + 20.0
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


PARENT = """
import sys, time
from rilaas.serve.isolation import launch
replica = launch(sys.argv[1], sys.argv[2], isolation=sys.argv[3])
print(replica.pid, replica.process.pid, flush=True)
time.sleep(600)
"""


def test_a_replica_dies_with_its_parent_even_in_the_middle_of_work(tmp_path, kind):
    folder = write_hostile_model(tmp_path / "m")
    command = [sys.executable, "-c", PARENT, str(folder), str(tmp_path / "s.sock"), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        with ReplicaClient(tmp_path / "s.sock") as client:
            from rilaas.wire import encode_request

            busy = np.array([b'__import__("time").sleep(600)'], object)
            client.send(encode_request("m", "", {"expression": busy}))
            parent.kill()
            parent.wait()
            assert all(gone(pid) for pid in pids)


def test_a_replica_outlives_the_thread_that_launched_it(tmp_path, kind):
    folder, launched = write_hostile_model(tmp_path / "m"), []
    thread = threading.Thread(target=lambda: launched.append(launch(folder, tmp_path / "s.sock", isolation=kind)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    try:
        with ReplicaClient(tmp_path / "s.sock") as client:
            answer = client.predict({"expression": np.array([b"6 * 7"], object)})
            assert answer.tensors["answer"].tolist() == [b"42"]
    finally:
        assert launched[0].stop() == 0


def test_sigterm_reaches_the_replica_through_the_sandbox(tmp_path, kind):
    source = """
        import time
        class Model:
            def __init__(self, folder, session): pass
            def predict(self, inputs):
                time.sleep(0.1)
                return {"y": inputs["x"]}
    """
    replica = launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation=kind)
    with ReplicaClient(replica.socket_path) as client:
        from rilaas.wire import FrameKind, encode_request

        for _ in range(3):
            client.send(encode_request("m", "", {"x": np.ones((1, 3), np.float32)}))
        client.receive()
        assert replica.stop(10.0) == 0
        assert [frame.kind for frame in client.frames(2)] == [FrameKind.OK] * 2


def test_a_crash_is_seen_from_outside(tmp_path, kind):
    model = Hostile(tmp_path, kind)
    try:
        with pytest.raises(ConnectionError):
            model("ctypes.string_at(0)")
        assert model.replica.process.wait(10) in (-signal.SIGSEGV, 128 + signal.SIGSEGV)
        model.replica.stop()
        assert any("Segmentation fault" in line for line in model.replica.log_tail)
    finally:
        model.close()


def test_a_model_that_cannot_load_gives_its_own_reason(tmp_path, kind):
    folder = write_affine_model(tmp_path / "m")
    (folder / "weights.onnx").unlink()
    with pytest.raises(InvalidModelFolder, match=r"there is no file 'weights\.onnx'"):
        launch(folder, tmp_path / "s.sock", isolation=kind)
    assert not (tmp_path / "s.sock").exists()


def test_a_replica_that_dies_while_loading_tells_its_last_words_and_its_limit(tmp_path, kind):
    source = "import sys, os\nprint('my last words', flush=True)\nos.kill(os.getpid(), 9) or os._exit(7)\n"
    with pytest.raises(ModelFailed, match="died while it loaded its model") as caught:
        launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation=kind)
    assert "my last words" in caught.value.hint
    assert "2048 MiB of memory" in caught.value.hint
    assert not (tmp_path / "s.sock").exists()


def test_too_little_memory_to_start_is_told_as_such(tmp_path, kind):
    limits = Limits(memory_bytes=16 * MIB)
    with pytest.raises(ModelFailed, match="died while it loaded its model") as caught:
        launch(write_affine_model(tmp_path / "m"), tmp_path / "s.sock", isolation=kind, limits=limits)
    assert "It may use 16 MiB of memory" in caught.value.hint


def test_a_replica_that_is_not_ready_in_time_is_killed(tmp_path, kind):
    source = "import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(600)\n"
    with pytest.raises(ModelFailed, match="was not ready within 0.7 s"):
        launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation=kind, timeout_s=0.7)
    assert not (tmp_path / "s.sock").exists()


def test_a_model_cannot_say_in_place_of_the_replica_that_it_is_ready(tmp_path):
    source = "import os\nfor n in range(3, 20):\n  try: os.write(n, b'[1]\\n')\n  except OSError: pass\n"
    with pytest.raises(ModelFailed, match="said something that is not readable"):
        launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation="process")


def test_the_socket_is_for_its_owner_only_and_an_old_one_is_replaced(tmp_path, kind):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    replica = launch(write_affine_model(tmp_path / "m"), path, isolation=kind)
    try:
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        replica.stop()
    assert not path.exists()
    replica.stop()  # a second time is harmless


def test_a_socket_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="at most 107 bytes"):
        launch(tmp_path, tmp_path / ("long" * 40))
