import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from rilaas.core import DeadlineExceeded, InvalidInput, ModelFailed, RilaasError, SignatureMismatch
from rilaas.infer import load
from rilaas.serve.connection import Connection
from rilaas.serve.isolation import launch
from rilaas.store import Limits
from rilaas.wire import FrameKind, decode_metadata, encode_request, pack_header, unpack_error
from rilaas.wire.frame import MAX_BODY_BYTES
from tests.model_folders import write_affine_model, write_python_model
from tests.replica_client import ReplicaClient

X = {"x": np.array([[1.0, 2.0, 3.0]], np.float32)}


@pytest.fixture
def run(tmp_path):
    """Start replicas of folders; they are stopped at the end."""
    running = []

    def start(folder, **options):
        path = tmp_path / f"{len(running)}.sock"
        running.append(launch(folder, path, isolation="process", **options))
        return running[-1]

    yield start
    for replica in running:
        replica.stop()


@pytest.fixture
def client(run, tmp_path):
    with ReplicaClient(run(write_affine_model(tmp_path / "affine")).socket_path) as each:
        yield each


def python_model(folder, predict, init="pass", **options):
    source = f"import os, time\nimport numpy as np\nclass Model:\n  def __init__(self, folder, session): {init}\n"
    return write_python_model(folder, f"{source}  def predict(self, inputs):\n    {predict}\n", **options)


def test_a_replica_answers_what_the_model_answers_in_this_process(client, tmp_path):
    answer = client.predict(X, request_id="seven")
    np.testing.assert_array_equal(answer.tensors["y"], load(tmp_path / "affine").predict(X)["y"])
    assert (answer.model, answer.request_id) == ("model", "seven")
    assert answer.version == load(tmp_path / "affine").folder.version


def test_an_answer_says_where_the_time_went(client):
    parameters = client.predict(X).parameters
    assert set(parameters) == {"rilaas_queue_s", "rilaas_preprocess_s", "rilaas_compute_s", "rilaas_postprocess_s"}
    assert all(isinstance(value, float) and value >= 0.0 for value in parameters.values())
    assert parameters["rilaas_compute_s"] > 0.0


def test_metadata_come_from_the_folder(client, tmp_path):
    client.send(b"", kind=FrameKind.METADATA)
    name, versions, signature, properties = decode_metadata(client.receive().body)
    folder = load(tmp_path / "affine").folder
    assert (name, versions, signature) == ("affine", (folder.version,), folder.manifest.signature)
    assert properties["digest"] == folder.digest
    assert properties["backend"] == "onnxruntime"
    assert properties["batching"] == "off"
    assert properties["isolation"].startswith("process: ")


def test_a_deadline_that_has_passed_is_told_and_nothing_is_computed(run, tmp_path):
    replica = run(python_model(tmp_path / "m", 'self.n += 1; return {"y": inputs["x"] * 0 + self.n}', "self.n = 0"))
    with ReplicaClient(replica.socket_path) as client:
        before = client.predict(X).tensors["y"][0, 0]
        with pytest.raises(DeadlineExceeded, match="while the request waited"):
            client.predict(X, deadline=time.monotonic() - 1.0)
        assert client.predict(X, deadline=time.monotonic() + 60).tensors["y"][0, 0] == before + 1


def test_wrong_tensors_are_refused_with_both_sides(client):
    with pytest.raises(SignatureMismatch, match=r"Input 'x' is FP64 \[1, 3\]; the model has x: FP32 \[-1, 3\]"):
        client.predict({"x": np.zeros((1, 3))})
    with pytest.raises(SignatureMismatch, match="no input 'z'. Available: x"):
        client.predict({"z": np.zeros((1, 3), np.float32)})
    assert client.predict(X).tensors["y"].shape == (1, 3)


