"""Peak EWMA: up at once, down slowly, times requests in flight."""

import math

import pytest

from rilaas.balance import Outcome, PeakEwma, Request, ServerView, make_balancer


def answer(balancer, server, latency_s, at_s, status="ok"):
    balancer.observe(Outcome(Request("m"), server, status, latency_s, at_s=at_s))


def cost_s(balancer, server, at_s):
    balancer.choose(Request("m", at_s=at_s), [server])
    return balancer.weighing().figures["cost_s"][0]


def test_a_slow_answer_counts_in_full_at_once():
    balancer = PeakEwma(0)
    for at_s in range(20):
        answer(balancer, "a", 0.1, float(at_s))
    answer(balancer, "a", 3.0, 20.0)
    assert cost_s(balancer, ServerView("a"), 20.0) == pytest.approx(3.0)


def test_a_fast_answer_pulls_the_average_down_by_the_time_that_has_passed():
    balancer = PeakEwma(0, decay_s=10.0)
    answer(balancer, "a", 3.0, 0.0)
    answer(balancer, "a", 1.0, 5.0)
    kept = math.exp(-0.5)
    assert cost_s(balancer, ServerView("a"), 5.0) == pytest.approx(3.0 * kept + 1.0 * (1.0 - kept))


def test_without_answers_the_average_decays_so_that_a_server_that_was_left_is_tried_again():
    balancer = PeakEwma(0, decay_s=10.0)
    answer(balancer, "left", 3.0, 0.0)
    assert cost_s(balancer, ServerView("left"), 10.0) == pytest.approx(3.0 / math.e)
    answer(balancer, "used", 1.0, 15.0)
    servers = [ServerView("left"), ServerView("used")]
    assert balancer.choose(Request("m", at_s=5.0), servers) == "used"
    assert balancer.choose(Request("m", at_s=15.0), servers) == "left"


def test_the_cost_is_the_average_times_requests_in_flight_with_this_one():
    balancer = PeakEwma(0)
    answer(balancer, "a", 0.2, 0.0)
    answer(balancer, "b", 0.5, 0.0)
    assert cost_s(balancer, ServerView("a", in_flight=3), 0.0) == pytest.approx(0.8)
    assert balancer.choose(Request("m"), [ServerView("a", in_flight=3), ServerView("b")]) == "b"
    assert balancer.choose(Request("m"), [ServerView("a", in_flight=1), ServerView("b")]) == "a"


def test_two_are_compared_or_all():
    servers = [ServerView(name) for name in "abcdef"]
    seen = {}
    for name in ("peak_ewma", "peak_ewma_full"):
        balancer = make_balancer(name, seed=3)
        for place, server in enumerate("abcdef"):
            answer(balancer, server, 1.0 + place, 0.0)
        seen[name] = {balancer.choose(Request("m"), servers) for _ in range(300)}
        assert len(balancer.weighing().servers) == (2 if name == "peak_ewma" else 6)
    assert seen == {"peak_ewma": set("abcde"), "peak_ewma_full": {"a"}}
