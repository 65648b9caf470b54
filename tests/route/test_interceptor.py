"""The interceptor over upstreams that a test can break; real processes are in tests/end_to_end."""

import asyncio
import time

import numpy as np
import pytest

from rilaas.balance import make_balancer
from rilaas.core import (
    DeadlineExceeded,
    ModelFailed,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from rilaas.observe import Registry
from rilaas.route.access import Grant, Registered, RobotAccess, SourceStatus
from rilaas.route.interceptor import Interceptor
from rilaas.route.upstream import Distant, Server
from rilaas.serve.service import Caller, ModelState
from rilaas.wire import decode_response, encode_request, encode_response

ALICE = Caller("alice", "SHA256:alice", "test")
BODY = encode_request("m", "", {"x": np.zeros(1, np.float32)}, request_id="r-1")
REPLY = encode_response("m", "1", {"y": np.ones(1, np.float32)}, request_id="r-1")


class Upstream:
    def __init__(self, *outcomes, models=("m",)):
        self.outcomes, self.asked = list(outcomes), 0
        self.states = [ModelState(name, "1", True) for name in models]

    async def infer(self, body, deadline):
        self.asked += 1
        outcome = self.outcomes.pop(0) if self.outcomes else REPLY
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, float):
            await asyncio.sleep(outcome)
            return REPLY
        return outcome

    async def metadata(self, model, version):
        return b"metadata of " + model.encode()

    def models(self):
        return self.states

    async def look(self):
        pass

    def follow(self, hear):
        self.hear = hear


class Access:
    def __init__(self, **models):
        self.robots = {"SHA256:alice": Registered(RobotAccess("alice", models), None)}

    def find(self, kid):
        return self.robots.get(kid)

    def fleet(self):
        return None

    def status(self):
        return SourceStatus("file", 0)


def build(upstreams, grants=None, balancer="round_robin", registry=None):
    servers = [Server(name, "edge", upstream) for name, upstream in upstreams.items()]
    access = Access(**(grants or {"m": Grant()}))
    return Interceptor(servers, access, make_balancer(balancer), registry), access


def ask(interceptor, body=BODY, caller=ALICE, seconds=5.0):
    return asyncio.run(interceptor.infer(body, caller, time.monotonic() + seconds))


def test_the_answer_says_which_server_gave_it():
    interceptor, _ = build({"edge-1": Upstream()})
    answer = decode_response(ask(interceptor))
    assert answer.parameters == {"rilaas_server": "edge-1", "rilaas_attempts": 1}
    assert answer.request_id == "r-1"
    assert np.array_equal(answer.tensors["y"], [1])


def test_a_server_that_is_gone_costs_no_request():
    first, second = Upstream(Unavailable("gone"), Unavailable("gone")), Upstream()
    interceptor, _ = build({"a": first, "b": second})
    for _ in range(4):
        answer = decode_response(ask(interceptor))
        assert answer.parameters["rilaas_server"] in {"a", "b"}
    assert first.asked + second.asked == 6


def test_when_all_are_gone_the_error_names_them():
    interceptor, _ = build({"a": Upstream(Unavailable("x")), "b": Upstream(Unavailable("y"))})
    with pytest.raises(Unavailable, match="tried and failed: a, b"):
        ask(interceptor)


def test_the_models_own_error_is_told_and_not_tried_elsewhere():
    first, second = Upstream(ModelFailed("division by zero")), Upstream(ModelFailed("division by zero"))
    interceptor, _ = build({"a": first, "b": second})
    with pytest.raises(ModelFailed, match="division by zero"):
        ask(interceptor)
    assert first.asked + second.asked == 1


def test_a_passed_deadline_asks_nobody():
    upstream = Upstream()
    interceptor, _ = build({"a": upstream})
    with pytest.raises(DeadlineExceeded):
        ask(interceptor, seconds=-1.0)
    assert upstream.asked == 0