def test_only_the_wanted_outputs_are_sent_and_unknown_ones_refused(client):
    from rilaas.wire import inference_pb2 as pb

    body = encode_request("model", "", X)
    client.send(body + pb.ModelInferRequest(outputs=[{"name": "y"}]).SerializeToString())
    assert set(client.result().tensors) == {"y"}
    client.send(body + pb.ModelInferRequest(outputs=[{"name": "ys"}]).SerializeToString())
    with pytest.raises(SignatureMismatch, match="no output 'ys'. Did you mean 'y'?"):
        client.result()


def test_typed_contents_are_understood(client):
    from rilaas.wire import inference_pb2 as pb

    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "contents": {"fp32_contents": [1.0, 2.0, 3.0]}}
    client.send(pb.ModelInferRequest(model_name="m", inputs=[tensor]).SerializeToString())
    assert client.result().tensors["y"].tolist() == [[3.0, 5.0, 7.0]]


def test_a_request_can_ask_to_forget_everything_first(run, tmp_path):
    source = """
        class Model:
            def __init__(self, folder, session): self.n = 0
            def predict(self, inputs):
                self.n += 1
                return {"y": inputs["x"] * 0 + self.n}
            def reset(self): self.n = 0
    """
    with ReplicaClient(run(write_python_model(tmp_path / "m", source)).socket_path) as client:
        counts = [client.predict(X, parameters={"rilaas_reset": reset}).tensors["y"][0, 0] for reset in (0, 0, True)]
    assert counts == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("body", [b"\xff" * 40, b"", b"\x0a\x05model", b"\x2a\xff\xff\xff\xff\x0f"])
def test_a_body_that_is_no_request_is_refused_and_the_replica_goes_on(client, body):
    client.send(body)
    with pytest.raises(InvalidInput):
        client.result()
    assert client.predict(X).tensors["y"].shape == (1, 3)


def test_a_frame_of_an_unknown_kind_is_refused_and_the_next_one_answered(client):
    client.sock.sendall(struct.pack("<IBQdd", 25 + 5, 99, 42, 0.0, 0.0) + b"hello")
    frame = client.receive()
    assert (frame.kind, frame.call) == (FrameKind.ERROR, 42)
    assert "unknown kind 99" in str(unpack_error(frame.body))
    assert client.predict(X).tensors["y"].shape == (1, 3)


def test_a_body_that_is_too_large_is_refused_before_it_is_stored_and_skipped(run, tmp_path):
    replica = run(write_affine_model(tmp_path / "m"), limits=Limits(memory_bytes=2**28))
    with ReplicaClient(replica.socket_path) as client:
        size = 65 * 2**20
        client.sock.sendall(pack_header(FrameKind.INFER, 5, 0.0, 0.0, size))
        error = client.receive()
        assert error.call == 5
        assert f"A message of {size} bytes is too large; this replica takes {2**26}" in str(unpack_error(error.body))
        for _ in range(65):
            client.sock.sendall(bytes(2**20))
        assert client.predict(X).tensors["y"].shape == (1, 3)


def test_bytes_that_are_no_frames_end_the_connection_and_no_other(client, run, tmp_path):
    with ReplicaClient(run(write_affine_model(tmp_path / "m")).socket_path) as good:
        path = good.sock.getpeername()
        with ReplicaClient(path) as bad:
            bad.sock.sendall(bytes(29))
            assert bad.receive().kind is FrameKind.ERROR
            with pytest.raises(ConnectionError):
                bad.receive()
        assert good.predict(X).tensors["y"].shape == (1, 3)


def test_a_client_that_leaves_or_stalls_in_the_middle_of_a_frame_disturbs_nobody(client):
    path = client.sock.getpeername()
    whole = pack_header(FrameKind.INFER, 1, 0.0, np.inf, 100) + bytes(100)
    stalled = []
    for size in (1, 28, 29, 30, 128):
        with ReplicaClient(path) as leaving:
            leaving.sock.sendall(whole[:size])
        stalled.append(ReplicaClient(path))
        stalled[-1].sock.sendall(whole[:size])
        assert client.predict(X).tensors["y"].shape == (1, 3)
    for each, size in zip(stalled, (1, 28, 29, 30, 128), strict=True):
        each.sock.sendall(whole[size:])  # and whoever goes on is answered after all
        assert each.receive().kind is FrameKind.ERROR
        each.sock.close()


