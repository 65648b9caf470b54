"""What marginal_cost knows survives a restart of the interceptor."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance import LoadReport, Outcome, Request, ServerView, make_balancer
from rilaas.core import InvalidInput

TIMES_S = {("near", "m"): 0.02, ("near", "n"): 0.3, ("far", "m"): 0.06, ("far", "n"): 0.07}
VIEWS = [ServerView("near"), ServerView("far", "cloud")]


def policy():
    return make_balancer("marginal_cost")


def answered(balancer, server, model, seconds, at_s, slots=None):
    """One request, alone on one server, and its answer."""
    request = Request(model, at_s=at_s)
    view = next(view for view in VIEWS if view.name == server)
    assert balancer.choose(request, [view]) == server
    end_s = at_s + seconds + 0.01
    report = LoadReport(end_s, 0, slots, {}) if slots else None
    balancer.observe(Outcome(request, server, "ok", seconds + 0.01, 0.0, seconds, end_s, report))


def experienced(begin_s=None, slots=None):
    balancer, at_s = policy(), time.monotonic() - 20.0 if begin_s is None else begin_s
    for turn in range(10):
        for (server, model), seconds in TIMES_S.items():
            answered(balancer, server, model, seconds * (1.0 + 0.1 * (-1) ** turn), at_s, slots)
            at_s += 0.4
    return balancer


def restored(state):
    balancer = policy()
    balancer.restore(state)
    return balancer


def expected(balancer, model, in_s=1.0):
    return balancer.expected_s(Request(model, at_s=time.monotonic() + in_s), VIEWS)


@pytest.mark.parametrize("slots", [None, {"": 3}, {"m": 4, "n": 1}], ids=["untold", "shared", "stations"])
def test_it_goes_on_where_it_was(slots):
    before = experienced(slots=slots)
    state = before.state()
    after = restored(state)
    for model in "mn":
        assert expected(after, model) == pytest.approx(expected(before, model), rel=1e-2)
        assert min(expected(after, model).values()) > 0.0, "0 would be ignorance"
        request = Request(model, at_s=time.monotonic() + 1.0)
        assert after.choose(request, VIEWS) == before.choose(request, VIEWS)
    assert json.loads(state)["servers"]["near"]["slots"] == (slots or {"": 2})
    assert json.loads(after.state()) == json.loads(state), "nothing was learned"


def test_what_is_in_flight_is_not_in_it():
    balancer = experienced()
    idle = expected(balancer, "n")
    state = balancer.state()
    sent = [Request("n", at_s=time.monotonic()) for _ in range(20)]
    for request in sent:
        balancer.choose(request, VIEWS)
    assert balancer.state() == state
    assert max(expected(balancer, "n", 0.0).values()) > 1.5 * max(idle.values())
    assert expected(restored(balancer.state()), "n", 0.0) == pytest.approx(idle, rel=1e-2)


def test_what_is_older_than_an_hour_is_dropped():
    document = json.loads(experienced(time.monotonic() - 3590.0).state())
    assert expected(restored(json.dumps(document).encode()), "m")["near"] > 0.0
    document["servers"]["near"]["models"]["m"]["at_unix_s"] -= 60
    after = restored(json.dumps(document).encode())
    assert "m" not in json.loads(restored(after.state()).state())["servers"]["near"]["models"]
    assert expected(after, "m")["near"] == 0.0, "not known any more"
    assert expected(after, "m")["far"] > 0.0
    assert expected(after, "n")["near"] > 0.0
    del document["servers"]["near"]["models"]["m"]["at_unix_s"]
    assert expected(restored(json.dumps(document).encode()), "m")["near"] > 0.0, "nobody says how old it is"


def test_what_was_learned_since_is_left_as_it_is():
    state = experienced().state()
    balancer = policy()
    answered(balancer, "near", "m", 0.5, time.monotonic())
    balancer.restore(state)
    found = expected(balancer, "m")
    assert found["near"] == pytest.approx(0.51, rel=0.05)
    assert found["far"] == pytest.approx(0.07, rel=0.1)


def test_a_server_that_was_slow_gets_a_request_that_tells():
    slow, at_s = experienced(time.monotonic() - 30.0), time.monotonic() - 10.0
    for turn in range(12):
        answered(slow, "near", "m", 0.5, at_s + 0.6 * turn)
    assert expected(slow, "m")["near"] > 0.3
    after = restored(slow.state())
    assert expected(after, "m")["near"] < expected(after, "m")["far"]
    assert after.choose(Request("m", at_s=time.monotonic()), VIEWS) == "near"
    assert after.choose(Request("m", at_s=time.monotonic()), VIEWS) == "far", "one at a time"


GOOD = json.loads(experienced().state())


def broken(*path, value):
    document = json.loads(json.dumps(GOOD))
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(document).encode()


NEAR_M = ("servers", "near", "models", "m")


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"PK\x03\x04",
        b"[" * 100_000,
        broken("policy", value="q_learning"),
        broken("format", value=2),
        broken("servers", value=[]),
        broken("servers", "near", value=3),
        broken("servers", "near", "slots", value={"m": 0}),
        broken("servers", "near", "slots", value={"m": 10**9}),
        broken(*NEAR_M, "service_s", value=None),
        broken(*NEAR_M, "service_s", "mean", value=float("nan")),
        broken(*NEAR_M, "service_s", "mean", value=-1.0),
        broken(*NEAR_M, "service_s", "count", value=0),
        broken(*NEAR_M, "network_s", "variance", value=float("inf")),
        broken(*NEAR_M, "network_s", "mean", value="0.1"),
        broken(*NEAR_M, "usual_s", value=0.0),
        broken(*NEAR_M, "at_unix_s", value="yesterday"),
    ],
)
def test_foreign_bytes_are_refused_and_nothing_is_taken_over(state):
    balancer = policy()
    with pytest.raises(InvalidInput, match="no state of marginal_cost"):
        balancer.restore(state)
    assert expected(balancer, "m") == {"near": 0.0, "far": 0.0}


@given(st.binary(max_size=50))
def test_any_bytes_are_refused(data):
    with pytest.raises(InvalidInput):
        policy().restore(data)


def test_one_that_knows_nothing_says_so():
    assert expected(restored(policy().state()), "m") == {"near": 0.0, "far": 0.0}