def test_a_robot_without_a_grant_cannot_tell_whether_the_model_exists():
    interceptor, _ = build({"a": Upstream(models=("m", "secret"))})
    words = []
    for model in ("secret", "no-such"):
        with pytest.raises(PermissionDenied) as refusal:
            ask(interceptor, encode_request(model, "", {"x": np.zeros(1)}))
        words.append(str(refusal.value).replace(model, "*"))
    assert words[0] == words[1]
    assert [state.name for state in interceptor.models(ALICE)] == ["m"]


def test_a_revoked_robot_is_refused_on_an_open_connection():
    interceptor, access = build({"a": Upstream()})
    ask(interceptor)
    access.robots.clear()
    with pytest.raises(Unauthenticated, match="not registered any more"):
        ask(interceptor)


def test_a_flood_over_the_limit_is_refused_and_reaches_no_server():
    upstream = Upstream()
    interceptor, _ = build({"a": upstream}, {"m": Grant(0.001, 5)})
    refused = 0
    for _ in range(50):
        try:
            ask(interceptor)
        except RateLimited:
            refused += 1
    assert (refused, upstream.asked) == (45, 5)


def test_a_model_or_version_that_no_server_has_is_told_with_the_nearest():
    interceptor, _ = build({"a": Upstream(models=("lane-following",))}, {"*": Grant()})
    with pytest.raises(NotFound, match="Did you mean 'lane-following'"):
        ask(interceptor, encode_request("lane-folowing", "", {"x": np.zeros(1)}))
    with pytest.raises(NotFound, match="version .7."):
        ask(interceptor, encode_request("lane-following", "7", {"x": np.zeros(1)}))


def test_a_server_that_keeps_failing_is_left_alone():
    bad, good = Upstream(*[Unavailable("x")] * 100), Upstream()
    interceptor, _ = build({"bad": bad, "good": good})
    for _ in range(20):
        ask(interceptor)
    assert bad.asked == 3
    assert interceptor.servers["bad"].breaker.state == "open"


def test_requests_in_flight_are_counted_and_released_on_every_way_out():
    async def run():
        upstream = Upstream(0.05, ModelFailed("x"), Unavailable("x"), 10.0)
        interceptor, _ = build({"a": upstream})
        server = interceptor.servers["a"]
        waiting = asyncio.ensure_future(interceptor.infer(BODY, ALICE, None))
        await asyncio.sleep(0.01)
        assert server.view().in_flight == 1
        assert server.view().in_flight_by_model == {"m": 1}
        await waiting
        for error in (ModelFailed, Unavailable):
            with pytest.raises(error):
                await interceptor.infer(BODY, ALICE, None)
        cancelled = asyncio.ensure_future(interceptor.infer(BODY, ALICE, None))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert server.view().in_flight == 0

    asyncio.run(run())


def test_every_request_and_attempt_is_in_the_metrics():
    registry = Registry()
    interceptor, _ = build({"a": Upstream(Unavailable("x")), "b": Upstream()}, registry=registry)
    ask(interceptor)
    with pytest.raises(PermissionDenied):
        ask(interceptor, encode_request("secret", "", {"x": np.zeros(1)}))
    text = registry.to_text()
    assert 'rilaas_route_requests_total{robot="alice",model="m",outcome="ok"} 1' in text
    assert 'rilaas_route_requests_total{robot="alice",model="-",outcome="permission_denied"} 1' in text
    assert 'outcome="error"} 1' in text
    assert "secret" not in text


def test_a_distant_server_takes_its_time_and_a_short_deadline_says_so():
    async def run():
        far = Distant(Upstream(), 0.1)
        start = time.monotonic()
        await far.infer(BODY, None)
        assert time.monotonic() - start >= 0.1
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="too far away"):
            await far.infer(BODY, time.monotonic() + 0.02)
        assert time.monotonic() - start < 0.1

    asyncio.run(run())
