import time

import numpy as np
import pytest

from rilaas.core import DeadlineExceeded, ModelFailed, SignatureMismatch
from rilaas.serve.isolation import launch
from rilaas.wire import FrameKind, decode_metadata, decode_response, encode_request, unpack_error
from tests.model_folders import write_python_model
from tests.replica_client import ReplicaClient

# y is x with the number of rows that were computed at once in its last column
COUNTING = """
    import numpy as np

    class Model:
        def __init__(self, folder, session): pass
        def predict(self, inputs):
            x = inputs["x"]
            if (x == 13).any(): raise ValueError("unlucky")
            if (x == 14).any() and len(x) > 1: return {"y": x[:1]}
            y = x.copy()
            y[:, -1] = len(x)
            return {"y": y}
"""
WAITING = "\n[batching]\nmax_size = 4\nmax_wait_s = 1.0\n"


def x(*values):
    return {"x": np.array([[value, 0.0, 0.0] for value in values], np.float32)}


@pytest.fixture
def run(tmp_path):
    running = []

    def start(folder):
        running.append(launch(folder, tmp_path / f"{len(running)}.sock", isolation="process"))
        return running[-1].socket_path

    yield start
    for replica in running:
        replica.stop()


@pytest.fixture
def path(run, tmp_path):
    return run(write_python_model(tmp_path / "m", COUNTING, toml=WAITING))


def together(client, *requests, deadline=np.inf):
    """Send at once, then receive all, in order of the requests."""
    for each in requests:
        client.send(encode_request("m", "", each), deadline=deadline)
    return client.frames(len(requests))


def test_an_answer_tells_how_long_it_waited_for_the_model_and_how_long_for_others(path):
    with ReplicaClient(path) as client:
        first, second = [decode_response(frame.body).parameters for frame in together(client, x(1), x(2))]
        assert first["rilaas_batch_s"] > 0.5  # of the 1.0 s that the model waits for a full batch
        assert first["rilaas_queue_s"] < 0.5
        assert second["rilaas_batch_s"] <= first["rilaas_batch_s"]


def outputs(frames):
    return [decode_response(frame.body).tensors["y"].tolist() for frame in frames]


def errors(frames):
    return [unpack_error(frame.body) if frame.kind is FrameKind.ERROR else None for frame in frames]


def test_requests_that_come_together_are_computed_together_and_get_their_own_rows(path):
    with ReplicaClient(path) as client:
        got = outputs(together(client, x(1), x(2), x(3), x(4)))
    assert got == [[[value, 0.0, 4.0]] for value in (1.0, 2.0, 3.0, 4.0)]


def test_requests_of_several_connections_are_computed_together(path):
    with ReplicaClient(path) as one, ReplicaClient(path) as two:
        one.send(encode_request("m", "", x(1)))
        two.send(encode_request("m", "", x(2, 3, 4)))
        assert one.result().tensors["y"].tolist() == [[1.0, 0.0, 4.0]]
        assert two.result().tensors["y"].tolist() == [[2.0, 0.0, 4.0], [3.0, 0.0, 4.0], [4.0, 0.0, 4.0]]


def test_a_batch_never_has_more_rows_than_its_size_but_for_a_single_request(path):
    with ReplicaClient(path) as client:
        got = outputs(together(client, x(1, 2, 3), x(4, 5, 6), x(*range(20, 27)), x(7)))
    sizes = [rows[0][-1] for rows in got]
    assert sizes[0] == 3
    assert sizes[2] == 7
    assert all(size <= 4 for size in (sizes[0], sizes[1], sizes[3]))
    assert [row[0] for row in got[2]] == list(range(20, 27))


def test_a_request_alone_is_answered_when_it_has_waited(run, tmp_path):
    with ReplicaClient(
        run(write_python_model(tmp_path / "m", COUNTING, toml=WAITING.replace("1.0", "0.01")))
    ) as client:
        assert client.predict(x(1)).tensors["y"].tolist() == [[1.0, 0.0, 1.0]]


