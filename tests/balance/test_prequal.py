"""PReQuaL: the hot/cold lexicographic order, and a pool of probes that wears out."""

import pytest

from rilaas.balance import LoadReport, Outcome, Prequal, Request, ServerView, make_balancer
from rilaas.balance.prequal import LatencyByLoad, lexicographic
from rilaas.balance.probe_pool import ProbePool


def view(name, in_flight=0, told=None, heard_s=0.0):
    report = None if told is None else LoadReport(heard_s, told)
    return ServerView(name, in_flight=in_flight, report=report)


def order(loads, latencies_s, hot_above):
    costs = lexicographic(loads, latencies_s, hot_above)
    return sorted(range(len(loads)), key=lambda index: costs[index])


def test_cold_servers_come_first_by_latency_and_hot_ones_after_by_requests_in_flight():
    loads, latencies_s = [9, 2, 7, 1, 8], [0.1, 0.9, 0.2, 0.5, 0.3]
    assert order(loads, latencies_s, hot_above=5) == [3, 1, 2, 4, 0]


def test_a_server_at_the_threshold_is_cold():
    assert order([5, 3], [0.1, 2.0], hot_above=5) == [0, 1]
    assert order([6, 3], [0.1, 2.0], hot_above=5) == [1, 0]


def test_the_threshold_is_the_quantile_of_what_was_seen_lately():
    pool = ProbePool()
    assert pool.hot_above() == float("inf")
    for in_flight in range(100):
        pool.tell(in_flight)
    assert pool.hot_above() == 84  # 2 ** -0.25 = 0.84
    for _ in range(128):
        pool.tell(3)
    assert pool.hot_above() == 3


def test_latency_is_the_median_of_answers_to_requests_sent_at_about_the_same_load():
    latencies = LatencyByLoad()
    for load, latency_s in ((0, 0.1), (0, 0.3), (0, 0.2), (4, 1.0), (4, 9.0), (4, 1.2)):
        latencies.add(load, latency_s, at_s=0.0)
    assert latencies.at(0, 1.0) == 0.2
    assert latencies.at(4, 1.0) == 1.2
    assert latencies.at(1, 1.0) == 0.2
    assert latencies.at(30, 1.0) == 1.2


def test_what_was_measured_more_than_a_minute_ago_is_forgotten():
    latencies = LatencyByLoad()
    latencies.add(0, 5.0, at_s=0.0)
    assert latencies.at(0, 60.0) == 5.0
    assert latencies.at(0, 61.0) is None
    latencies.add(0, 0.1, at_s=70.0)
    assert latencies.at(0, 70.0) == 0.1


def test_loads_that_were_met_once_do_not_pile_up():
    latencies = LatencyByLoad()
    for minute in range(100):
        latencies.add(minute, 0.1, at_s=61.0 * minute)
        assert latencies.at(0, 61.0 * minute) == 0.1
    assert len(latencies) <= 17


def test_a_request_that_is_sent_by_a_probe_counts_as_in_flight_there():
    pool = ProbePool()
    pool.hear([view("a", told=3, heard_s=1.0)], at_s=1.0)
    pool.use("a")
    assert pool.get("a").in_flight == 4


def test_a_probe_leaves_after_a_second_or_when_it_is_used_up():
    pool = ProbePool()
    pool.hear([view("a", told=1, heard_s=1.0), view("b", told=1, heard_s=1.9)], at_s=2.0)
    pool.hear([], at_s=2.1)
    assert pool.get("a") is None
    assert pool.get("b") is not None
    for _ in range(2):  # one report per request: 1 + delta uses
        pool.use("b")
    assert pool.get("b") is None


def test_a_report_is_taken_in_once_and_a_newer_one_takes_its_place():
    pool = ProbePool()
    pool.hear([view("a", told=1, heard_s=1.0)], at_s=1.0)
    pool.use("a")
    pool.hear([view("a", told=1, heard_s=1.0)], at_s=1.1)
    assert pool.get("a").in_flight == 2
    pool.hear([view("a", told=7, heard_s=1.2)], at_s=1.2)
    assert (pool.get("a").in_flight, pool.get("a").uses) == (7, 0)


def test_the_pool_holds_sixteen_and_lets_the_oldest_go():
    pool = ProbePool()
    pool.hear([view(f"s{i}", told=1, heard_s=i / 100) for i in range(20)], at_s=0.2)
    assert [f"s{i}" for i in range(20) if pool.get(f"s{i}")] == [f"s{i}" for i in range(4, 20)]


def test_the_worst_and_the_oldest_are_taken_out_in_turn():
    pool = ProbePool()
    told = {"oldest": 1, "worst": 9, "c": 2, "d": 3, "e": 4, "f": 5}
    pool.hear([view(name, told=n, heard_s=i / 100) for i, (name, n) in enumerate(told.items())], at_s=0.1)
    pool.use("nobody")
    assert pool.get("worst") is None
    assert pool.get("oldest") is not None
    pool.use("nobody")
    assert pool.get("oldest") is None
    pool.use("nobody")
    assert all(pool.get(name) for name in "cdef")


def test_the_load_that_others_cause_is_known_from_reports():
    balancer = Prequal(seed=0)
    for _ in range(50):
        balancer.choose(Request("m"), [view("a"), view("b", in_flight=1)])
    for server, latency_s in (("a", 0.1), ("b", 0.5)):
        balancer.observe(Outcome(Request("m"), server, "ok", latency_s, at_s=0.0))
    own_only = [view("a"), view("b")]
    assert balancer.choose(Request("m", at_s=1.0), own_only) == "a"
    told = [view("a", told=40, heard_s=2.0), view("b", told=0, heard_s=2.0)]
    assert balancer.choose(Request("m", at_s=2.0), told) == "b"
    assert balancer.weighing().figures["is_hot"] == [1.0, 0.0]


def test_a_server_that_was_not_heard_of_is_chosen_beside_those_in_the_pool_while_it_is_idle():
    balancer = Prequal(seed=0)
    for server in "abc":
        balancer.observe(Outcome(Request("m"), server, "ok", 0.1 if server == "c" else 0.5))
    pool = [view("a", told=1, heard_s=5.0), view("b", told=1, heard_s=5.0)]
    assert balancer.choose(Request("m", at_s=5.0), [*pool, view("c")]) == "c"
    assert balancer.choose(Request("m", at_s=5.1), [*pool, view("c", in_flight=1)]) in {"a", "b"}


@pytest.mark.parametrize("count", [17, 60])
def test_of_many_servers_sixteen_are_compared(count):
    balancer = make_balancer("prequal", seed=1)
    balancer.choose(Request("m", at_s=9.0), [view(f"s{i}") for i in range(count)])
    assert len(balancer.weighing().servers) == 16