def test_a_client_that_leaves_before_its_answer_disturbs_nobody(client):
    path = client.sock.getpeername()
    for _ in range(5):
        with ReplicaClient(path) as leaving:
            leaving.send(encode_request("m", "", X))
    assert client.predict(X).tensors["y"].shape == (1, 3)


def test_frames_sent_at_once_are_answered_in_order(client):
    numbers = [client.send(encode_request("m", "", {"x": X["x"] + n}, request_id=str(n))) for n in range(50)]
    assert [client.receive().call for _ in numbers] == numbers
    assert client.predict(X).tensors["y"][0, 0] == 3.0


def test_large_tensors_go_through_whole(run, tmp_path):
    folder = write_affine_model(tmp_path / "m", size=300_000)
    with ReplicaClient(run(folder).socket_path) as client:
        for rows in (1, 3, 1, 2):
            x = np.random.default_rng(rows).standard_normal((rows, 300_000)).astype(np.float32)
            np.testing.assert_array_equal(client.predict({"x": x}).tensors["y"], x * 2 + 1)


def test_an_array_that_the_model_keeps_is_not_overwritten_by_later_requests(run, tmp_path):
    source = """
        class Model:
            def __init__(self, folder, session): self.kept = None
            def predict(self, inputs):
                if self.kept is None: self.kept = inputs["x"][:, ::-1]
                return {"y": self.kept}
            def reset(self): self.kept = None
    """
    folder = write_python_model(tmp_path / "m", source)
    with ReplicaClient(run(folder).socket_path) as client:
        for value in range(1, 20):
            x = np.full((1, 3), value, np.float32)
            assert client.predict({"x": x}).tensors["y"].tolist() == [[1.0, 1.0, 1.0]]


def test_memory_of_a_request_is_used_again_when_nobody_keeps_it():
    here, there = socket.socketpair()
    connection = Connection(here, MAX_BODY_BYTES)

    def receive():
        there.sendall(pack_header(FrameKind.INFER, 1, 0.0, np.inf, 8) + bytes(8))
        return connection.receive()

    first = receive()
    connection.recycle(first)
    second = receive()
    assert second.buffer is first.buffer
    kept = np.frombuffer(second.body, np.uint8)
    connection.recycle(second)
    third = receive()
    assert third.buffer is not second.buffer
    assert kept.tolist() == [0] * 8
    here.close()
    there.close()


def test_an_error_of_the_model_is_an_answer_and_the_replica_goes_on(run, tmp_path):
    folder = python_model(tmp_path / "m", 'assert inputs["x"][0, 0] < 5, "too far"; return {"y": inputs["x"]}')
    replica = run(folder)
    with ReplicaClient(replica.socket_path) as client:
        with pytest.raises(ModelFailed, match=r"failed in predict: AssertionError: too far\.") as caught:
            client.predict({"x": X["x"] + 9})
        assert "Traceback" not in str(caught.value)
        assert client.predict(X).tensors["y"].tolist() == X["x"].tolist()
    replica.stop()
    assert any("AssertionError: too far" in line for line in replica.log_tail)


def test_a_crash_of_the_model_ends_its_own_replica_only(run, tmp_path):
    crash = 'import ctypes; inputs["x"][0, 0] > 5 and ctypes.string_at(0); return {"y": inputs["x"]}'
    bad, good = run(python_model(tmp_path / "bad", crash)), run(write_affine_model(tmp_path / "good"))
    with ReplicaClient(bad.socket_path) as client, ReplicaClient(good.socket_path) as other:
        assert client.predict(X).tensors["y"].shape == (1, 3)
        with pytest.raises(ConnectionError):
            client.predict({"x": X["x"] + 9})
        assert bad.process.wait(10) == -signal.SIGSEGV
        assert other.predict(X).tensors["y"].shape == (1, 3)


