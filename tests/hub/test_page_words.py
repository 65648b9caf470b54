"""What a newcomer reads: the next step, addresses that work, forms that begin empty, refusals as pages."""

import pytest
from django.test import Client

from rilaas.hub.actions.deployment import deploy_now
from rilaas.hub.actions.machine import InterceptorState, interceptor_reported
from rilaas.hub.actions.token import MACHINE_SCOPES, PERSON_SCOPES
from rilaas.hub.models import Robot
from rilaas.hub.pages import PAGES
from rilaas.hub.queries.home import overview
from rilaas.hub.templatetags.show import brief, scope_words
from tests.hub.fleet_of import make_model, make_server, point, report

pytestmark = pytest.mark.django_db


def page(client, address):
    return client.get(address).content.decode()


def test_the_first_page_names_one_next_step_and_links_to_it(alice, browser):
    text = page(browser(alice), "/")
    assert text.count(">next</span>") == 1
    assert '<a href="/models/new">Upload a model</a> <span class="badge busy">next' in text


def test_one_is_said_in_the_singular(alice):
    make_model(alice, "lane")
    Robot.objects.create(owner=alice, name="lab-1")
    push, _, _, route, _ = overview(alice)["flow"]
    assert (push["count"], push["noun"], push["more"]) == (1, "model", "1 version of yours")
    assert (route["noun"], route["more"]) == ("robots", "online, of 1 of yours")


def test_what_runs_on_a_silent_server_is_not_said_to_run(alice, browser):
    server, model = make_server(), make_model(alice, "lane")
    point(alice, model, "prod", "1")
    deploy_now(alice, "alice", "lane")
    report(server, v1="ready")
    assert overview(alice)["counts"]["replicas_ready"] == 1
    type(server).objects.update(last_report_at="2026-01-01T00:00:00Z")
    assert overview(alice)["counts"]["replicas_ready"] == 0
    assert "was ready" in page(browser(alice), "/deployments/alice/lane")


def test_rolling_back_is_offered_where_there_is_something_to_go_back_to(alice, browser):
    make_server()
    model = make_model(alice, "lane", versions=2)
    point(alice, model, "prod", "1")
    deploy_now(alice, "alice", "lane")
    assert "there is nothing to go back to" in page(browser(alice), "/deployments/alice/lane")
    point(alice, model, "prod", "2")
    assert "there is nothing to go back to" not in page(browser(alice), "/deployments/alice/lane")


def test_what_is_pasted_names_an_interceptor_that_reports(alice, browser):
    make_model(alice, "lane")
    client = browser(alice)
    assert "INTERCEPTOR:8443" in page(client, "/models/alice/lane")
    interceptor_reported("route-1", InterceptorState("0.0.0.0:8443"))
    assert '"testserver:8443"' in page(client, "/models/alice/lane")


def test_a_form_for_a_robot_begins_empty_and_keeps_what_was_typed(alice, browser):
    client = browser(alice)
    assert "dict_keys" not in page(client, "/robots")
    refused = client.post("/robots", {"act": "add", "name": "lab-1", "keys": "ssh-ed25519 broken"})
    assert refused.status_code == 400
    assert ">ssh-ed25519 broken</textarea>" in refused.content.decode()


def test_every_page_links_to_itself_as_json(alice, browser):
    client = browser(alice)
    for each in PAGES:
        if "<" in each.address or each.is_open or each.address in ("people", "events", "evaluations/compare"):
            continue
        address = f"/{each.address}"
        assert f'<a href="{address if each.address else "/home"}.json">This page as JSON</a>' in page(client, address)
    assert '<a href="/models.json?q=lane">' in page(client, "/models?q=lane")
    assert "as JSON" not in page(Client(), "/sign-in")


def test_a_form_of_another_site_is_refused_on_a_page_that_says_so(alice):
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/sign-in", {"act": "sign-in", "name": "alice", "password": "x"})
    assert answer.status_code == 403
    assert "Nothing was changed." in answer.content.decode()


def test_every_scope_of_a_token_is_explained():
    assert all(scope_words(scope) for scope in (*PERSON_SCOPES, *MACHINE_SCOPES))


def test_a_digest_in_a_text_is_short():
    assert brief(f"3 sha256:{'ab' * 32} from 2") == "3 sha256 abababababab from 2"
