"""A policy that fails does not stop routing, and hears of exactly what it placed."""

import asyncio
import time

import numpy as np
import pytest

from rilaas.balance import LeastConnections, LoadReport, Outcome, Request, ServerView, Weighing
from rilaas.core import InvalidInput, Unavailable
from rilaas.observe import Registry
from rilaas.route.balancing import Balancing
from rilaas.route.fleet import ModelRoute
from rilaas.route.interceptor import Interceptor
from rilaas.route.upstream import Distant, Server
from rilaas.serve.load import Load
from rilaas.wire import encode_response
from tests.route.test_interceptor import ALICE, BODY, Access, Upstream, ask, build


class Spy:
    """Takes the first server, and remembers all that it sees and hears."""

    def __init__(self):
        self.seen, self.heard = [], []

    def choose(self, request, servers):
        self.seen.append((request, list(servers)))
        return next(server.name for server in servers if server.name not in request.excluded)

    def observe(self, outcome):
        self.heard.append(outcome)

    def weighing(self):
        return Weighing(["a"], {"own_s": [0.5]}, "The first.")


class Broken(Spy):
    """Fails in one method, in one way."""

    def __init__(self, method, error):
        super().__init__()
        self.method, self.error = method, error

    def __getattribute__(self, name):
        if name in {"choose", "observe", "weighing"} and name == object.__getattribute__(self, "method"):
            error = object.__getattribute__(self, "error")

            def fail(*arguments):
                if isinstance(error, Exception):
                    raise error
                return error

            return fail
        return object.__getattribute__(self, name)


def routed(balancer, registry=None, **upstreams):
    servers = [Server(name, "edge", upstream) for name, upstream in upstreams.items()]
    grants = {"m": build({})[1].robots["SHA256:alice"].robot.models["m"]}
    return Interceptor(servers, Access(**grants), balancer, registry)


def test_every_choice_is_followed_by_one_outcome_with_the_very_same_request_and_the_time():
    spy = Spy()
    begun_s = time.monotonic()
    interceptor = routed(spy, a=Upstream(Unavailable("gone")), b=Upstream())
    ask(interceptor)
    (first, _), (second, _) = spy.seen
    assert [outcome.request for outcome in spy.heard] == [first, second]
    assert all(outcome.request is seen for outcome, (seen, _) in zip(spy.heard, spy.seen, strict=True))
    assert [(outcome.server, outcome.status) for outcome in spy.heard] == [("a", "error"), ("b", "ok")]
    times = [begun_s, first.at_s, spy.heard[0].at_s, second.at_s, spy.heard[1].at_s, time.monotonic()]
    assert times == sorted(times)
    assert second.excluded == {"a"}


def test_views_are_the_same_objects_until_something_changes():
    server = Server("a", "edge", Upstream(), weight=2.5)
    idle = server.view()
    assert server.view() is idle
    assert (idle.weight, idle.report) == (2.5, None)
    server.sent("m")
    busy = server.view()
    assert (busy.in_flight, busy.in_flight_by_model) == (1, {"m": 1})
    server.heard(Load(3, {"m": 4}, {"m": 7}, 2))
    report = server.view().report
    assert report == LoadReport(report.heard_s, 3, {"m": 4}, {"m": 7}, 2)
    server.ended("m")
    assert (server.view().in_flight, server.view().in_flight_by_model) == (0, {})
    assert (idle.in_flight, busy.in_flight) == (0, 1), "what a policy was shown stays as it was"


class Telling(Upstream):
    """Says with each answer how often it was asked."""

    async def infer(self, body, deadline):
        try:
            return await super().infer(body, deadline)
        finally:
            self.hear(Load(0, {"m": 1}, {"m": self.asked}))


@pytest.mark.parametrize("distance_s", [0.0, 0.02])
def test_the_report_that_came_with_an_answer_is_in_its_outcome_and_in_the_next_view(distance_s):
    spy = Spy()
    near = Telling()
    upstream = Distant(near, distance_s, distance_s / 4) if distance_s else near
    interceptor = routed(spy, a=upstream)
    ask(interceptor)
    ask(interceptor)
    assert [outcome.report.arrivals for outcome in spy.heard] == [{"m": 1}, {"m": 2}]
    assert spy.seen[0][1][0].report is None
    assert spy.seen[1][1][0].report is spy.heard[0].report


