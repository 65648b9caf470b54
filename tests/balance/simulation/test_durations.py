"""Durations have the mean and the spread that they say, and one luck for all policies."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance.simulation import Duration
from rilaas.balance.simulation.normal import normal_quantile
from rilaas.core import InvalidInput

GRID = (np.arange(2_000_000) + 0.5) / 2_000_000
SHAPES = [
    Duration(0.2),
    Duration(0.2, 0.3),
    Duration(0.2, 0.7, "lognormal"),
    Duration(0.2, 1.0, "exponential"),
    Duration(0.2, 0.05, "gamma"),
    Duration(0.2, 1.0, "gamma"),
    Duration(0.2, 2.0, "gamma"),
    Duration(0.2, 0.5, "uniform"),
    Duration.of([0.1, 0.4, 0.2, 0.1]),
]


@pytest.mark.parametrize("duration", SHAPES, ids=str)
def test_a_durations_quantiles_have_its_mean_and_its_spread(duration):
    values = duration.quantile(GRID)
    assert values.mean() == pytest.approx(duration.mean_s, rel=2e-3)
    assert values.std() == pytest.approx(duration.std_s, rel=1e-2, abs=1e-12)


@pytest.mark.parametrize("duration", SHAPES, ids=str)
def test_a_single_value_is_the_same_as_one_of_an_array(duration):
    some = np.array([1e-12, 0.001, 0.2, 0.5, 0.74, 0.999, 1 - 1e-12])
    draw = duration.drawer()
    for u, z, value in zip(some, normal_quantile(some), duration.quantile(some), strict=True):
        assert draw(float(u), float(z)) == pytest.approx(value, rel=1e-9)
        assert duration.quantile(float(u)) == value


@pytest.mark.parametrize("duration", SHAPES, ids=str)
def test_more_luck_is_never_a_shorter_duration(duration):
    values = duration.quantile(np.linspace(0.0, 1.0, 1001))
    assert (np.diff(values) >= 0).all()
    assert np.isfinite(values).all()
    assert (values > 0).all()


def test_a_gamma_duration_of_cv_1_is_an_exponential_one():
    u = np.linspace(0.001, 0.999, 999)
    exponential = Duration(3.0, 1.0, "exponential").quantile(u)
    assert Duration(3.0, 1.0, "gamma").quantile(u) == pytest.approx(exponential, rel=2e-4)


def test_a_normal_duration_is_cut_where_it_would_take_almost_no_time():
    assert Duration(1.0, 0.5).quantile(1e-9) == 0.05


def test_the_shape_is_normal_where_only_a_spread_is_given():
    assert Duration(1.0, 0.1).shape == "normal"
    assert Duration(1.0).shape == "constant"
    assert Duration(1.0, shape="exponential").cv == 1.0
    assert Duration.of([1.0, 3.0]).mean_s == 2.0


@given(st.floats(1e-15, 1 - 1e-15))
def test_quantiles_of_the_normal_distribution_are_those_of_the_standard_library(u):
    assert float(normal_quantile(u)) == pytest.approx(NormalDist().inv_cdf(u), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((-1.0,), "0 s or more"),
        ((math.nan,), "0 s or more"),
        ((math.inf,), "0 s or more"),
        ((1.0, -0.1), "0 or more"),
        ((1.0, math.nan), "0 or more"),
        ((1.0, 0.2, "normaal"), "Did you mean 'normal'"),
        ((1.0, 0.9), "lognormal"),
        ((1.0, 0.9, "uniform"), "would be negative"),
        ((1.0, 0.9, "exponential"), "gamma"),
        ((1.0, 0.001, "gamma"), "0.02 to 10"),
        ((1.0, 0.5, "constant"), "does not vary"),
        ((0.0, 0.5, "gamma"), "always 0 s"),
        ((1.0, 0.5, "samples"), "samples_s"),
    ],
)
def test_an_impossible_duration_says_what_would_be_possible(arguments, said):
    with pytest.raises(InvalidInput) as raised:
        Duration(*arguments)
    assert said in str(raised.value)


@pytest.mark.parametrize("samples", [[], [0.0], [1.0, -1.0], [math.nan]])
def test_samples_are_finite_and_not_all_0(samples):
    with pytest.raises(InvalidInput):
        Duration.of(samples)
