"""Limits that fail loudly; among them the mistakes of the study that this room begins with."""

from dataclasses import replace

import numpy as np
import pytest

from rilaas.core import InvalidInput
from rilaas.infer.session import Kernels
from rilaas.optimize.gate import Gate, check, mse_ratio, score_loss
from rilaas.optimize.measured import Driven, Measured, Weight

N = 200
DRAW = np.random.default_rng(0)
ANSWERS = DRAW.normal(0.0, 0.5, (N, 2))
TARGETS = ANSWERS + DRAW.normal(0.0, 0.02, (N, 2))


def measured(answers, name="variant", *, targets=TARGETS, p50_s=1e-3, size_bytes=1000, **more):
    """What ``measure`` gives for these answers."""
    against = ANSWERS if targets is None else targets
    squares = (answers - against) ** 2
    times = np.full(100, p50_s)
    return Measured(
        name,
        "cpu/openvino/int8",
        Weight(size_bytes, size_bytes, 10, 10, 0.0, 10),
        0.1,
        times,
        times,
        squares.mean(axis=1),
        {f"command[{index}]": float(squares[:, index].mean()) for index in range(2)},
        (answers - ANSWERS).astype(np.float32),
        ("command[0]", "command[1]"),
        has_targets=targets is not None,
        answer_variance=float(ANSWERS.var(axis=0).mean()),
        **more,
    )


def limits(found):
    return [each.limit for each in found]


FLOAT = measured(ANSWERS, "float")
NEAR = ANSWERS + np.random.default_rng(1).normal(0.0, 0.001, (N, 2))


def test_a_variant_that_keeps_all_limits_passes():
    gate = Gate(1.05, 0.05, 0.01, 2000, 0.5)
    assert check(gate, measured(NEAR), FLOAT) == []


def test_an_integer_output_that_nobody_dequantized_is_caught_whatever_the_gate_says():
    integers = np.clip(np.round(ANSWERS / 0.015) + 128, 0, 255)  # the study's mean squared error was 28157
    found = check(Gate(), measured(integers), FLOAT)
    assert limits(found) == ["knows_something"]
    assert "Are integer outputs turned back into numbers" in found[0].words
    assert limits(check(Gate(max_mse_ratio=1.05), measured(integers), FLOAT)) == ["knows_something", "max_mse_ratio"]


def test_a_quantized_artifact_without_integer_kernels_is_reported_and_caught():
    fake = measured(NEAR, kernels=Kernels(10, 0), wanted_integer=True)
    real = measured(NEAR, kernels=Kernels(10, 8), wanted_integer=True)
    assert fake.is_really_integer is False
    found = check(Gate(), fake, FLOAT)
    assert limits(found) == ["integer"]
    assert "only looks quantized: none of its 10 convolutions" in found[0].words
    assert check(Gate(), real, FLOAT) == []
    assert check(Gate(integer=False), fake, FLOAT) == []
    assert check(Gate(), replace(fake, kernels=None), FLOAT) == []  # nobody can tell
    assert check(Gate(), replace(fake, kernels=Kernels(0, 0)), FLOAT) == []  # the runtime fused all it has


def test_the_error_of_default_calibration_is_caught():
    own = FLOAT.mse
    noisy = ANSWERS + np.random.default_rng(2).normal(0.0, np.sqrt(12.0 * own), (N, 2))
    found = check(Gate(max_mse_ratio=1.05), measured(noisy), FLOAT)
    assert limits(found) == ["max_mse_ratio"]
    assert found[0].got == pytest.approx(13.0, rel=0.2)
    assert check(Gate(max_mse_ratio=1.05), measured(NEAR), FLOAT) == []


def test_without_targets_the_error_of_default_calibration_is_caught_too():
    base = measured(ANSWERS, "float", targets=None)
    off = measured(ANSWERS + np.random.default_rng(2).normal(0.0, 0.07, (N, 2)), targets=None)
    assert limits(check(Gate(max_mse_ratio=1.05), off, base)) == ["max_mse_ratio"]
    assert check(Gate(max_mse_ratio=1.05), measured(NEAR, targets=None), base) == []
    assert mse_ratio(base, base).mean == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=["nan", "infinite"])
def test_answers_that_are_not_finite_are_caught_whatever_the_gate_says(bad):
    broken = NEAR.copy()
    broken[3, 1] = bad
    found = check(Gate(max_mse_ratio=1e9, max_difference=1e9), measured(broken), FLOAT)
    assert "finite" in limits(found)
    assert {"max_mse_ratio", "max_difference"} <= set(limits(found))
    assert found[0].words == "variant: 1 of 200 answers are not finite."


def test_the_largest_difference_names_its_element():
    off = NEAR.copy()
    off[7, 1] += 0.3
    found = check(Gate(max_difference=0.1), measured(off), FLOAT)
    assert limits(found) == ["max_difference"]
    assert "command[1] differs by up to 0.3" in found[0].words


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (Gate(max_p99_s=0.0005), "99th percentile is 1 ms, allowed are 0.5 ms"),
        (Gate(max_size_bytes=999), "1,000 bytes, allowed are 999"),
        (Gate(min_speedup=2), "1.00 times as fast as the float model, at least 2 times"),
    ],
    ids=["p99", "size", "speed"],
)
def test_time_and_size_have_limits(gate, words):
    found = check(gate, measured(NEAR), FLOAT)
    assert len(found) == 1
    assert words in found[0].words


def driven(scores, name="variant", suite="lf"):
    return Driven(name, {"driving_score": np.array(scores, float)}, {}, np.zeros(len(scores)), suite=suite)


def test_a_score_fails_only_where_the_whole_interval_lies_above_the_limit():
    base = driven([90.0] * 30, "float")
    worse = driven([80.0 + index % 3 for index in range(30)])
    unsure = driven([90.0 if index % 2 else 75.0 for index in range(10)] + [90.0] * 20)
    gate = Gate(max_score_loss=2.0)
    assert limits(check(gate, measured(NEAR), FLOAT, worse, base)) == ["max_score_loss"]
    assert score_loss(unsure, base).mean == pytest.approx(2.5)
    assert check(gate, measured(NEAR), FLOAT, unsure, base) == []


def test_a_limit_on_the_score_that_nobody_drove_for_is_not_kept():
    found = check(Gate(max_score_loss=2.0), measured(NEAR), FLOAT)
    assert limits(found) == ["max_score_loss"]
    assert "nobody drove it" in found[0].words


def test_episodes_pair_and_those_without_a_score_are_left_out():
    base, own = driven([90.0, 80.0, np.nan], "float"), driven([89.0, 80.0, 10.0])
    assert score_loss(own, base).n == 2
    with pytest.raises(InvalidInput, match="Drive both through the same suite"):
        score_loss(driven([1.0]), base)


def test_the_ratios_interval_is_paired():
    noisy = TARGETS + 1.1 * (ANSWERS - TARGETS)
    ratio = mse_ratio(measured(noisy), FLOAT)
    assert ratio.mean == pytest.approx(1.21)
    assert ratio.high - ratio.low < 1e-9  # the same factor at every sample: nothing to be unsure about


def test_limits_that_do_not_exist_are_refused():
    with pytest.raises(InvalidInput, match="no limit 'max_mse'.*Did you mean"):
        Gate.of({"max_mse": 1.0})
    with pytest.raises(InvalidInput, match="a number above 0"):
        Gate.of({"max_p99_s": -1})
    with pytest.raises(InvalidInput, match="true or false"):
        Gate.of({"integer": 1})
