"""Means that follow changes and ignore single surprises, and rates of arrivals."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance.marginal_cost.estimate import Mean, Rate


def mean_of(*values):
    mean = Mean()
    for value in values:
        mean.add(value)
    return mean


def around_one(count):
    """Values that scatter by two percent."""
    return list(itertools.islice(itertools.cycle((0.98, 1.02, 1.0, 1.01, 0.99)), count))


@given(values=st.lists(st.floats(0.9, 1.1), min_size=1, max_size=6))
def test_the_first_few_values_make_a_plain_mean_and_variance(values):
    mean = mean_of(*values)
    assert mean.value == pytest.approx(np.mean(values))
    assert mean.variance == pytest.approx(np.var(values), abs=1e-12)
    assert mean.count == len(values)


def test_before_the_first_value_there_is_none():
    assert math.isnan(Mean().value)
    assert Mean().count == 0


@pytest.mark.parametrize("before", [6, 10, 30, 200])
@pytest.mark.parametrize("factor", [0.2, 3.0, 10.0])
def test_two_surprises_on_the_same_side_make_it_jump_to_their_mean(before, factor):
    mean = mean_of(*around_one(before))
    settled = mean.value
    mean.add(0.99 * factor)
    assert mean.jumped == 1.0
    mean.add(1.01 * factor)
    assert mean.value == pytest.approx(factor)
    assert mean.jumped == pytest.approx(factor / settled)


@pytest.mark.parametrize("before", [10, 30, 200])
def test_one_surprise_counts_as_one_value_once_the_next_is_known(before):
    mean = mean_of(*around_one(before), 5.0, 1.0)
    assert mean.jumped == 1.0
    assert mean.value == pytest.approx((sum(around_one(before)) + 6.0) / (before + 2))
    assert mean.count == before + 2


def test_a_surprise_above_and_one_below_are_no_change():
    mean = mean_of(*around_one(30), 2.0, 0.1)
    assert mean.count == 32
    assert mean.value == pytest.approx((sum(around_one(30)) + 2.1) / 32)


def test_a_change_is_told_once():
    mean = mean_of(*around_one(30), 3.0, 3.0)
    assert mean.jumped > 2.0
    mean.add(3.0)
    assert mean.jumped == 1.0


def test_a_slow_drift_is_followed_and_a_change_of_what_scatters_too():
    random = np.random.default_rng(0)
    mean = mean_of(*random.exponential(1.0, 300), *random.exponential(4.0, 60))
    assert 2.8 < mean.value < 5.2


def test_exponential_times_that_do_not_change_hardly_ever_jump():
    random = np.random.default_rng(1)
    mean, jumps = Mean(), 0
    for value in random.exponential(1.0, 5000):
        mean.add(value)
        jumps += mean.jumped != 1.0
    assert jumps <= 10


def test_scaling_moves_the_mean_and_leaves_the_rest_to_a_few_values():
    mean = mean_of(*around_one(30))
    mean.scale(5.0)
    assert mean.value == pytest.approx(5.0, rel=0.01)
    for _ in range(3):
        mean.add(1.0)
    assert mean.value < 3.1


@given(values=st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e3)), max_size=60))
def test_whatever_comes_the_mean_lies_between_the_least_and_the_most(values):
    mean = mean_of(*values)
    if values:
        slack = 1e-6 + 1e-9 * max(values)
        assert min(values) - slack <= mean.value <= max(values) + slack
        assert mean.variance >= 0.0
        assert mean.deviation >= 0.0
        assert mean.jumped > 0.0


@pytest.mark.parametrize("per_s", [0.5, 5.0, 80.0])
@pytest.mark.parametrize("even", [True, False])
def test_a_rate_is_that_of_the_events(per_s, even):
    random = np.random.default_rng(2)
    gaps = np.full(2000, 1.0 / per_s) if even else random.exponential(1.0 / per_s, 2000)
    rate, seen = Rate(), []
    for now in np.cumsum(gaps):
        rate.add(now)
        seen.append(rate.per_s(now))
    assert np.mean(seen[500:]) == pytest.approx(per_s, rel=0.1)


def test_a_rate_that_rose_is_known_before_long_and_one_that_stopped_fades():
    rate, now = Rate(), 0.0
    for _ in range(100):
        rate.add(now := now + 0.5)
    for _ in range(200):
        rate.add(now := now + 0.05)
    assert rate.per_s(now) == pytest.approx(20.0, rel=0.35)
    assert rate.per_s(now + 300.0) < 0.1


def test_before_the_first_event_the_rate_is_zero_and_a_single_one_is_no_flood():
    rate = Rate()
    assert rate.per_s(5.0) == 0.0
    rate.add(5.0)
    assert 0.0 < rate.per_s(5.0) < 1.0


@given(gaps=st.lists(st.floats(0.0, 1e4), max_size=50))
def test_a_rate_is_never_negative_and_always_a_number(gaps):
    rate, now = Rate(), 0.0
    for gap in gaps:
        now += gap
        rate.add(now)
        assert 0.0 <= rate.per_s(now) < math.inf
        assert rate.per_s(now + 1.0) >= 0.0
