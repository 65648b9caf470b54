"""A checker that others run on their own policies."""

from __future__ import annotations

import numpy as np

from rilaas.core.errors import DeadlineExceeded, SignatureMismatch
from rilaas.core.policy import Policy, Prediction, Tensors
from rilaas.core.signature import TensorSpec


def check_policy(policy: Policy, inputs: Tensors | None = None) -> None:
    """Check that a policy keeps the contract; an ``AssertionError`` says which sentence it breaks.

    Args:
        policy: What to check. It is asked a dozen times.
        inputs: Valid inputs; zeros of the signature's shapes (1 for free axes) where None.
    """
    assert isinstance(policy, Policy), "a policy has signature, predict and reset"
    signature = policy.signature
    assert signature.outputs, "a policy has at least one output"
    inputs = dict(inputs) if inputs is not None else {n: _zeros(s) for n, s in signature.inputs.items()}
    signature.check_inputs(inputs)
    before = {name: array.copy() for name, array in inputs.items()}

    policy.reset()
    first = policy.predict(inputs)
    assert isinstance(first, Prediction), "predict returns a Prediction"
    signature.check_outputs(first)
    timing = first.timing
    spent_s = (timing.queue_s, timing.preprocess_s, timing.compute_s, timing.postprocess_s, timing.total_s)
    assert min(spent_s) >= 0.0, "no step takes negative time"
    assert timing.total_s > 0.0, "timing.total_s is measured"
    for name, array in inputs.items():
        assert np.array_equal(array, before[name]), f"predict changed its input {name!r}"

    policy.reset()
    second = policy.predict(inputs)
    for name in first:
        assert np.array_equal(first[name], second[name]), f"after reset, output {name!r} differs for the same input"

    _check_refusals(policy, inputs)
    policy.predict(inputs, deadline_s=60.0)
    try:
        policy.predict(inputs, deadline_s=0.0)
    except DeadlineExceeded:
        pass
    else:
        raise AssertionError("a deadline that has passed raises DeadlineExceeded")
    signature.check_outputs(policy.predict(inputs))  # and it still works after all that


def _check_refusals(policy: Policy, inputs: Tensors) -> None:
    wrong: list[tuple[str, Tensors]] = [("an unknown input", {**inputs, "no-such-input": np.zeros(1, np.float32)})]
    for name, array in inputs.items():
        other = np.float64 if array.dtype != np.float64 else np.float32
        wrong += [
            (f"input {name!r} missing", {k: v for k, v in inputs.items() if k != name}),
            (f"input {name!r} of another dtype", {**inputs, name: np.zeros(array.shape, other)}),
            (f"input {name!r} with one axis more", {**inputs, name: array[None]}),
        ]
    for what, tensors in wrong:
        try:
            policy.predict(tensors)
        except SignatureMismatch:
            continue
        raise AssertionError(f"{what} raises SignatureMismatch")


def _zeros(spec: TensorSpec) -> np.ndarray:
    shape = tuple(1 if size == -1 else size for size in spec.shape)
    return np.full(shape, b"", object) if spec.datatype == "BYTES" else np.zeros(shape, spec.dtype)
