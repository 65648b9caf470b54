"""Balancing policies that deployments name, and "why this server?" on a deployment's page."""

import pytest

from rilaas.balance import BALANCERS
from rilaas.core import InvalidInput
from rilaas.hub.actions.deployment import Wanted
from rilaas.hub.actions.machine import InterceptorState, interceptor_reported
from rilaas.hub.models import Model
from rilaas.hub.queries.balancer import CHOICES, DESCRIPTIONS
from rilaas.hub.queries.fleet import list_machines
from rilaas.route.decision import Decisions
from tests.hub.fleet_of import make_model, make_server, point
from tests.hub.test_deployment_pages import act

pytestmark = pytest.mark.django_db
URL = "/deployments/alice/lane"


@pytest.fixture
def deployed(alice, browser):
    make_server()
    point(alice, make_model(alice, "lane", versions=1), "prod", "1")
    client = browser(alice)
    act(client, URL, act="deploy-now")
    return client


def placed(model="alice/lane", count=1, **more):
    attempt = {"server": "edge-1", "why": "first", "status": "ok", "latency_s": 0.02, "is_fallback": True}
    attempt |= {"rule": "The <fewest>.", "servers": ["edge-1", "far"], "figures": {"own_s": [0.01, None]}}
    row = {"request_id": "r-7", "robot": "alice/lab", "model": model, "balancer": "c3", "server": "edge-1"}
    return [
        {**row, "at_unix_s": 1.7e9 + at, "outcome": "ok", "latency_s": 0.025, "attempts": [attempt], **more}
        for at in range(count)
    ]


def test_every_policy_that_a_deployment_may_name_is_described_in_one_line():
    assert set(CHOICES) <= set(DESCRIPTIONS)
    assert set(CHOICES) <= set(BALANCERS)
    assert "deep_q" not in CHOICES, "it is nothing without a file, which interceptors do not have"
    with pytest.raises(InvalidInput, match="that a deployment can name"):
        Wanted(["edge-1"], balancer="deep_q")


def test_the_form_says_what_the_policies_do(deployed):
    page = deployed.get(URL).content.decode()
    assert "Two servers at random" in page
    assert '<option value="power_of_two_choices"' in page


def test_the_page_says_why_servers_were_chosen(deployed):
    interceptor_reported("route-1", InterceptorState("h:1", decisions=placed() + placed("alice/other")))
    interceptor_reported("route-2", InterceptorState("h:2", decisions=placed(count=9, request_id="r-8")))
    page = deployed.get(URL).content.decode()
    for word in (
        "Why this server?",
        "r-8",
        "alice/lab",
        "25 ms",
        "The &lt;fewest&gt;.",
        "the policy failed",
        "own [s]",
    ):
        assert word in page
    rows = deployed.get(f"{URL}.json").json()["decisions"]
    assert len(rows) == 8
    assert {row["model"] for row in rows} == {"alice/lane"}
    assert rows[0]["at_unix_s"] == 1.7e9 + 8
    interceptor_reported("route-1", InterceptorState("h:1"))
    interceptor_reported("route-2", InterceptorState("h:2"))
    assert "Why this server?" not in deployed.get(URL).content.decode()


def test_strangers_to_a_public_model_do_not_see_who_asked(deployed, bob, browser):
    Model.objects.update(visibility="public")
    interceptor_reported("route-1", InterceptorState("h:1", decisions=placed()))
    page = browser(bob).get(URL)
    assert page.status_code == 200
    assert b"alice/lab" not in page.content


def test_what_an_interceptor_tells_is_bounded_and_takes_no_odd_values(deployed, program, alice):
    odd = placed(count=200, robot="a\0b", latency_s=float("inf"))
    interceptor_reported("route-1", InterceptorState("h:1", decisions=odd))
    rows = deployed.get(f"{URL}.json").json()["decisions"]
    assert (rows[0]["robot"], rows[0]["latency_s"]) == ("a\ufffdb", None)
    assert "decisions" not in list_machines()["interceptors"][0]


def test_an_interceptors_own_decisions_are_understood(deployed):
    decisions = Decisions()
    decision = decisions.begin("r-1", "alice/lab", "alice/lane", "random", float("inf"))
    assert decisions.digest() == [], "it has not ended"
    decision.outcome = "unavailable"
    interceptor_reported("route-1", InterceptorState("h:1", decisions=decisions.digest()))
    assert deployed.get(f"{URL}.json").json()["decisions"][0]["outcome"] == "unavailable"
    assert b"unavailable" in deployed.get(URL).content
