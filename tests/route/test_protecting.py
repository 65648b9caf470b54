"""Placement and protection beside the policy: what it never sees, copies, hedges, shedding."""

import asyncio
import time

import numpy as np
import pytest

from rilaas.balance import LeastConnections
from rilaas.core import DeadlineExceeded, InvalidInput, ModelFailed, Unavailable
from rilaas.observe import Registry
from rilaas.route.access import Grant
from rilaas.route.balancing import Balancing, Protection
from rilaas.route.fleet import read_fleet
from rilaas.route.interceptor import Interceptor
from rilaas.route.protecting import FIRST_SAMPLES, PROBE_EVERY, Protecting
from rilaas.route.upstream import Server
from rilaas.wire import decode_response, encode_request
from tests.route.test_guarded import Spy
from tests.route.test_interceptor import ALICE, BODY, Access, Upstream


def protected(protection, balancer=None, fleet=None, **upstreams):
    kinds = {name: "cloud" if name.startswith("cloud") else "edge" for name in upstreams}
    servers = [Server(name, kinds[name], upstream) for name, upstream in upstreams.items()]
    access, registry = Access(m=Grant()), Registry()
    access.fleet = lambda: fleet
    balancing = Balancing("spy", models={"m": protection} if protection else {})
    spy = balancer or Spy()
    return Interceptor(servers, access, spy, registry, balancing=balancing), spy, registry


def answers(interceptor, count=1, body=BODY, seconds=5.0):
    async def run():
        replies = [
            decode_response(await interceptor.infer(body, ALICE, time.monotonic() + seconds)) for _ in range(count)
        ]
        await asyncio.sleep(0)  # tasks that were cancelled end
        return [reply.parameters["rilaas_server"] for reply in replies]

    return asyncio.run(run())


def test_a_policy_never_sees_a_server_that_the_models_data_must_not_reach():
    fleet = read_fleet([], {"servers": [], "models": {"m": {"servers": ["edge"], "sensitivity": "edge"}}})
    upstreams = {"cloud": Upstream(), "edge": Upstream(*[0.0001] * 5, Unavailable("x"))}
    interceptor, spy, _ = protected(Protection(replicate=2), fleet=fleet, **upstreams)
    assert set(answers(interceptor, 5)) == {"edge"}
    with pytest.raises(Unavailable):
        answers(interceptor)
    assert {view.name for _, views in spy.seen for view in views} == {"edge"}
    assert upstreams["cloud"].asked == 0


def test_a_request_that_waits_too_long_is_sent_to_another_server_and_the_first_answer_counts():
    slow = Upstream(10.0)
    interceptor, spy, registry = protected(Protection(hedge_after_s=0.02), a=slow, b=Upstream())
    assert answers(interceptor) == ["b"]
    assert [(outcome.server, outcome.status) for outcome in spy.heard] == [("b", "ok"), ("a", "cancelled")]
    assert {id(outcome.request) for outcome in spy.heard} == {id(request) for request, _ in spy.seen}
    assert spy.seen[1][0].excluded == {"a"}
    assert not any(server.view().in_flight for server in interceptor.servers.values())
    text = registry.to_text()
    assert 'rilaas_route_extra_requests_total{model="m",kind="hedge"} 1' in text
    assert 'rilaas_route_extra_wins_total{model="m",kind="hedge"} 1' in text
    assert [each.why for each in interceptor.decisions.last()[0].attempts] == ["first", "hedge"]


def test_hedges_keep_to_their_budget():
    slow = Upstream(*[0.01] * 60)
    interceptor, _, registry = protected(Protection(hedge_after_s=0.001, hedge_budget=0.1), a=slow, b=Upstream())
    answers(interceptor, 40)
    count = registry.counter("rilaas_route_extra_requests_total", "", ("model", "kind"))
    assert 4 <= count.value(model="m", kind="hedge") <= 5, "one, and a tenth of the requests"


def test_the_models_own_p95_says_when_to_hedge():
    protecting = Protecting({"m": Protection(hedge_at_p95=True)}, Registry())
    assert protecting.plan("m", "alice", b"").hedge_after_s is None, "nothing is known yet"
    for number in range(10 * FIRST_SAMPLES):
        protecting.answered("m", 1e-3 * (number % 100 + 1))
    assert 0.09 < protecting.plan("m", "alice", b"").hedge_after_s < 0.1


