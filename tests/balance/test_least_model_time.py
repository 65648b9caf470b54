"""Least model time: a running mean per model, and chance."""

from collections import Counter

import pytest

from rilaas.balance import LeastModelTime, Outcome, Request, ServerView


def views(*names, **in_flight):
    return [ServerView(name, in_flight=in_flight.get(name, 0)) for name in names]


def answer(balancer, server, latency_s, *, model="m", status="ok", at_s=0.0):
    balancer.observe(Outcome(Request(model), server, status, latency_s, at_s=at_s))


def test_the_shortest_mean_wins_whatever_is_in_flight():
    balancer = LeastModelTime(seed=0, exploration=0.0)
    answer(balancer, "near", 0.2)
    answer(balancer, "far", 0.5)
    assert balancer.choose(Request("m"), views("far", "near", near=9)) == "near"


def test_means_are_kept_per_model():
    balancer = LeastModelTime(seed=0, exploration=0.0)
    for server, model, latency_s in (("a", "m", 0.1), ("b", "m", 0.2), ("a", "n", 2.0), ("b", "n", 1.0)):
        answer(balancer, server, latency_s, model=model)
    assert balancer.choose(Request("m"), views("a", "b")) == "a"
    assert balancer.choose(Request("n"), views("a", "b")) == "b"


def test_the_first_answers_are_averaged_plainly_and_later_ones_fade():
    balancer = LeastModelTime(seed=0, exploration=0.0)
    for latency_s in (1.0, 2.0, 3.0):
        answer(balancer, "a", latency_s)
    balancer.choose(Request("m"), views("a"))
    assert balancer.weighing().figures["mean_latency_s"] == [pytest.approx(2.0)]
    for _ in range(60):
        answer(balancer, "a", 10.0)
    balancer.choose(Request("m"), views("a"))
    assert balancer.weighing().figures["mean_latency_s"][0] > 9.9


def test_now_and_then_any_server_is_chosen():
    balancer = LeastModelTime(seed=1)
    answer(balancer, "near", 0.2)
    answer(balancer, "far", 0.5)
    counts = Counter(balancer.choose(Request("m"), views("near", "far")) for _ in range(4000))
    # Binomial with p = 0.1 / 2: 200 +- 14; five sigma
    assert abs(counts["far"] - 200) < 70


def test_a_silent_server_is_left_before_its_requests_time_out():
    balancer = LeastModelTime(seed=0, exploration=0.0)
    answer(balancer, "silent", 0.2)
    answer(balancer, "other", 0.5)
    assert balancer.choose(Request("m", at_s=10.0), views("silent", "other")) == "silent"
    assert balancer.choose(Request("m", at_s=10.4), views("silent", "other", silent=1)) == "silent"
    assert balancer.choose(Request("m", at_s=10.7), views("silent", "other", silent=2)) == "other"
    answer(balancer, "silent", 0.2, at_s=11.0)
    assert balancer.choose(Request("m", at_s=11.1), views("silent", "other", silent=2)) == "silent"