def test_sigterm_answers_what_has_been_received_and_ends_with_0(run, tmp_path):
    replica = run(python_model(tmp_path / "m", 'time.sleep(0.05); return {"y": inputs["x"]}'))
    with ReplicaClient(replica.socket_path) as one, ReplicaClient(replica.socket_path) as two:
        for client in (one, two, one, two):
            client.send(encode_request("m", "", X))
        one.receive()
        os.kill(replica.pid, signal.SIGTERM)
        for client in (one, two, two):
            assert client.receive().kind is FrameKind.OK
        assert replica.process.wait(10) == 0


def test_sigterm_ends_an_idle_replica_and_one_that_waits_for_the_rest_of_a_frame(run, tmp_path):
    replica = run(write_affine_model(tmp_path / "m"))
    with ReplicaClient(replica.socket_path) as client:
        client.sock.sendall(b"\x30")
        assert replica.stop() == 0
    assert not replica.socket_path.exists()


def test_what_does_not_end_is_killed(run, tmp_path):
    replica = run(python_model(tmp_path / "m", 'inputs["x"].any() and time.sleep(600); return {"y": inputs["x"]}'))
    with ReplicaClient(replica.socket_path) as client:
        client.send(encode_request("m", "", X))
        time.sleep(0.2)
        assert replica.stop(0.2) == -signal.SIGKILL


def by_hand(folder, path):
    command = [sys.executable, "-m", "rilaas.serve.replica", "--folder", str(folder), "--socket", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_started_by_hand_it_says_in_one_line_that_it_is_ready(tmp_path):
    folder = python_model(tmp_path / "m", 'print("noise"); return {"y": inputs["x"]}', 'print("noise")')
    with by_hand(folder, tmp_path / "s.sock") as process:
        said = json.loads(process.stdout.readline())
        assert said == {
            "ready": True,
            "model": "iterative",
            "version": load(folder).folder.version,
            "isolation": "none: started by hand",
            "at_once": 1,
        }
        with ReplicaClient(tmp_path / "s.sock") as client:
            assert client.predict(X).tensors["y"].tolist() == X["x"].tolist()
        process.terminate()
        assert process.wait(10) == 0
        assert process.stdout.read() == b""


def test_a_model_that_cannot_load_is_told_in_one_line_with_the_errors_exit_code(tmp_path):
    folder = write_affine_model(tmp_path / "m")
    (folder / "weights.onnx").unlink()
    with by_hand(folder, tmp_path / "s.sock") as process:
        said = json.loads(process.stdout.readline())
        assert process.wait(10) == 2
    assert (said["ready"], said["code"]) == (False, "invalid_model")
    assert "there is no file 'weights.onnx'" in said["message"]
    assert not (tmp_path / "s.sock").exists()


@pytest.mark.parametrize(
    ("init", "predict", "said"),
    [
        ("1 / 0", 'return {"y": inputs["x"]}', r"Model.__init__: ZeroDivisionError"),
        ("pass", "return {}", "broke its own signature"),
        ("raise SystemExit(0)", "return {}", "SystemExit"),
    ],
)
def test_a_model_that_fails_at_its_first_computation_never_becomes_ready(run, tmp_path, init, predict, said):
    with pytest.raises(ModelFailed, match=said):
        run(python_model(tmp_path / "m", predict, init))
    assert not list(tmp_path.glob("*.sock"))


def test_nobody_can_connect_before_the_model_is_ready(tmp_path):
    folder = python_model(tmp_path / "m", 'return {"y": inputs["x"]}', "time.sleep(0.5)")
    with by_hand(folder, tmp_path / "s.sock") as process:
        with pytest.raises(OSError, match=r"No such file|refused"):
            ReplicaClient(tmp_path / "s.sock")
        process.stdout.readline()
        with ReplicaClient(tmp_path / "s.sock") as client:
            assert client.predict(X)
        process.terminate()


def test_a_bug_in_the_replica_is_told_without_details():
    from rilaas.serve.answer import told

    assert str(told(KeyError("secret"))) == "The replica failed: KeyError. The traceback is in the server's log."
    assert isinstance(told(MemoryError()), ModelFailed)
    error = RilaasError("x")
    assert told(error) is error
