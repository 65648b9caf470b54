import numpy as np
import pytest

from rilaas.core import InvalidInput, Signature, TensorSpec
from rilaas.infer import example_inputs, load, profile
from tests.model_folders import COUNTING_MODEL, write_affine_model, write_python_model


def test_a_profile_counts_its_predictions_and_orders_its_percentiles(tmp_path):
    policy = load(write_affine_model(tmp_path / "m"))
    measured = profile(policy, n=50, warm_up=5)
    assert measured.n == 50
    assert 0.0 < measured.p50_s <= measured.p95_s <= measured.p99_s <= measured.worst_s
    assert measured.preprocess_s + measured.compute_s + measured.postprocess_s <= measured.mean_s
    assert str(measured).endswith("ms (n=50)")


def test_the_warm_up_asks_the_policy_but_is_not_counted(tmp_path):
    policy = load(write_python_model(tmp_path / "m", COUNTING_MODEL))
    assert profile(policy, n=3, warm_up=4).n == 3
    assert policy.predict({"x": np.ones((1, 3), np.float32)})["y"][0, 0] == 8


def test_a_profile_of_nothing_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="n = 0"):
        profile(load(write_python_model(tmp_path / "m")), n=0)


def test_example_inputs_fit_every_datatype():
    specs = [
        TensorSpec(name.lower(), name, (-1, 2, -1)) for name in ("BOOL", "UINT8", "INT64", "FP16", "FP64", "BYTES")
    ]
    signature = Signature.of(tuple(specs), ())
    for seed in (None, 3):
        inputs = example_inputs(signature, batch=4, seed=seed)
        signature.check_inputs(inputs)
        assert {array.shape for array in inputs.values()} == {(4, 2, 1)}
    assert not any(array.any() for array in example_inputs(signature).values())
    assert inputs["uint8"].max() > 1