def test_a_request_to_two_servers_is_answered_by_the_faster_one():
    upstreams = {"a": Upstream(*[0.5] * 3), "b": Upstream(*[0.001] * 3), "c": Upstream()}
    interceptor, spy, registry = protected(Protection(replicate=2), **upstreams)
    assert answers(interceptor, 3) == ["b", "b", "b"]
    assert [upstream.asked for upstream in upstreams.values()] == [3, 3, 0]
    assert 'extra_requests_total{model="m",kind="copy"} 3' in registry.to_text()
    assert 'extra_wins_total{model="m",kind="copy"} 3' in registry.to_text()
    assert len(spy.heard) == len(spy.seen) == 6


def test_of_two_copies_one_may_fail_and_where_both_do_others_are_tried():
    gone = [Unavailable("gone")]
    interceptor, _, _ = protected(Protection(replicate=2), a=Upstream(*gone), b=Upstream(0.02))
    assert answers(interceptor) == ["b"]
    interceptor, spy, _ = protected(Protection(replicate=2), a=Upstream(*gone), b=Upstream(*gone), c=Upstream())
    assert answers(interceptor) == ["c"]
    assert spy.seen[-1][0].excluded == {"a", "b"}


def test_the_models_own_error_is_an_answer_and_ends_the_race():
    interceptor, spy, _ = protected(Protection(replicate=2), a=Upstream(ModelFailed("no")), b=Upstream(10.0))
    with pytest.raises(ModelFailed):
        answers(interceptor)
    assert sorted(outcome.status for outcome in spy.heard) == ["cancelled", "error"]


def test_who_leaves_during_a_race_leaves_nothing_behind():
    async def run():
        interceptor, spy, _ = protected(Protection(replicate=2), a=Upstream(10.0), b=Upstream(10.0))
        asking = asyncio.ensure_future(interceptor.infer(BODY, ALICE, None))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert [outcome.status for outcome in spy.heard] == ["cancelled", "cancelled"]
        assert not any(server.view().in_flight for server in interceptor.servers.values())
        await asyncio.sleep(0.01)
        assert len(spy.heard) == 2

    asyncio.run(run())


def test_a_robot_that_relies_on_what_a_model_remembers_is_never_on_two_servers():
    first = encode_request("m", "", {"x": np.zeros(1, np.float32)}, parameters={"rilaas_reset": True})
    upstreams = {"a": Upstream(), "b": Upstream()}
    interceptor, _, _ = protected(Protection(replicate=2), **upstreams)
    answers(interceptor, body=first)
    answers(interceptor, 3)
    assert [upstream.asked for upstream in upstreams.values()] == [4, 0]


class Knowing(LeastConnections):
    def __init__(self, **seconds):
        super().__init__()
        self.seconds = seconds

    def expected_s(self, request, servers):
        return {server.name: self.seconds[server.name] for server in servers if server.name in self.seconds}


def test_what_no_server_can_answer_in_time_is_refused_at_once_but_for_a_probe():
    upstream = Upstream()
    interceptor, _, registry = protected(Protection(shed=True), Knowing(a=9.0, b=8.0), a=upstream, b=upstream)
    with pytest.raises(DeadlineExceeded, match="within 5 s: b would be the first, after 8 s"):
        answers(interceptor)
    assert upstream.asked == 0
    refused = 1
    for _ in range(PROBE_EVERY - 1):
        try:
            answers(interceptor)
        except DeadlineExceeded:
            refused += 1
    assert (refused, upstream.asked) == (PROBE_EVERY - 1, 1)
    assert f'rilaas_route_shed_total{{model="m"}} {PROBE_EVERY - 1}' in registry.to_text()


@pytest.mark.parametrize("known", [{"a": 9.0}, {}, {"a": 9.0, "b": 1.0}, {"a": 9.0, "b": float("nan")}], ids=str)
def test_nothing_is_refused_while_one_server_may_be_in_time_or_is_not_known(known):
    interceptor, _, _ = protected(Protection(shed=True), Knowing(**known), a=Upstream(), b=Upstream())
    assert answers(interceptor)


def test_a_policy_without_estimates_refuses_nothing_and_neither_does_one_that_fails():
    assert answers(protected(Protection(shed=True), LeastConnections(), a=Upstream())[0])
    for told in (lambda *_: 1 / 0), (lambda *_: 3), (lambda *_: {"a": None}):
        balancer = Knowing(a=9.0)
        balancer.expected_s = told
        assert answers(protected(Protection(shed=True), balancer, a=Upstream())[0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hedge_after_s": 0.0}, "above 0"),
        ({"hedge_budget": 2.0}, "at most 1"),
        ({"replicate": 9}, "from 1 to 4"),
        ({"replicate": 2, "hedge_at_p95": True}, "not both"),
    ],
    ids=str,
)
def test_a_protection_that_makes_no_sense_is_refused(values, words):
    with pytest.raises(InvalidInput, match=words):
        Protection(**values)
