"""What an agent sees, and what happens when it fails."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance import LoadReport, Outcome, Request, ServerView, check_balancer
from rilaas.balance.agent import FEATURES, AgentBalancer, AgentView, flatten
from rilaas.balance.simulation import Disturbance, simulate
from rilaas.core import InvalidInput
from tests.balance.simulation.clusters import one_model, poisson


class FewestInFlight:
    """An agent that reads the observation."""

    def predict(self, observation, *, deterministic):
        counts = np.where(observation["mask"] == 1, observation["servers"][:, 0], np.inf)
        return np.int64(np.argmin(counts)), None


class Says:
    def __init__(self, said):
        self.said = said

    def predict(self, observation, *, deterministic):
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def figure(observation, place, name):
    return observation["servers"][place, FEATURES.index(name)]


def test_an_agent_keeps_the_contract_of_a_balancer():
    check_balancer(lambda: AgentBalancer(FewestInFlight(), 3))


@pytest.mark.parametrize(
    "said",
    [RuntimeError("no weights"), 7, -1, 0.5, "a", None, np.array([0, 1]), (np.array(float("nan")), None)],
    ids=str,
)
def test_routing_goes_on_by_least_connections_when_the_agent_fails(said, caplog):
    balancer = AgentBalancer(Says(said), 2)
    check_balancer(lambda: AgentBalancer(Says(said), 2))
    caplog.clear()
    servers = [ServerView("a", in_flight=3), ServerView("b", in_flight=1)]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert balancer.choose(Request("m"), servers) == "b"
    assert balancer.failures == 3
    assert len(caplog.records) == 1
    assert "fewest" in balancer.weighing().rule


@pytest.mark.parametrize("said", [1, np.int64(1), np.array(1), np.array([1]), (np.array([1]), None)], ids=repr)
def test_an_agent_may_say_its_action_in_the_ways_that_libraries_do(said):
    balancer = AgentBalancer(Says(said), 2)
    assert balancer.choose(Request("m"), [ServerView("a"), ServerView("b", in_flight=9)]) == "b"
    assert balancer.failures == 0


def test_an_agent_never_gets_an_excluded_server():
    balancer = AgentBalancer(Says(0), 2)
    servers = [ServerView("a"), ServerView("b", in_flight=9)]
    assert balancer.choose(Request("m", excluded=frozenset({"a"})), servers) == "b"
    assert balancer.failures == 1


def test_more_servers_than_places_are_no_error():
    balancer = AgentBalancer(FewestInFlight(), 2)
    servers = [ServerView(name, in_flight=count) for name, count in (("a", 5), ("b", 4), ("c", 0))]
    assert balancer.choose(Request("m"), servers) == "b"
    assert balancer.choose(Request("m", excluded=frozenset("ab")), servers) == "c"


def test_an_agent_balances_a_simulation_with_failing_servers():
    cluster = one_model(
        2, 2, disturbances=(Disturbance(5.0, 15.0, "a", "refuse"), Disturbance(20.0, 30.0, "b", "leave"))
    )
    run = simulate(cluster, poisson(1.0, 60.0), lambda _: AgentBalancer(FewestInFlight(), 2), 3)
    assert run.ok_share == 1.0


def test_the_view_tells_what_outcomes_told():
    view = AgentView(2)
    request = Request("m", at_s=1.0)
    servers = [ServerView("a", "cloud"), ServerView("b", in_flight=8, report=LoadReport(0.0, 8, {"": 8}))]
    assert not view.look(request, servers)["servers"][0].any()
    view.observe(Outcome(request, "a", "ok", 1.0, queue_s=0.25, compute_s=1.0))
    view.observe(Outcome(request, "b", "error", 0.1))
    seen = view.look(request, servers)
    assert figure(seen, 0, "latency") == figure(seen, 0, "service") == 0.5
    assert figure(seen, 0, "queue") == pytest.approx(0.2)
    assert figure(seen, 1, "latency") == 0.0
    assert figure(seen, 1, "failures") == 1.0
    assert figure(seen, 1, "in_flight") == figure(seen, 1, "slots") == figure(seen, 1, "report_age") == 0.5
    assert seen["request"][1] == 0.5
    assert seen["request"][2] == 1.0


def test_a_server_keeps_its_place_until_another_needs_it():
    view = AgentView(2)
    view.look(Request("m"), [ServerView("a"), ServerView("b")])
    view.observe(Outcome(Request("m"), "a", "ok", 1.0))
    assert view.look(Request("m"), [ServerView("b")])["mask"].tolist() == [0, 1]
    seen = view.look(Request("m"), [ServerView("b"), ServerView("c")])
    assert [view.name_at(0), view.name_at(1)] == ["c", "b"]
    assert figure(seen, 0, "latency") == 0.0


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0.0, 1e9), st.integers(0, 10**9), st.floats(0.0, 1e9)),
        max_size=20,
    )
)
def test_all_that_is_seen_lies_between_0_and_1(history):
    view, at_s = AgentView(3), 0.0
    for name, latency_s, count, passed_s in history:
        at_s += passed_s
        view.observe(Outcome(Request("m"), name, "ok", latency_s, latency_s, latency_s, at_s))
        report = LoadReport(at_s, count, {"m": count})
        seen = view.look(Request("m", at_s=at_s), [ServerView(name, in_flight=count, report=report)])
        whole = flatten(seen)
        assert whole.dtype == np.float32
        assert ((whole >= 0.0) & (whole <= 1.0)).all()


def test_an_agent_without_places_is_refused():
    with pytest.raises(InvalidInput, match="1 server or more"):
        AgentView(0)
