"""What every policy that learns does with servers that are new, failing, slow, silent or gone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance import STATUSES, LoadReport, Outcome, Request, ServerView, make_balancer
from rilaas.balance.recent import Recent, Sent
from rilaas.balance.suspects import Suspects

LEARNERS = (
    "least_model_time",
    "peak_ewma",
    "peak_ewma_full",
    "c3",
    "prequal",
    "shortest_expected_delay",
)


class Fleet:
    """Servers that answer, fail or keep silent, one request every tenth of a second."""

    def __init__(self, name, latency_s, *, known=True):
        self.balancer, self.latency_s = make_balancer(name, seed=5), dict(latency_s)
        self.in_flight = dict.fromkeys(latency_s, 0)
        self.at_s, self.coming, self.chosen = 100.0, [], []
        for server in latency_s if known else ():
            self.observe(Request("m", at_s=99.0), server, "ok", self.latency_s[server])

    def observe(self, request, server, status, latency_s):
        self.balancer.observe(Outcome(request, server, status, latency_s, 0.0, latency_s, self.at_s))

    def views(self):
        return [
            ServerView(name, in_flight=count, in_flight_by_model={"m": count})
            for name, count in self.in_flight.items()
        ]

    def run(self, requests, *, silent=(), failing=()):
        for _ in range(requests):
            self.at_s += 0.1
            self.end([one for one in self.coming if one[0] <= self.at_s])
            request = Request("m", at_s=self.at_s)
            server = self.balancer.choose(request, self.views())
            self.chosen.append(server)
            if server in failing:
                self.observe(request, server, "error", 0.001)
                continue
            self.in_flight[server] += 1
            if server not in silent:
                self.coming.append((self.at_s + self.latency_s[server], request, server))
        return self.chosen[-requests:]

    def end(self, due):
        for one in due:
            self.coming.remove(one)
            self.in_flight[one[2]] -= 1
            self.observe(one[1], one[2], "ok", self.at_s - one[1].at_s)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_new_server_gets_one_request_at_a_time_until_it_answers(name):
    fleet = Fleet(name, {"a": 0.2, "b": 0.2})
    fleet.run(20)
    fleet.in_flight["new"], fleet.latency_s["new"] = 0, 2.0
    assert fleet.run(15).count("new") <= 3  # the trial, and what chance adds


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_known_of_anybody_spreads_requests(name):
    chosen = Fleet(name, dict.fromkeys("abcd", 5.0), known=False).run(4)
    assert len(set(chosen)) >= 3  # chance may repeat one


@pytest.mark.parametrize("name", LEARNERS)
def test_failing_at_once_never_looks_fast(name):
    fleet = Fleet(name, {"good": 0.5, "broken": 0.5})
    fleet.run(10)
    chosen = fleet.run(200, failing={"broken"})  # 20 s: holds of 0.5, 1, 2, 4, 8 s
    assert chosen.count("broken") <= 12  # five holds; an answer from before clears the first ones
    fleet.latency_s["good"] = 2.0
    assert fleet.run(150)[-20:].count("broken") >= 5, "a server that is back is used again"


@pytest.mark.parametrize("name", LEARNERS)
def test_a_server_that_swallows_requests_is_left_before_they_time_out(name):
    fleet = Fleet(name, {"good": 0.3, "silent": 0.3})
    fleet.run(10)
    swallowed = fleet.run(100, silent={"silent"}).count("silent")  # 10 s, an ordinary timeout
    assert swallowed <= 25


@pytest.mark.parametrize("name", LEARNERS)
def test_a_server_that_became_slow_gets_fewer_requests(name):
    fleet = Fleet(name, {"a": 0.2, "b": 0.2})
    before = fleet.run(200).count("b")
    fleet.latency_s["b"] = 1.0
    fleet.run(30)
    assert fleet.run(200).count("b") < max(0.8 * before, 60)


@pytest.mark.parametrize("name", sorted(set(LEARNERS) - {"prequal"}))  # three do not move its median of nine
def test_a_server_that_timed_out_is_dearer_than_before(name):
    balancer = make_balancer(name, seed=1)
    for _ in range(20):
        for server in "ab":
            balancer.observe(Outcome(Request("m"), server, "ok", 0.2, 0.0, 0.2, 1.0))
    for _ in range(3):
        balancer.observe(Outcome(Request("m"), "a", "timeout", 10.0, at_s=10.0))
    later = [balancer.choose(Request("m", at_s=20.0), [ServerView("a"), ServerView("b")]) for _ in range(20)]
    assert later.count("b") >= 16  # chance may explore


@pytest.mark.parametrize("name", LEARNERS)
def test_memory_stays_bounded_while_servers_and_models_come_and_go_and_outcomes_never_come(name):
    balancer = make_balancer(name, seed=1)
    for i in range(9000):
        request = Request(f"model-{i}")
        balancer.choose(request, [ServerView(f"s{i}"), ServerView(f"t{i}")])
        balancer.observe(Outcome(Request(f"model-{i}"), f"s{i}", "ok", 0.1, 0.0, 0.1))
        balancer.observe(Outcome(Request(f"model-{i}"), f"t{i}", "error", 0.1))
    held = [value for value in vars(balancer).values() if isinstance(value, Recent)]
    assert held
    assert all(len(value) <= 4096 for value in held)
    assert all(len(value) <= 8192 for value in vars(balancer).values() if isinstance(value, Sent))


TIMES = st.floats(0.0, 1e6)
MAYBE = st.none() | st.floats(0.0, 100.0)
REPORTS = st.none() | st.builds(
    LoadReport, TIMES, st.integers(0, 1000), st.dictionaries(st.sampled_from(["", "m", "n"]), st.integers(0, 64))
)
VIEWS = st.lists(
    st.builds(
        ServerView,
        st.sampled_from("abcd"),
        in_flight=st.integers(0, 1000),
        in_flight_by_model=st.dictionaries(st.sampled_from("mn"), st.integers(0, 1000)),
        weight=st.floats(0.0, 100.0),
        report=REPORTS,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda server: server.name,
)
OUTCOMES = st.builds(
    Outcome,
    st.builds(Request, st.sampled_from("mn")),
    st.sampled_from("abcd"),
    st.sampled_from(STATUSES),
    st.floats(0.0, 1000.0),
    MAYBE,
    MAYBE,
    TIMES,
    REPORTS,
)


@pytest.mark.parametrize("name", [*LEARNERS, "weighted_least_connections", "least_connections_per_model"])
@given(steps=st.lists(st.tuples(VIEWS, st.sampled_from("mn"), TIMES, st.lists(OUTCOMES, max_size=4)), max_size=12))
def test_strange_reports_and_times_never_break_a_choice_nor_its_reasons(name, steps):
    balancer = make_balancer(name, seed=1)
    for servers, model, at_s, outcomes in steps:
        request = Request(model, at_s=at_s)
        chosen = balancer.choose(request, servers)
        assert chosen in {server.name for server in servers}
        weighing = balancer.weighing()
        assert chosen in weighing.servers
        assert all(math.isfinite(figure) for column in weighing.figures.values() for figure in column)
        balancer.observe(Outcome(request, chosen, "ok", 0.1, at_s=at_s))
        for outcome in outcomes:
            balancer.observe(outcome)


def test_what_was_kept_last_is_remembered():
    memory = Recent(limit=2)
    memory.keep("a", 1)
    memory.keep("b", 2)
    memory.keep("a", 3)
    memory.keep("c", 4)
    assert memory == {"a": 3, "c": 4}


def test_a_note_is_taken_once_and_by_the_very_request_that_was_sent():
    sent, request = Sent(), Request("m")
    sent.note(request, 7)
    assert sent.take(Request("m")) is None
    assert sent.take(request) == 7
    assert sent.take(request) is None
    assert len(sent) == 0


def view(name, in_flight=0):
    return ServerView(name, in_flight=in_flight)


def test_holds_double_up_to_eight_seconds_and_an_answer_ends_them():
    suspects, at_s, holds = Suspects(), 0.0, []
    servers = [view("a"), view("b")]
    for _ in range(6):
        suspects.observe(Outcome(Request("m"), "a", "error", 0.0, at_s=at_s))
        hold_s = next(s / 2 for s in range(1, 40) if suspects.trusted(servers, at_s + s / 2) == servers)
        holds.append(hold_s)
        at_s += hold_s
    assert holds == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    suspects.observe(Outcome(Request("m"), "a", "ok", 0.1, at_s=at_s))
    suspects.observe(Outcome(Request("m"), "a", "error", 0.0, at_s=at_s))
    assert suspects.trusted(servers, at_s + 0.5) == servers


def test_failures_of_requests_that_were_in_flight_together_count_once():
    suspects = Suspects()
    for _ in range(50):
        suspects.observe(Outcome(Request("m"), "a", "timeout", 10.0, at_s=1.0))
    assert suspects.trusted([view("a"), view("b")], 1.5) == [view("a"), view("b")]


def test_after_a_hold_a_suspect_gets_one_request_at_a_time():
    suspects = Suspects()
    suspects.observe(Outcome(Request("m"), "a", "error", 0.0, at_s=0.0))
    assert suspects.trusted([view("a", 1), view("b")], 5.0) == [view("b")]


def test_a_cancelled_request_says_nothing_and_the_last_server_is_never_refused():
    suspects = Suspects()
    suspects.observe(Outcome(Request("m"), "a", "cancelled", 0.1, at_s=0.0))
    assert suspects.trusted([view("a"), view("b")], 0.0) == [view("a"), view("b")]
    suspects.observe(Outcome(Request("m"), "a", "error", 0.1, at_s=0.0))
    assert suspects.trusted([view("a")], 0.0) == [view("a")]