def test_the_wait_ends_as_long_before_the_earliest_deadline_as_computing_takes(run, tmp_path):
    slow = COUNTING.replace("            y = x.copy()", "            import time; time.sleep(0.1); y = x.copy()")
    with ReplicaClient(run(write_python_model(tmp_path / "m", slow, toml=WAITING))) as client:
        assert client.predict(x(1), deadline=time.monotonic() + 0.8).tensors["y"].tolist() == [[1.0, 0.0, 1.0]]


def test_a_late_request_gets_its_error_and_the_others_their_answers(path):
    with ReplicaClient(path) as client:
        late = client.send(encode_request("m", "", x(9)), deadline=time.monotonic() - 1)
        for value in (1, 2, 3, 4):
            client.send(encode_request("m", "", x(value)))
        frames = client.frames(5)
    assert frames[0].call == late
    assert [type(error) for error in errors(frames)] == [DeadlineExceeded] + [type(None)] * 4
    assert [rows[0][0] for rows in outputs(frames[1:])] == [1.0, 2.0, 3.0, 4.0]


def test_a_request_that_does_not_fit_is_refused_and_the_others_are_computed_together(path):
    wrong = {"x": np.zeros((1, 2), np.float32)}
    with ReplicaClient(path) as client:
        frames = together(client, x(1), wrong, x(2), x(3))
    assert [type(error) for error in errors(frames)] == [type(None), SignatureMismatch, type(None), type(None)]
    assert outputs([frames[0], frames[2], frames[3]]) == [[[v, 0.0, 3.0]] for v in (1.0, 2.0, 3.0)]


def test_a_request_on_which_the_model_fails_does_not_spoil_the_others(path):
    with ReplicaClient(path) as client:
        frames = together(client, x(1), x(13), x(2), x(3))
    assert [type(error) for error in errors(frames)] == [type(None), ModelFailed, type(None), type(None)]
    assert outputs([frames[0]]) == [[[1.0, 0.0, 1.0]]]


def test_a_model_that_loses_rows_is_asked_one_by_one(path):
    with ReplicaClient(path) as client:
        assert outputs(together(client, x(14), x(1), x(2), x(3))) == [[[14.0, 0.0, 1.0]]] + [
            [[value, 0.0, 1.0]] for value in (1.0, 2.0, 3.0)
        ]


def test_requests_of_different_sizes_are_answered_in_groups(run, tmp_path):
    folder = write_python_model(tmp_path / "m", COUNTING, toml=WAITING)
    toml = folder / "model.toml"
    toml.write_text(toml.read_text().replace("shape = [-1, 3]", "shape = [-1, -1]"))
    with ReplicaClient(run(folder)) as client:
        wide = {"x": np.zeros((1, 5), np.float32)}
        got = outputs(together(client, x(1), wide, x(2), wide))
    assert [(len(rows[0]), rows[0][-1]) for rows in got] == [(3, 2.0), (5, 2.0), (3, 2.0), (5, 2.0)]


def test_metadata_say_how_it_batches_and_do_not_wait_for_others(path):
    with ReplicaClient(path) as client:
        client.send(b"", kind=FrameKind.METADATA)
        assert decode_metadata(client.receive().body)[3]["batching"] == "max_size=4 max_wait_s=1.0"


def test_each_answer_has_its_own_queue_time(path):
    with ReplicaClient(path) as client:
        client.send(encode_request("m", "", x(1)))
        time.sleep(0.05)
        for value in (2, 3, 4):
            client.send(encode_request("m", "", x(value)))
        told = {frame.call: decode_response(frame.body).parameters for frame in client.frames(4)}
    queues = {call: row["rilaas_queue_s"] + row["rilaas_batch_s"] for call, row in told.items()}
    assert queues[1] >= 0.05 + min(queues[call] for call in (2, 3, 4))
