"""Means, intervals and percentiles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.report import Metric, Percentiles, metric_text, summarize, value_text
from rilaas.report.document import Table
from rilaas.report.number import table_texts

finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, min_size=1, max_size=60))
def test_the_mean_lies_in_its_interval_and_the_interval_in_the_range(values):
    metric = summarize(values, "m")
    assert metric.low <= metric.mean <= metric.high
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert min(values) - slack <= metric.low
    assert metric.high <= max(values) + slack
    assert metric.n == len(values)


def test_the_same_values_give_the_same_interval():
    values = np.random.default_rng(1).normal(size=50)
    assert summarize(values, "m") == summarize(values, "m")


@pytest.mark.parametrize("n", [30, 3000])
def test_the_interval_holds_the_true_mean_about_nineteen_times_in_twenty(n):
    rng = np.random.default_rng(0)
    metrics = [summarize(rng.exponential(1.0, n), "s", seed=i) for i in range(300)]
    share = np.mean([metric.low <= 1.0 <= metric.high for metric in metrics])
    # The percentile interval of 30 exponential values is known to cover a little less than 95 %.
    assert 0.89 <= share <= 0.985


def test_calls_that_follow_each_other_and_are_alike_widen_the_interval():
    rng = np.random.default_rng(2)
    steps = rng.normal(size=40).repeat(250)  # 10,000 calls, but only 40 independent levels
    metric = summarize(steps, "s")
    alone = 1.96 * steps.std() / math.sqrt(steps.size)
    assert metric.high - metric.low > 3 * 2 * alone


def test_nothing_has_no_mean_and_one_value_no_interval():
    nothing, one = summarize([], "m"), summarize([3.0], "m")
    assert (nothing.n, math.isnan(nothing.mean)) == (0, True)
    assert (one.low, one.mean, one.high, one.n) == (3.0, 3.0, 3.0, 1)
    assert metric_text(nothing) == "- (n=0)"
    assert metric_text(one) == "3.00 m (n=1, no interval)"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_does_not_exist_is_refused(value):
    with pytest.raises(ValueError, match="finite"):
        summarize([1.0, value], "m")


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="higher"):
        summarize([1.0], "m", "up")


def test_percentiles_are_numpys():
    values = np.random.default_rng(0).normal(size=999)
    parts = Percentiles.of(values)
    assert (parts.p50, parts.p95, parts.p99) == tuple(np.percentile(values, (50, 95, 99)))
    assert parts.n == 999


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric("1", 0.87, 0.79, 0.93, 100), "87 % [79-93], n=100"),
        (Metric("m", 11.2345, 10.9, 11.5, 20), "11.2 m [10.9-11.5], n=20"),
        (Metric("m", 5.0, 5.0, 5.0, 3), "5.00 m [5.00-5.00], n=3"),
        (Metric("m", 0.0, 0.0, 0.0, 3), "0 m [0-0], n=3"),
        (Metric("m", -0.1, -0.31, 0.12, 9), "-0.10 m [-0.31 to 0.12], n=9"),
        (
            Metric("s", 0.0123, 0.0119, 0.0128, 4000, servers={"a": Percentiles(1, 1, 1, 1)}),
            "12.3 ms [11.9-12.8], n=4000",
        ),
        (Metric("s", 0.4, 0.2, 0.5, 10), "0.40 s [0.20-0.50], n=10"),
        (Metric("s", 57.0, 52.0, 60.0, 24), "57 s [52-60], n=24"),
    ],
)
def test_a_metric_reads_with_interval_and_count_and_only_the_digits_that_mean_something(metric, text):
    assert metric_text(metric) == text


@given(finite, st.floats(0, 1e3), st.integers(2, 10**6), st.sampled_from(["m", "s", "1", ""]))
def test_every_metric_can_be_read(mean, half, n, unit):
    text = metric_text(Metric(unit, mean, mean - half, mean + half, n))
    assert text.endswith(f"n={n}")
    assert "nan" not in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "12.3 ms"), (1.5, "1.50 s"), (0.0, "0 ms"), (math.nan, "-"), (123.4, "123 s")]
)
def test_a_time_is_shown_in_a_unit_that_fits(value, text):
    assert value_text(value, "s") == text


def test_the_floats_of_a_column_share_their_decimals():
    table = Table("t", ("x", "n"), ((0.125, 12345), (12.5, True), (math.nan, None)))
    assert table_texts(table) == [["0.125", "12,345"], ["12.500", "yes"], ["-", "-"]]
