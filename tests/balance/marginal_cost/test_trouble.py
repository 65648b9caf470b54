"""Servers that are silent, fail, become slow, leave and return."""

import numpy as np
import pytest

from rilaas.balance import Request, make_balancer
from rilaas.balance.marginal_cost import MarginalCost
from rilaas.balance.simulation import Cluster, Disturbance, Duration, Profile, SimServer, simulate
from rilaas.balance.simulation.rate import constant
from tests.balance.marginal_cost.talk import Talk
from tests.balance.marginal_cost.test_policy import settled

TIMES = {"good": 0.2, "bad": 0.1}


def pair(**given):
    """A server that is best as long as it is well, and one that always is."""
    return settled("good", "bad", times=TIMES, **given)


def test_a_silent_server_is_avoided_once_it_is_overdue_and_not_before():
    talk = pair()
    assert talk.ask() == "bad"
    talk.now += 0.1
    assert talk.ask() == "bad"  # the first is on its way
    talk.now += 0.4
    asked = [talk.ask() for _ in range(3)]
    assert asked[0] == "good"
    talk.now += 5.0
    for place in reversed([i for i, (_, server) in enumerate(talk.open) if server == "good"]):
        talk.answer(place, latency_s=0.2, service_s=0.2)
    talk.now += 1.0
    for _ in range(10):
        assert talk.ask() == "good"
        talk.answer(-1, service_s=0.2)


def test_a_silent_server_that_answers_after_all_is_taken_again():
    talk = pair()
    assert talk.ask() == "bad"
    talk.now += 5.0
    assert talk.ask() == "good"
    talk.answer(0, service_s=0.1, latency_s=5.1)
    for _ in range(40):
        talk.ask()
        talk.answer(-1, service_s=TIMES[talk.open[-1][1]])
        talk.now += 0.3
    assert talk.ask() == "bad"


def fail(talk, status="error", latency_s=0.001):
    """Let the server fail that is best."""
    assert talk.ask() == "bad"
    talk.answer(-1, status=status, latency_s=latency_s)


def test_one_failure_is_forgiven():
    talk = pair()
    fail(talk)
    fail_then = talk.ask()
    assert fail_then == "bad"
    talk.answer(-1, service_s=0.1)
    fail(talk)
    assert talk.ask() == "bad"


@pytest.mark.parametrize("status", ["error", "timeout"])
def test_two_failures_put_a_server_to_rest_and_one_trial_brings_it_back(status):
    talk = pair()
    fail(talk, status)
    fail(talk, status)
    for _ in range(3):
        assert talk.ask() == "good"
        talk.answer(-1, service_s=0.2)
        talk.now += 1.0
    talk.now += 1.0
    assert [talk.ask() for _ in range(3)] == ["bad", "good", "good"]  # one trial
    talk.answer(0, service_s=0.1)
    talk.answer(service_s=0.2)
    talk.answer(service_s=0.2)
    assert [talk.ask() for _ in range(2)] == ["bad", "bad"]


def seconds_alone(talk):
    """How long it takes until the server that was best is tried again [s]."""
    start = talk.now
    while talk.ask() != "bad":
        talk.answer(-1, service_s=0.2)
        talk.now += 0.05
    return talk.now - start


def test_a_trial_that_fails_doubles_the_rest_up_to_half_a_minute():
    talk = pair()
    fail(talk)
    fail(talk)
    rests = []
    for _ in range(6):
        rests.append(seconds_alone(talk))
        talk.answer(-1, status="error", latency_s=0.001)
    assert rests == pytest.approx([4.0, 8.0, 16.0, 32.0, 32.0, 32.0], abs=0.5)


def test_many_that_fail_at_once_are_one_fault():
    talk = pair(slots=8)
    for _ in range(8):
        assert talk.ask() == "bad"
    for _ in range(8):
        talk.answer(0, status="error", latency_s=0.01)
    assert seconds_alone(talk) == pytest.approx(4.0, abs=0.5)


def test_a_request_that_was_cancelled_says_nothing_of_the_server():
    talk = pair()
    for _ in range(10):
        assert talk.ask() == "bad"
        talk.answer(-1, status="cancelled", latency_s=0.001)


def test_failures_of_one_model_keep_the_others_away_too():
    slots = {"m": 1, "n": 1}
    talk = Talk("good", "bad")
    for name in talk.names:
        talk.tell(name, slots=slots)
        for model in slots:
            for _ in range(10):
                talk.warm_up(name, TIMES[name], model=model)
    assert talk.ask("n") == "bad"
    talk.answer(-1, service_s=0.1)
    for _ in range(2):
        assert talk.ask("m") == "bad"
        talk.answer(-1, status="error", latency_s=0.001)
    assert talk.ask("n") == "good"


def test_if_all_are_left_alone_somebody_is_chosen_all_the_same():
    talk = settled("a", "b", times={"a": 0.1, "b": 0.1})
    for _ in range(12):
        assert talk.ask() in {"a", "b"}
        talk.answer(-1, status="error", latency_s=0.001)


