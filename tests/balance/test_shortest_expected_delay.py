"""Shortest expected delay: what is estimated from answers, and the sum that decides."""

import pytest

from rilaas.balance import LoadReport, Outcome, Request, ServerView, ShortestExpectedDelay


def answer(balancer, server, *, model="m", latency_s, compute_s=None, queue_s=None, n=20, request=None):
    for _ in range(n):
        balancer.observe(Outcome(request or Request(model), server, "ok", latency_s, queue_s, compute_s))


def view(name, slots=None, **by_model):
    report = None if slots is None else LoadReport(-100.0, 0, slots)
    return ServerView(name, in_flight=sum(by_model.values()), in_flight_by_model=by_model, report=report)


def delay_s(balancer, server, model="m"):
    balancer.choose(Request(model), [server])
    figures = balancer.weighing().figures
    return tuple(figures[name][0] for name in ("network_s", "wait_s", "service_s"))


def test_network_is_the_round_trip_without_queue_and_service():
    balancer = ShortestExpectedDelay()
    answer(balancer, "a", latency_s=0.5, compute_s=0.1, queue_s=0.15)
    assert delay_s(balancer, view("a")) == pytest.approx((0.25, 0.0, 0.1))


def test_with_one_slot_and_no_network_it_is_the_textbook_rule_of_jobs_plus_one_over_rate():
    balancer = ShortestExpectedDelay()
    answer(balancer, "a", latency_s=0.1, compute_s=0.1, queue_s=0.0)
    assert sum(delay_s(balancer, view("a", {"": 1}, m=4))) == pytest.approx(5 * 0.1)


def test_nobody_waits_while_a_slot_is_free():
    balancer = ShortestExpectedDelay()
    answer(balancer, "a", latency_s=0.1, compute_s=0.1, queue_s=0.0)
    assert delay_s(balancer, view("a", {"": 4}, m=3))[1] == 0.0
    assert delay_s(balancer, view("a", {"": 4}, m=4))[1] == pytest.approx(0.1 / 4)
    assert delay_s(balancer, view("a", {"": 4}, m=7))[1] == pytest.approx(4 * 0.1 / 4)


def test_a_far_server_is_chosen_as_soon_as_the_wait_at_the_near_one_outweighs_the_way():
    balancer = ShortestExpectedDelay()
    answer(balancer, "edge", latency_s=1.1, compute_s=1.0, queue_s=0.0)
    answer(balancer, "cloud", latency_s=1.8, compute_s=1.0, queue_s=0.0)
    cloud = view("cloud", {"": 8})
    assert balancer.choose(Request("m"), [view("edge", {"": 2}, m=2), cloud]) == "edge"  # 0.5 s of wait, 0.7 s of way
    assert balancer.choose(Request("m"), [view("edge", {"": 2}, m=3), cloud]) == "cloud"


def test_long_jobs_of_another_model_make_the_wait_longer():
    balancer = ShortestExpectedDelay()
    answer(balancer, "a", latency_s=0.1, compute_s=0.1, queue_s=0.0)
    answer(balancer, "a", model="long", latency_s=2.0, compute_s=2.0, queue_s=0.0)
    assert delay_s(balancer, view("a", {"": 1}, m=1, long=1))[1] == pytest.approx(2.1)


def test_a_station_of_its_own_is_not_delayed_by_other_models():
    balancer = ShortestExpectedDelay()
    answer(balancer, "a", latency_s=0.1, compute_s=0.1, queue_s=0.0)
    assert delay_s(balancer, view("a", {"m": 1, "long": 1}, m=0, long=9))[1] == 0.0
    assert delay_s(balancer, view("a", {"m": 1, "long": 1}, m=2, long=0))[1] == pytest.approx(0.2)


def test_without_a_report_the_slots_are_learned_from_who_had_to_wait():
    balancer = ShortestExpectedDelay()
    for step in range(600):
        before = step % 6
        request = Request("m")
        balancer.choose(request, [view("a", m=before)])
        queue_s = 0.0 if before < 3 else 0.1
        answer(balancer, "a", latency_s=0.1 + queue_s, compute_s=0.1, queue_s=queue_s, n=1, request=request)
    assert delay_s(balancer, view("a", m=2))[1] == pytest.approx(0.0, abs=0.005)
    assert delay_s(balancer, view("a", m=3))[1] == pytest.approx(0.1 / 3, rel=0.1)


def test_requests_of_others_count_from_a_fresh_report_and_not_from_an_old_one():
    balancer = ShortestExpectedDelay()
    answer(balancer, "a", latency_s=0.1, compute_s=0.1, queue_s=0.0)
    server = ServerView("a", report=LoadReport(10.0, 5, {"": 1}))
    balancer.choose(Request("m", at_s=10.5), [server])
    assert balancer.weighing().figures["wait_s"] == [pytest.approx(0.5)]
    balancer.choose(Request("m", at_s=12.0), [server])
    assert balancer.weighing().figures["wait_s"] == [0.0]
