"""What a recorder keeps, and that nobody notices it."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rilaas.core import (
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Prediction,
    Signature,
    SignatureMismatch,
    TensorSpec,
    Timing,
    check_policy,
)
from rilaas.observe import Call, Recorded, read_episode
from rilaas.observe.recorder import write_episode


class Double:
    """Doubles x, and names it."""

    signature = Signature.of(
        (TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1, 2)), TensorSpec("name", "BYTES", (1,)))
    )

    def predict(self, inputs, *, deadline_s=None):
        self.signature.check_inputs(inputs)
        if deadline_s is not None and deadline_s <= 0:
            raise DeadlineExceeded("too late")
        name = np.array([b"tw\x00ice\x00"], object)
        return Prediction({"y": inputs["x"] * 2, "name": name}, Timing(compute_s=0.25, total_s=0.5, server="edge-1"))

    def reset(self):
        pass


X = {"x": np.ones((1, 2), np.float32)}


def test_a_recorded_policy_is_a_policy(tmp_path):
    check_policy(Recorded(Double(), []))
    check_policy(Recorded(Double(), tmp_path))


def test_a_list_gets_copies_of_every_call_in_order():
    calls = []
    recorded = Recorded(Double(), calls)
    image = np.zeros((1, 2), np.float32)
    recorded.predict({"x": image})
    image[:] = 7  # a camera that reuses its buffer
    recorded.predict({"x": image})
    assert [call.inputs["x"][0, 0] for call in calls] == [0, 7]
    assert calls[1].outputs["y"][0, 0] == 14
    assert calls[0].timing.server == "edge-1"
    assert 0 <= calls[0].started_s <= calls[1].started_s


def test_a_failed_call_is_kept_with_its_code():
    calls = []
    recorded = Recorded(Double(), calls)
    with pytest.raises(SignatureMismatch):
        recorded.predict({"z": X["x"]})
    assert (calls[0].error, calls[0].outputs) == ("signature_mismatch", {})


def test_every_reset_writes_an_episode_and_the_numbers_go_on(tmp_path):
    recorded = Recorded(Double(), tmp_path / "new")
    for n in (2, 1):
        for _ in range(n):
            recorded.predict(X)
        recorded.reset()
    recorded.reset()  # nothing was called since
    again = Recorded(Double(), tmp_path / "new")
    again.predict(X)
    again.close()
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == ["episode-00001.npz", "episode-00002.npz", "episode-00003.npz"]
    calls = read_episode(tmp_path / "new" / "episode-00001.npz")
    assert len(calls) == 2
    assert np.array_equal(calls[0].outputs["y"], X["x"] * 2)
    assert calls[0].outputs["name"].tolist() == [b"tw\x00ice\x00"]
    assert calls[0].timing == Timing(compute_s=0.25, total_s=0.5, server="edge-1")


def test_a_long_episode_is_continued_in_a_next_file_before_it_fills_the_memory(tmp_path):
    recorded = Recorded(Double(), tmp_path, max_bytes=100)
    for _ in range(20):
        recorded.predict(X)
    recorded.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) > 2
    assert sum(len(read_episode(path)) for path in files) == 20


def test_two_threads_share_a_recorder(tmp_path):
    recorded = Recorded(Double(), tmp_path, max_bytes=1000)
    threads = [threading.Thread(target=lambda: [recorded.predict(X) for _ in range(50)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorded.close()
    assert sum(len(read_episode(path)) for path in tmp_path.iterdir()) == 100


names = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=12)
tensors = st.dictionaries(
    names,
    hnp.arrays(st.sampled_from([np.uint8, np.float32, np.int64, np.bool_]), hnp.array_shapes(min_dims=0, max_side=3))
    | st.lists(st.binary(max_size=5), max_size=4).map(lambda values: np.array([*values, None], object)[:-1]),
    max_size=3,
)


@given(st.lists(tensors, max_size=4))
def test_any_tensors_of_any_name_survive_the_file(tmp_path_factory, episode):
    path = tmp_path_factory.mktemp("episode") / "e.npz"
    write_episode(path, [Call(float(i), inputs, inputs) for i, inputs in enumerate(episode)])
    for call, inputs in zip(read_episode(path), episode, strict=True):
        for side in (call.inputs, call.outputs):
            assert side.keys() == inputs.keys()
            for name, array in inputs.items():
                np.testing.assert_array_equal(side[name], array, strict=True)


def test_a_file_that_is_missing_or_no_episode_is_refused(tmp_path):
    with pytest.raises(NotFound, match="no file"):
        read_episode(tmp_path / "gone.npz")
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", calls=np.array([{}], object))
    for name in ("text.npz", "other.npz", "pickle.npz"):
        with pytest.raises(InvalidInput, match="not a recorded episode"):
            read_episode(tmp_path / name)
