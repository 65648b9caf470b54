"""Two policies on the same episodes."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput, NotFound
from rilaas.evaluate.compare import compare, compare_every, headline_metric, verdict_text
from rilaas.evaluate.compare.paired import Comparison, sign_flip_p_value
from rilaas.report import summarize

HARD = np.array([10.0, 90.0, 50.0, 30.0, 70.0, 20.0, 60.0, 40.0])
"""What eight episodes give, for they differ much in how hard they are."""


def test_a_small_difference_is_found_on_the_same_episodes_though_the_means_overlap(make_report):
    """Each of 8 differences is 2 to 4, 3 on average. All signs agree, so p = 2 / 2^8 = 0.0078."""
    better = HARD + np.array([2, 4, 3, 3, 2, 4, 3, 3])
    found = compare(make_report(driving_score=better), make_report(driving_score=HARD))
    assert found.difference.mean == pytest.approx(3.0)
    assert 2.0 <= found.difference.low <= found.difference.high <= 4.0
    assert found.p_value == pytest.approx(2 / 256)
    assert found.verdict == "better"
    assert found.a.low < found.b.high  # the two intervals by themselves tell nothing


def test_the_other_way_round_it_is_worse_and_where_lower_is_better_too(make_report):
    a, b = make_report(driving_score=HARD), make_report(driving_score=HARD + 3)
    assert compare(a, b).verdict == "worse"
    assert compare(b, a).verdict == "better"
    a, b = make_report(traffic_law_cost=HARD), make_report(traffic_law_cost=HARD + 3)
    assert compare(a, b, "traffic_law_cost").verdict == "better"


def test_the_same_values_have_no_measurable_difference(make_report):
    found = compare(make_report(driving_score=HARD), make_report(driving_score=HARD))
    assert (found.difference.mean, found.difference.low, found.difference.high, found.p_value) == (0, 0, 0, 1.0)
    assert found.verdict == "no measurable difference"


def test_a_metric_without_better_and_worse_is_different_at_most(make_report):
    a, b = make_report(speed_m_per_s=HARD), make_report(speed_m_per_s=HARD + 3)
    assert compare(a, b, "speed_m_per_s").verdict == "different"


def test_five_pairs_tell_nothing_whatever_they_are(make_report):
    """All of five signs agree by chance in 2/32 = 6 % of cases: more than 5 %. Of six in 3 %."""
    a, b = make_report(driving_score=[90.0] * 5), make_report(driving_score=[10.0] * 5)
    assert compare(a, b).verdict == "no measurable difference"
    a, b = make_report(driving_score=[90.0] * 6), make_report(driving_score=[10.0] * 6)
    assert compare(a, b).verdict == "better"


def test_what_one_of_them_lacks_is_left_out_and_told(make_report):
    a = make_report(driving_score=[1, 2, None, 4], survival_s=[1, 1, 1, 1])
    b = make_report(driving_score=[1, None, 3, 4], survival_s=[1, 1, 1, 1])
    found = compare(a, b)
    assert found.n == 2
    assert [(each.seed, each.reason) for each in found.unpaired] == [
        (2, "the second has none: nobody ahead"),
        (3, "the first has none: nobody ahead"),
    ]


def test_an_interrupted_run_is_compared_over_what_both_drove(make_report):
    """The digest is that of the suite, so that the shorter report is of the same suite."""
    found = compare(make_report(driving_score=HARD), make_report(driving_score=HARD[:5]))
    assert found.n == 5
    assert {each.reason for each in found.unpaired} == {"the second did not drive it"}


def test_another_suite_is_refused_with_what_differs(make_report):
    a = make_report(driving_score=[1, 2])
    with pytest.raises(InvalidInput, match=r"'lf' .*'lfv' .*only the second has oval with seed 3"):
        compare(a, make_report(driving_score=[1, 2, 3], digest="sha256:2", suite="lfv"))
    with pytest.raises(InvalidInput, match="worlds, thresholds or constants differ"):
        compare(a, make_report(driving_score=[1, 2], digest="sha256:2"))


def test_the_worlds_of_two_simulators_are_not_compared(make_report):
    """Who does not say whose world it was drove in ours."""
    ours, gyms = make_report(driving_score=HARD), make_report(driving_score=HARD, simulator="gym-duckietown")
    with pytest.raises(InvalidInput, match="first report was driven in tile-world and the second in gym-duckietown"):
        compare(ours, gyms)
    assert compare(ours, make_report(driving_score=HARD, simulator="tile-world")).n == len(HARD)
    assert compare(gyms, gyms).n == len(HARD)


def test_a_verdict_says_where_more_differs_than_the_policy(make_report):
    """Both may be compared, as a policy here with the same one far away; but who reads it is told."""
    one = make_report(driving_score=HARD, latency="none: the world waits")
    two = make_report(driving_score=HARD, latency="measured")
    words = verdict_text(compare(one, two), "here", "there")
    assert words.endswith("; not only the policies differ, but latency (none: the world waits against measured)")
    assert "not only" not in verdict_text(compare(one, one), "here", "there")
    older = replace(one, provenance=replace(one.provenance, version="0"))
    assert verdict_text(compare(one, older), "here", "there").endswith(", but rilaas (1 against 0)")


def test_a_report_that_names_no_suite_is_refused(make_report):
    a = make_report(driving_score=[1, 2])
    with pytest.raises(InvalidInput, match="second report does not say which suite"):
        compare(a, replace(a, tables=()))


def test_an_unknown_metric_is_answered_with_a_like_one(make_report):
    a = make_report(driving_score=[1, 2])
    with pytest.raises(NotFound, match="Did you mean 'driving_score'"):
        compare(a, a, "driving_scor")


def test_every_metric_that_both_have_is_compared(make_report):
    a, b = make_report(driving_score=HARD, x_m=HARD), make_report(driving_score=HARD + 1, y_m=HARD)
    assert list(compare_every(a, b)) == ["driving_score"]
    assert headline_metric(a, b) == "driving_score"
    with pytest.raises(InvalidInput, match="no metric in common"):
        headline_metric(make_report(x_m=[1]), make_report(y_m=[1]))


@given(st.lists(st.floats(-10, 10).map(lambda v: round(v, 3)), min_size=1, max_size=8))
def test_the_p_value_is_the_share_of_all_patterns_of_signs(values):
    sums = [abs(np.dot(signs, values)) for signs in product((-1, 1), repeat=len(values))]
    expected = np.mean([each >= abs(sum(values)) - 1e-9 for each in sums])
    assert sign_flip_p_value(np.array(values)) == pytest.approx(expected)


@pytest.mark.parametrize("count", [200, 900, 2000])
def test_drawn_signs_and_the_normal_distribution_give_the_same_p_value(count):
    """A sum of 2 standard deviations: p = 4.55 % by the normal distribution."""
    data = np.random.default_rng(count).normal(size=count)
    data += 2.0 / np.sqrt(count) * np.sqrt(np.mean((data - data.mean()) ** 2)) - data.mean()
    assert sign_flip_p_value(data) == pytest.approx(0.0455, abs=0.008)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(6, 20))
def test_exchanging_the_two_turns_the_verdict_around(seed, count):
    rng = np.random.default_rng(seed)
    d = rng.normal(0.5, 1.0, count)

    def of(differences):
        metric = summarize(differences, "", "higher")
        return Comparison("x", metric, metric, metric, sign_flip_p_value(differences))

    turned = {"better": "worse", "worse": "better"}
    low, high = of(d).difference.low, of(d).difference.high
    if min(abs(low), abs(high)) > 0.02:  # resampled with other picks, the interval's end is a little elsewhere
        assert of(-d).verdict == turned.get(of(d).verdict, of(d).verdict)


def test_equal_policies_are_told_apart_in_at_most_five_of_a_hundred_cases():
    """400 comparisons of 12 pairs with heavy tails and no difference; 5 % + 3 standard errors = 8 %."""
    rng = np.random.default_rng(7)
    decided = 0
    for _ in range(400):
        d = rng.standard_t(2, 12) * 10.0
        metric = summarize(d, "", "higher")
        decided += Comparison("x", metric, metric, metric, sign_flip_p_value(d)).verdict != "no measurable difference"
    assert decided / 400 <= 0.08
