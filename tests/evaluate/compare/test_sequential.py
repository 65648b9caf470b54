"""Looking after every pair, and still being right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.compare import ConfidenceSequence, bounds_of


def ever_excludes(values, mean, points=201):
    """Whether, looked at after every value, the sequence of [-1, 1] ever leaves out the mean; and when."""
    sequence = ConfidenceSequence(-1.0, 1.0, points=points)
    for i, value in enumerate(values, 1):
        sequence.add(float(value))
        if sequence.excludes(mean):
            return i
    return 0


@pytest.mark.parametrize("kind", ["coin", "narrow", "skewed"])
def test_with_a_look_after_every_value_equal_policies_are_told_apart_in_at_most_five_of_a_hundred_cases(kind):
    """150 sequences of 150 values whose mean is 0. Under alpha = 0.05 at most 5 % + 3 standard errors = 10.3 %."""
    rng = np.random.default_rng(3)
    draw = {
        "coin": lambda: rng.choice([-1.0, 1.0], 150),
        "narrow": lambda: np.clip(rng.normal(0.0, 0.05, 150), -1, 1),
        "skewed": lambda: np.where(rng.random(150) < 0.1, -0.9, 0.1),  # 0.1 * -0.9 + 0.9 * 0.1 = 0
    }[kind]
    wrong = sum(ever_excludes(draw(), 0.0) > 0 for _ in range(150))
    assert wrong / 150 <= 0.103


def test_a_large_difference_is_found_soon():
    """A mean of 0.3 with deviation 0.2, 15 points of a score of 100 in [-1, 1]: always within 60 pairs."""
    rng = np.random.default_rng(5)
    when = [ever_excludes(np.clip(rng.normal(0.3, 0.2, 100), -1, 1), 0.0) for _ in range(40)]
    assert all(0 < each <= 60 for each in when)


def test_looking_with_ordinary_intervals_would_be_wrong_far_more_often():
    """The reason for all this: a 95 % z interval looked at after every value errs in far more than 5 % of cases."""
    rng = np.random.default_rng(11)
    values = np.cumsum(rng.choice([-1.0, 1.0], (300, 150)), axis=1)
    n = np.arange(1, 151)
    wrong = (np.abs(values / n) > 1.96 / np.sqrt(n))[:, 10:].any(axis=1).mean()
    assert wrong > 0.2


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_the_interval_only_shrinks_and_stays_within_the_bounds(values):
    sequence = ConfidenceSequence(-1.0, 1.0, points=101)
    before = sequence.interval
    assert before == (-1.0, 1.0)
    for value in values:
        sequence.add(value)
        low, high = sequence.interval
        assert before[0] <= low <= high <= before[1]
        before = low, high


def test_the_interval_closes_around_the_mean():
    """After 2000 values of mean 20 and deviation 10 in [-100, 100] it is narrower than 4 and holds 20."""
    rng = np.random.default_rng(1)
    sequence = ConfidenceSequence(-100.0, 100.0)
    for value in rng.normal(20.0, 10.0, 2000):
        sequence.add(float(np.clip(value, -100, 100)))
    low, high = sequence.interval
    assert low < 20.0 < high
    assert high - low < 4.0


def test_a_value_out_of_bounds_is_refused():
    with pytest.raises(ValueError, match="not from -1"):
        ConfidenceSequence(-1.0, 1.0).add(1.5)
    with pytest.raises(ValueError, match="no range"):
        ConfidenceSequence(1.0, 1.0)


def test_only_a_bounded_metric_can_be_decided_on_the_way():
    assert bounds_of("driving_score", "") == (0.0, 100.0)
    assert bounds_of("lane_time_share", "1") == (0.0, 1.0)
    with pytest.raises(InvalidInput, match="no bounds"):
        bounds_of("traffic_law_cost", "1")
    with pytest.raises(InvalidInput, match="driving_score"):
        bounds_of("driven_lane_m", "m")
