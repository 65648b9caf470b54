import numpy as np
import pytest

from rilaas.core import (
    DeadlineExceeded,
    Fallback,
    PermissionDenied,
    Policy,
    Prediction,
    Signature,
    SignatureMismatch,
    TensorSpec,
    Timing,
    Unavailable,
    check_policy,
)

SIGNATURE = Signature.of((TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1, 2)),))
X = {"x": np.ones((1, 2), np.float32)}


class Double:
    signature = SIGNATURE

    def predict(self, inputs, *, deadline_s=None):
        self.signature.check_inputs(inputs)
        if deadline_s is not None and deadline_s <= 0:
            raise DeadlineExceeded("late")
        return Prediction({"y": inputs["x"] * 2}, Timing(total_s=1e-6))

    def reset(self):
        pass


class Broken(Double):
    def __init__(self, error):
        self.error = error

    def predict(self, inputs, *, deadline_s=None):
        self.signature.check_inputs(inputs)
        raise self.error


def test_a_good_policy_passes_the_check():
    assert isinstance(Double(), Policy)
    check_policy(Double())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda self, inputs, deadline_s: {"y": inputs["x"]}, "predict returns a Prediction"),
        (lambda self, inputs, deadline_s: Prediction({"y": inputs["x"]}), "total_s is measured"),
        (
            lambda self, inputs, deadline_s: Prediction({"y": inputs["x"]}, Timing(total_s=1)),
            "raises SignatureMismatch",
        ),
    ],
)
def test_the_check_says_which_sentence_a_policy_breaks(fault, words):
    class Bad(Double):
        def predict(self, inputs, *, deadline_s=None):
            return fault(self, inputs, deadline_s)

    with pytest.raises(AssertionError, match=words):
        check_policy(Bad())


def test_the_check_notices_a_policy_that_changes_its_input_or_remembers():
    class Scribbler(Double):
        def predict(self, inputs, *, deadline_s=None):
            answer = super().predict(inputs, deadline_s=deadline_s)
            inputs["x"][:] = 7
            return answer

    with pytest.raises(AssertionError, match="changed its input"):
        check_policy(Scribbler())

    class Counter(Double):
        calls = 0

        def predict(self, inputs, *, deadline_s=None):
            answer = super().predict(inputs, deadline_s=deadline_s)
            self.calls += 1
            return Prediction({"y": answer["y"] + self.calls}, answer.timing)

    with pytest.raises(AssertionError, match="after reset"):
        check_policy(Counter())


def test_a_prediction_is_a_mapping_of_its_tensors():
    answer = Double().predict(X)
    assert list(answer) == ["y"]
    assert len(answer) == 1
    assert np.array_equal(answer["y"], [[2, 2]])


def test_the_wire_gets_what_is_left_of_the_total():
    assert Timing(queue_s=1, compute_s=2, total_s=5).wire_s == 2


def test_a_fallback_passes_the_check_and_uses_the_primary():
    policy = Fallback(Double(), Double())
    check_policy(policy)
    assert policy.predict(X).timing.server == ""


def test_a_fallback_answers_when_the_primary_cannot():
    answer = Fallback(Broken(Unavailable("gone")), Double()).predict(X, deadline_s=1.0)
    assert answer.timing.server == "fallback"
    assert np.array_equal(answer["y"], [[2, 2]])


def test_a_fallback_keeps_a_part_of_the_deadline():
    seen = []

    class Watcher(Double):
        def predict(self, inputs, *, deadline_s=None):
            seen.append(deadline_s)
            return super().predict(inputs, deadline_s=deadline_s)

    Fallback(Watcher(), Double(), reserve_s=0.25).predict(X, deadline_s=1.0)
    assert seen == [0.75]


def test_a_fallback_hides_no_refusal():
    with pytest.raises(PermissionDenied):
        Fallback(Broken(PermissionDenied("no")), Double()).predict(X)


def test_a_fallback_that_lacks_an_output_is_refused():
    class Other(Double):
        signature = Signature.of(tuple(SIGNATURE.inputs.values()), (TensorSpec("z", "FP32", (1,)),))

    with pytest.raises(SignatureMismatch, match="lacks the outputs y"):
        Fallback(Double(), Other())
