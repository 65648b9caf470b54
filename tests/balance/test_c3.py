"""C3: the cubic price of queues, and own requests counted for all clients."""

import pytest

from rilaas.balance import C3, LoadReport, Outcome, Request, ServerView, make_balancer


def answer(balancer, server, latency_s, compute_s, report=None):
    balancer.observe(Outcome(Request("m"), server, "ok", latency_s, 0.0, compute_s, 0.0, report))


def score_s(balancer, server):
    balancer.choose(Request("m"), [server])
    return balancer.weighing().figures["score_s"][0]


def report(in_flight, heard_s=1.0, slots=1, clients=0):
    return LoadReport(heard_s, in_flight, {"": slots}, clients=clients)


def test_the_score_is_the_formula_of_the_paper():
    balancer = C3(interceptors=3)
    answer(balancer, "a", 0.5, 0.1)
    server = ServerView("a", in_flight=2, report=report(4))
    assert score_s(balancer, server) == pytest.approx(0.5 - 0.1 + (1 + 2 * 3 + 4) ** 3 * 0.1)


def test_a_queue_is_paid_for_with_its_third_power():
    balancer = C3()
    answer(balancer, "a", 0.1, 0.1)
    without, one, three = (score_s(balancer, ServerView("a", in_flight=n)) for n in (0, 1, 3))
    assert one / without == pytest.approx(8.0)
    assert three / without == pytest.approx(64.0)


def test_a_server_four_times_faster_gets_far_less_than_four_times_the_queue():
    balancer = C3()
    answer(balancer, "fast", 0.1, 0.1)
    answer(balancer, "slow", 0.4, 0.4)
    in_flight = {"fast": 0, "slow": 0}
    for _ in range(26):
        views = [ServerView(name, in_flight=count) for name, count in in_flight.items()]
        in_flight[balancer.choose(Request("m"), views)] += 1
    # (1 + n)^3 mu equal: (1 + fast) / (1 + slow) = 4 ** (1 / 3) = 1.59
    assert in_flight == {"fast": 16, "slow": 10}


def test_the_clients_that_a_server_reports_come_before_those_that_were_set():
    balancer = make_balancer("c3", interceptors=5)
    answer(balancer, "a", 0.1, 0.1)
    assert score_s(balancer, ServerView("a", in_flight=1)) == pytest.approx(0.1 * 6**3)
    told = ServerView("a", in_flight=1, report=report(0, clients=2))
    assert score_s(balancer, told) == pytest.approx(0.1 * 3**3)


def test_a_queue_is_shared_by_the_slots():
    balancer = C3()
    answer(balancer, "a", 0.1, 0.1)
    server = ServerView("a", in_flight=2, report=report(2, slots=4))
    assert score_s(balancer, server) == pytest.approx(0.1 * 2**3)


def test_a_report_is_averaged_once_however_often_it_is_seen():
    balancer = C3()
    answer(balancer, "a", 0.1, 0.1, report(10, heard_s=1.0))
    server = ServerView("a", report=report(0, heard_s=2.0))
    first = score_s(balancer, server)
    assert first == pytest.approx(0.1 * (1 + 0.1 * 10) ** 3)
    assert score_s(balancer, server) == first