FAILURES = [("choose", ZeroDivisionError()), ("choose", Unavailable("x")), ("choose", "nobody"), ("choose", None)]
FAILURES += [("choose", ["a"]), ("observe", KeyError("a")), ("weighing", RuntimeError())]


@pytest.mark.parametrize(("method", "error"), FAILURES, ids=str)
def test_whatever_a_policy_does_requests_are_answered_and_it_is_counted_and_logged_once(method, error, caplog):
    registry = Registry()
    interceptor = routed(Broken(method, error), registry, a=Upstream(), b=Upstream())
    for _ in range(4):
        assert ask(interceptor)
    assert {server.upstream.asked for server in interceptor.servers.values()} <= {0, 2, 4}
    kind = method if isinstance(error, Exception) else "stranger"
    assert f'rilaas_route_balancer_failures_total{{balancer="Broken",kind="{kind}"}} 4' in registry.to_text()
    assert caplog.text.count("the balancing policy Broken failed") == 1


def test_a_policy_hears_that_a_choice_of_nobody_was_not_sent_and_nothing_of_what_others_placed():
    spy = Broken("choose", "nobody")
    interceptor = routed(spy, a=Upstream())
    ask(interceptor)
    assert [(outcome.server, outcome.status) for outcome in spy.heard] == [("nobody", "cancelled")]


def test_where_no_server_is_left_the_policy_is_not_to_blame():
    registry = Registry()
    interceptor = routed(Spy(), registry, a=Upstream(Unavailable("x")))
    with pytest.raises(Unavailable, match="tried and failed: a"):
        ask(interceptor)
    assert "balancer_failures_total{" not in registry.to_text()


def test_what_the_table_names_and_cannot_be_made_goes_by_the_default_and_is_logged_once(caplog):
    interceptor = routed(Spy(), a=Upstream())
    for spec in ("random", "random=/nowhere", "magic", "magic"):
        route = ModelRoute(frozenset({"a"}), spec)
        assert (interceptor.balancers.of(route) is interceptor.balancers.of(None)) == (spec != "random")
    assert caplog.text.count("'magic'") == 2  # the policy, and what the error says of it
    assert "takes no file" in caplog.text


def test_a_policy_is_made_with_what_the_configuration_says():
    balancing = Balancing("random", seed=3, interceptors=4)
    views = [ServerView(name) for name in "abcdefgh"]
    runs = [[balancing.make("random").choose(Request("m"), views) for _ in range(9)] for _ in range(2)]
    assert runs[0] == runs[1]
    with pytest.raises(InvalidInput, match="at least 1"):
        Balancing(interceptors=0)


class Unsure(LeastConnections):
    def guard(self):
        return {"fallback": 1, "prediction_error": 0.25}


def test_the_guard_of_a_policy_is_shown_and_one_that_fails_shows_nothing():
    interceptor = routed(Unsure(), a=Upstream())
    assert interceptor.balancers.of(None).guard() == {"fallback": 1.0, "prediction_error": 0.25}
    assert routed(LeastConnections(), a=Upstream()).balancers.of(None).guard() == {}
    for guard in (lambda: 1 / 0), (lambda: 3), (lambda: {"x": None}):
        failing = Unsure()
        failing.guard = guard
        assert routed(failing, a=Upstream()).balancers.of(None).guard() == {}


def test_a_cancelled_request_is_told_as_cancelled_and_leaves_nothing_behind():
    async def run():
        spy = Spy()
        interceptor = routed(spy, a=Upstream(10.0))
        asking = asyncio.ensure_future(interceptor.infer(BODY, ALICE, None))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert [outcome.status for outcome in spy.heard] == ["cancelled"]
        assert interceptor.servers["a"].view().in_flight == 0
        assert interceptor.decisions.last()[0].outcome == "cancelled"

    asyncio.run(run())


def test_the_time_in_the_model_is_in_the_outcome():
    spy = Spy()
    told = {"rilaas_queue_s": 0.001, "rilaas_compute_s": 0.002}
    interceptor = routed(spy, a=Upstream(encode_response("m", "1", {"y": np.ones(1)}, parameters=told)))
    ask(interceptor)
    assert (spy.heard[0].queue_s, spy.heard[0].compute_s) == (0.001, 0.002)
    assert isinstance(spy.heard[0], Outcome)
