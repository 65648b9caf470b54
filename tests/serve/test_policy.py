import os
import threading
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import DeadlineExceeded, InvalidModelFolder, ModelFailed, NotFound, SignatureMismatch, check_policy
from rilaas.serve.policy import replica_policy
from rilaas.store import Limits
from tests.model_folders import COUNTING_MODEL, write_affine_model, write_python_model
from tests.processes import processes_of

X = {"x": np.array([[1.0, 2.0, 3.0]], np.float32)}

# x[0, 0] says what it does
UNRULY = """
import os
import signal
import sys
import time

import numpy as np

import rilaas.serve.answer as answer
import rilaas.serve.connection as connection

encode, pack, what = answer.encode_response, connection.pack_header, 0.0


def forge(*arguments, **more):
    return b"\\xff\\xff\\xff" if what == 6.0 else encode(*arguments, **more)


def mangle(*arguments):
    return b"x" * 50 if what == 7.0 else pack(*arguments)


answer.encode_response, connection.pack_header = forge, mangle


class Model:
    def __init__(self, folder, session):
        self.calls = 0

    def predict(self, inputs):
        global what
        what = float(inputs["x"][0, 0])
        if what == 1.0:
            raise ValueError("this is too much")
        if what == 2.0:
            print("what I always wanted to say", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if what == 3.0:
            time.sleep(0.3)
        if what == 4.0:
            time.sleep(1000)
        if what == 5.0:
            return {"y": np.zeros((6_000_000, 3), np.float32)}
        return {"y": inputs["x"]}

    def reset(self):
        pass
"""


def asked(value):
    return {"x": np.full((1, 3), value, np.float32)}


@pytest.fixture(scope="module")
def unruly(tmp_path_factory):
    return write_python_model(tmp_path_factory.mktemp("models") / "unruly", UNRULY, name="unruly")


@pytest.mark.parametrize("write", [write_affine_model, write_python_model], ids=["onnx", "python"])
def test_a_replica_is_a_policy(tmp_path, write):
    with replica_policy(write(tmp_path / "model"), isolation="process") as policy:
        check_policy(policy)


def test_a_reset_reaches_the_model(tmp_path):
    folder = write_python_model(tmp_path / "model", COUNTING_MODEL)
    with replica_policy(folder, isolation="process") as policy:
        assert [policy.predict(X)["y"][0, 0] for _ in range(3)] == [1, 2, 3]
        policy.reset()
        assert [policy.predict(X)["y"][0, 0] for _ in range(2)] == [1, 2]


def test_nothing_is_left_behind(tmp_path):
    folder = write_affine_model(tmp_path / "model")
    with replica_policy(folder, isolation="process") as policy:
        socket = policy.launched.socket_path
        assert processes_of(folder)
        assert policy.predict(X).timing.compute_s > 0.0
    assert not processes_of(folder)
    assert not socket.parent.exists()


def test_the_manifests_limits_hold_unless_others_are_given(tmp_path):
    folder = write_affine_model(tmp_path / "model", toml="[limits]\nmemory_bytes = 900_000_000\n")
    for limits, expected in ((None, 900_000_000), (Limits(memory_bytes=1_000_000_000), 1_000_000_000)):
        with replica_policy(folder, limits=limits, isolation="process") as policy:
            rows = Path(f"/proc/{policy.launched.pid}/limits").read_text().splitlines()
            assert str(expected) in next(row for row in rows if row.startswith("Max address space"))


def test_an_exception_of_the_model_fails_one_call_only(unruly):
    with replica_policy(unruly, isolation="process") as policy:
        with pytest.raises(ModelFailed, match="this is too much"):
            policy.predict(asked(1.0))
        assert policy.predict(asked(0.0))["y"].shape == (1, 3)


def test_a_replica_that_dies_is_told_with_the_last_that_it_wrote(unruly):
    with replica_policy(unruly, isolation="process") as policy:
        policy.predict(asked(0.0))
        told = r"unruly ended while it worked on a request \(signal SIGKILL\)[\s\S]*what I always wanted to say"
        with pytest.raises(ModelFailed, match=told):
            policy.predict(asked(2.0))
        with pytest.raises(ModelFailed, match=told):
            policy.predict(asked(0.0))


def test_a_replica_that_was_killed_between_calls_is_told_as_well(unruly):
    with replica_policy(unruly, isolation="process") as policy:
        policy.predict(asked(0.0))
        os.kill(policy.launched.pid, 9)
        policy.launched.process.wait()
        with pytest.raises(ModelFailed, match="SIGKILL"):
            policy.predict(asked(0.0))


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(unruly):
    with replica_policy(unruly, isolation="process") as policy:
        with pytest.raises(DeadlineExceeded):
            policy.predict(asked(3.0), deadline_s=0.05)
        assert policy.predict(asked(8.0))["y"][0, 0] == 8.0


def test_a_replica_that_hangs_is_ended(unruly):
    with replica_policy(unruly, limits=Limits(answer_s=0.5), isolation="process") as policy:
        with pytest.raises(ModelFailed, match=r"no answer within 0.5 s and was ended"):
            policy.predict(asked(4.0))
        assert policy.launched.process.poll() is not None


def test_large_answers_come_whole(unruly):
    with replica_policy(unruly, isolation="process") as policy:
        assert policy.predict(asked(5.0))["y"].shape == (6_000_000, 3)


@pytest.mark.parametrize(("forged", "why"), [(6.0, "no message"), (7.0, "no readable answer")])
def test_what_is_no_answer_is_the_models_failure(unruly, forged, why):
    with replica_policy(unruly, isolation="process") as policy, pytest.raises(ModelFailed, match=why):
        policy.predict(asked(forged))


def test_several_threads_may_ask(unruly):
    answers = {}

    def ask(number):
        answers[number] = [policy.predict(asked(number))["y"][0, 0] for _ in range(20)]

    with replica_policy(unruly, isolation="process") as policy:
        threads = [threading.Thread(target=ask, args=(float(number),)) for number in range(10, 14)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert answers == {float(number): [number] * 20 for number in range(10, 14)}


def test_what_cannot_be_started_is_told(tmp_path):
    with pytest.raises(NotFound), replica_policy(tmp_path / "nothing"):
        pass
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidModelFolder), replica_policy(tmp_path / "empty"):
        pass
    broken = write_python_model(tmp_path / "broken", "raise RuntimeError('not today')\n")
    with pytest.raises(ModelFailed, match="not today"), replica_policy(broken, isolation="process"):
        pass


def test_inputs_that_do_not_fit_do_not_reach_the_replica(tmp_path):
    with replica_policy(write_affine_model(tmp_path / "model"), isolation="process") as policy:
        policy.launched.process.kill()
        policy.launched.process.wait()
        with pytest.raises(SignatureMismatch):
            policy.predict({"x": np.zeros(3, np.float32)})