def test_a_server_that_became_slow_is_left_within_a_few_answers_for_all_its_models():
    talk = Talk("good", "bad")
    for name in talk.names:
        talk.tell(name, slots=4)
        for model, factor in (("m", 1.0), ("n", 3.0)):
            for _ in range(10):
                talk.warm_up(name, factor * TIMES[name], model=model)
    for _ in range(3):
        if talk.ask() == "bad":
            talk.answer(-1, service_s=1.0)
        else:
            talk.answer(-1, service_s=0.2)
        talk.now += 0.01
    assert talk.ask("m") == "good"
    assert talk.ask("n") == "good"  # which never ran on it while it was slow
    assert talk.weighed()["own_s"]["bad"] > 2.0


def test_a_server_that_became_slow_is_tried_again_and_taken_back_when_it_is_well():
    talk = pair()
    slow = {"good": 0.2, "bad": 1.0}
    while talk.ask() == "bad":
        talk.answer(-1, service_s=1.0)
    talk.answer(-1, service_s=0.2)
    tried = []
    for _ in range(600):
        server = talk.ask()
        talk.answer(-1, service_s=slow[server])
        if server == "bad":
            tried.append(talk.now)
        talk.now += 0.1
    assert 3 <= len(tried) <= 12  # in three minutes
    gaps = np.diff(tried)
    assert gaps[-1] > 2.0 * gaps[0]  # ever more rarely
    later = []
    for _ in range(300):
        server = talk.ask()
        talk.answer(-1, service_s=TIMES[server])
        later.append(server)
        talk.now += 0.1
    assert later[-50:] == ["bad"] * 50


def test_the_trial_of_a_slow_server_is_one_request():
    talk = pair(slots=8)
    while talk.ask() == "bad":
        talk.answer(-1, service_s=1.0)
        talk.now += 0.01
    talk.answer(-1, service_s=0.2)
    talk.now += 60.0
    assert [talk.ask() for _ in range(4)].count("bad") == 1


def test_a_server_that_leaves_and_returns_is_known():
    talk = pair()
    talk.names = ("good",)
    for _ in range(20):
        assert talk.ask() == "good"
        talk.answer(-1, service_s=0.2)
    talk.names = ("good", "bad")
    assert talk.ask() == "bad"
    expected = talk.balancer.expected_s(Request("m", at_s=talk.now), talk.views())
    assert expected["bad"] == pytest.approx(0.2, rel=0.1)  # one is there


def test_a_server_that_left_with_requests_is_no_trouble_when_their_outcomes_come_late():
    talk = pair(slots=4)
    for _ in range(3):
        assert talk.ask() == "bad"
    talk.names = ("good",)
    talk.ask()
    for _ in range(3):
        talk.answer(0, status="error", latency_s=0.5)
    talk.names = ("good", "bad")
    talk.now += 10.0
    assert talk.ask() == "bad"


def disturbed(kind, value=0.0, **given):
    """Two servers of 16 requests a second, one of them nearer and disturbed from 20 s to 40 s of 120 s."""
    servers = tuple(
        SimServer(name, "edge", 2, {"m": Duration(0.125, 0.01)}, {"m": Duration(network, 0.005)})
        for name, network in (("good", 0.15), ("bad", 0.03))
    )
    cluster = Cluster("pair", ("m",), servers, (Disturbance(20.0, 40.0, "bad", kind, value),))
    load = Profile("load", ("m",), constant(10.0), "poisson", 120.0)
    return simulate(cluster, load, lambda index: make_balancer("marginal_cost"), 3, **given)


def share_of_bad(run, from_s, until_s):
    there = (run.at_s >= from_s) & (run.at_s < until_s)
    return float(np.mean(run.server[there] == 1))


@pytest.mark.parametrize(
    ("kind", "value"), [("slow", 6.0), ("network", 20.0), ("refuse", 0.0), ("silent", 0.0), ("leave", 0.0)]
)
def test_in_a_simulation_it_leaves_a_disturbed_server_and_comes_back(kind, value):
    run = disturbed(kind, value, timeout_s=2.0)
    assert share_of_bad(run, 5.0, 20.0) > 0.4
    assert share_of_bad(run, 25.0, 39.0) < 0.12
    assert share_of_bad(run, 90.0, 120.0) > 0.4
    assert run.ok.all()


def test_the_same_history_makes_the_same_choices():
    one, again = disturbed("slow", 6.0), disturbed("slow", 6.0)
    assert np.array_equal(one.server, again.server)
    assert np.array_equal(one.latency_s, again.latency_s)


def test_a_time_that_was_told_in_advance_is_not_gone_back_behind():
    balancer = MarginalCost()
    talk = Talk("a", "b", balancer=balancer)
    talk.ask()
    talk.answer(-1, service_s=5.0)  # an outcome is newer than the next request
    talk.now -= 4.0
    assert talk.ask() in {"a", "b"}
