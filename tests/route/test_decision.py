"""Why this server? Asked of a running interceptor."""

import json
import math
import threading
import urllib.error
import urllib.request
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from rilaas.balance import Weighing
from rilaas.core import ModelFailed, NotFound, Unavailable
from rilaas.observe import Registry, serve_metrics
from rilaas.route import fetch_decision
from rilaas.route.decision import KEPT, PATH, Decisions
from rilaas.wire import encode_request
from tests.route.test_guarded import Broken, Spy, routed
from tests.route.test_interceptor import Upstream, ask


@pytest.fixture
def shown():
    with serve_metrics(Registry()) as endpoint:
        yield lambda decisions: (endpoint.show(PATH, decisions.answer), endpoint.address)[1]


def test_a_decision_tells_who_asked_what_was_weighed_every_attempt_and_the_end(shown):
    interceptor = routed(Spy(), a=Upstream(Unavailable("gone")), b=Upstream())
    ask(interceptor)
    told = fetch_decision(shown(interceptor.decisions), "r-1")
    assert (told["robot"], told["model"], told["balancer"]) == ("alice", "m", "Spy")
    assert (told["outcome"], told["server"]) == ("ok", "b")
    assert told["latency_s"] >= max(each["latency_s"] for each in told["attempts"])
    assert 0.0 < told["deadline_s"] <= 5.0
    assert [(each["server"], each["why"], each["status"]) for each in told["attempts"]] == [
        ("a", "first", "error"),
        ("b", "retry", "ok"),
    ]
    assert told["attempts"][0]["figures"] == {"own_s": [0.5]}
    assert (told["attempts"][0]["servers"], told["attempts"][0]["rule"]) == (["a"], "The first.")


def test_a_policy_that_failed_is_told_as_such_and_what_chose_instead():
    interceptor = routed(Broken("choose", KeyError("x")), a=Upstream(ModelFailed("no")))
    with pytest.raises(ModelFailed):
        ask(interceptor)
    (told,) = interceptor.decisions.of("r-1")
    assert told.outcome == "model_failed"
    assert told.attempts[0].is_fallback
    assert "fewest" in told.attempts[0].weighing.rule


def test_the_last_are_kept_the_newest_first_and_may_be_of_one_model():
    decisions = Decisions()
    for number in range(KEPT + 5):
        decisions.begin(str(number), "robot", "mn"[number % 2], "x", math.inf)
    assert [each.request_id for each in decisions.last(2)] == [str(KEPT + 4), str(KEPT + 3)]
    assert {each.model for each in decisions.last(10, "n")} == {"n"}
    assert not decisions.of("4")
    assert len(decisions.of("5")) == 1
    status, text = decisions.answer({"last": "3", "model": "m"})
    assert (status, len(json.loads(text)["decisions"])) == (200, 3)
    assert json.loads(text)["decisions"][0]["deadline_s"] is None, "JSON has no infinity"
    assert decisions.answer({"last": "-1"})[0] == 400


def test_what_is_not_known_and_where_nobody_is_are_told_apart(shown):
    address = shown(Decisions())
    for url in (address, f"http://{address}", f"http://{address}/metrics"):
        with pytest.raises(NotFound, match="No request 'x&y'"):
            fetch_decision(url, "x&y")
    with pytest.raises(Unavailable, match="No interceptor answers"):
        fetch_decision("127.0.0.1:1", "x")


class Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_another_server_at_that_address_is_no_interceptor():
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=partial(server.handle_request)).start()
        with pytest.raises(Unavailable, match="status 500"):
            fetch_decision(f"127.0.0.1:{server.server_port}", "x")


def test_only_callers_on_this_machine_that_know_it_are_answered(shown):
    address = shown(Decisions())
    request = urllib.request.Request(f"http://{address}{PATH}", headers={"Host": "rebound.example:80"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refusal:
        urllib.request.urlopen(request)
    refusal.value.close()
    with urllib.request.urlopen(f"http://{address}{PATH}") as answer:
        assert json.load(answer) == {"decisions": []}
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "figures", [{"own_s": [None]}, {"own_s": 3.0}, None, {"own_s": ["x"]}, {"own_s": []}], ids=str
)
def test_what_a_policy_says_that_is_no_weighing_stops_neither_requests_nor_reports(figures):
    spy = Spy()
    spy.weighing = lambda: Weighing(["a"], figures, "x")
    interceptor = routed(spy, a=Upstream())
    assert ask(interceptor)
    (told,) = interceptor.decisions.digest()
    assert "cannot be shown" in told["attempts"][0]["rule"]


def test_what_is_told_is_bounded_whatever_robots_and_policies_say():
    spy = Spy()
    spy.weighing = lambda: Weighing(["a"] * 999, {f"f{n}": [0.5] * 999 for n in range(99)}, "x" * 9999)
    interceptor = routed(spy, a=Upstream())
    ask(interceptor, encode_request("m", "", {"x": np.zeros(1, np.float32)}, request_id="r" * 10_000))
    assert len(json.dumps(interceptor.decisions.digest())) < 20_000
    assert interceptor.decisions.of("r" * 10_000)
