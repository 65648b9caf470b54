"""Signing in, links, passwords, tokens: what an attacker tries with them."""

import logging
import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from rilaas.hub.actions.token import make_link, make_token, token_of, use_link
from rilaas.hub.log_filter import PER_MINUTE, Refusals
from rilaas.hub.models import AccessToken, Person
from rilaas.hub.pages import account
from rilaas.hub.running import HubConfig
from rilaas.hub.throttle import Throttle

pytestmark = pytest.mark.django_db
GOOD = "correct horse 7"


@pytest.fixture(autouse=True)
def _no_failures_of_other_tests(monkeypatch):
    monkeypatch.setattr(account, "_THROTTLES", (Throttle(10, 300.0), Throttle(100, 300.0)))


@pytest.fixture
def dora(db):
    return Person.objects.create_user("dora", password=GOOD)


def sign_in(client, name="dora", password=GOOD, **more):
    return client.post("/sign-in", {"act": "sign-in", "name": name, "password": password}, **more)


def test_a_session_gets_another_key_at_sign_in_and_none_survives_sign_out(dora):
    client = Client()
    client.get("/sign-in")
    session = client.session
    session["planted"] = "by an attacker"
    session.save()
    client.cookies["rilaas_session"] = planted = session.session_key
    sign_in(client)
    mine = client.cookies["rilaas_session"].value
    assert mine != planted
    assert not Session.objects.filter(session_key=planted).exists()
    client.post("/account", {"act": "sign-out"})
    other = Client()
    other.cookies["rilaas_session"] = mine
    assert other.get("/account.json").status_code == 401


def test_a_new_password_ends_other_sessions_and_links(dora):
    mine, elsewhere, link = Client(), Client(), make_link(dora)
    sign_in(mine)
    sign_in(elsewhere)
    form = {"act": "password", "old": GOOD, "password": "another horse 8"}
    assert mine.post("/account", form).status_code == 303
    assert mine.get("/account.json").status_code == 200
    assert elsewhere.get("/account.json").status_code == 401
    assert use_link(link) is None


def test_who_lost_the_password_chooses_another_one_after_a_link_and_for_an_hour(dora):
    client = Client()
    client.post(f"/enter/{make_link(dora)}", {"act": "enter"})
    assert client.get("/account.json").json()["has_password"] is False
    session = client.session
    session["came_by_link_at_s"] -= 3601
    session.save()
    refused = client.post("/account", {"act": "password", "password": "another horse 8"})
    assert refused.status_code == 400
    client.post(f"/enter/{make_link(dora)}", {"act": "enter"})
    assert client.post("/account", {"act": "password", "password": "another horse 8"}).status_code == 303
    assert client.post("/account", {"act": "password", "password": "a third horse 9"}).status_code == 400


def test_the_present_password_cannot_be_guessed_with_a_stolen_session(dora, browser):
    client = browser(dora)
    form = {"act": "password", "old": "wrong", "password": "another horse 8"}
    answers = [client.post("/account", form).status_code for _ in range(11)]
    assert answers == [400] * 10 + [429]


def test_another_address_in_a_header_is_no_way_round_the_throttle(dora):
    for number in range(10):
        sign_in(Client(), password="wrong", headers={"x-forwarded-for": f"10.0.0.{number}"})
    assert sign_in(Client(), headers={"x-forwarded-for": "10.1.1.1"}).status_code == 429


def test_signing_in_often_is_no_failure(dora, monkeypatch):
    monkeypatch.setattr(account, "_THROTTLES", (Throttle(3, 300.0), Throttle(3, 300.0)))
    assert [sign_in(Client()).status_code for _ in range(6)] == [303] * 6


def test_long_names_do_not_fill_the_memory_of_failures(dora):
    for sign in "ab":
        sign_in(Client(), name="x" * 200_000 + sign, password="wrong")
    seen = account._THROTTLES[0]._seen
    assert sum(map(len, seen)) < 200


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "http:///evil"]
)
def test_no_next_leads_elsewhere(dora, target):
    form = {"act": "sign-in", "name": "dora", "password": GOOD, "next": target}
    assert Client().post("/sign-in", form)["Location"] == "/"


def test_another_host_in_the_header_is_refused_and_in_no_link(local, browser):
    client = browser(local)
    assert client.get("/people", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/people", {"act": "invite", "name": "erin"}, headers={"host": "evil"}).status_code == 400
    assert client.get("/", headers={"x-forwarded-host": "evil.example"}).status_code == 200


def test_cookies_go_over_https_alone_where_people_come_by_it(tmp_path):
    cert = (tmp_path / "cert", tmp_path / "key")
    for config, secure in (
        (HubConfig(tmp_path), "0"),
        (HubConfig(tmp_path, cert=cert), "1"),
        (HubConfig(tmp_path, behind_proxy=True), "1"),
    ):
        assert config.environment()["RILAAS_HUB_TLS"] == secure


def test_a_link_is_not_in_the_log_whatever_becomes_of_it(local, caplog):
    link = make_link(local)
    with caplog.at_level(logging.INFO):
        Client(enforce_csrf_checks=True).post(f"/enter/{link}", {"act": "enter"})
        client = Client()
        for _ in range(2):
            client.post(f"/enter/{link}", {"act": "enter"})
        client.put(f"/enter/{link}")
    assert "/enter/..." in caplog.text
    assert link not in caplog.text
    assert not re.search(r"/enter/[\w-]{20}", caplog.text)


def test_strangers_do_not_fill_the_log(caplog):
    now, lines = [0.0], 3 * PER_MINUTE
    logger = logging.getLogger("django.request")
    (mine,) = (each for each in logger.filters if isinstance(each, Refusals))
    logger.removeFilter(mine)
    logger.addFilter(fresh := Refusals(lambda: now[0]))
    try:
        for at_s in (1.0, 61.0):
            now[0] = at_s
            for number in range(lines):
                Client().get(f"/nothing-{number}/{'x' * 5000}")
    finally:
        logger.removeFilter(fresh)
        logger.addFilter(mine)
    assert len(caplog.records) == 2 * PER_MINUTE
    assert max(map(len, caplog.messages)) < 400


def test_a_machines_token_makes_none_for_another_machine(local, program):
    client = program(local, "write", "server", subject="edge-1")
    for subject in ("", "edge-2"):
        body = {"name": "more", "scopes": ["server"], "subject": subject}
        assert client.post("/api/v1/tokens", body, content_type="application/json").status_code == 403
    body = {"name": "same", "scopes": ["server"], "subject": "edge-1"}
    assert client.post("/api/v1/tokens", body, content_type="application/json").status_code == 201


def test_a_token_makes_none_that_lives_longer_than_itself(alice):
    text = make_token(alice, "short", ["write"], days=1)
    client = Client(headers={"authorization": f"Bearer {text}"})
    for days in (None, 100):
        body = {"name": "long", "scopes": ["write"], "days": days}
        made = client.post("/api/v1/tokens", body, content_type="application/json").json()["token"]
        assert token_of(made).expires_at == token_of(text).expires_at


def test_an_expired_token_is_good_for_nothing(alice, program):
    client = program(alice, "read")
    AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get("/api/v1/me").status_code == 401


def test_a_token_in_an_address_or_a_cookie_is_not_looked_at(alice):
    text = make_token(alice, "ci", ["read"])
    assert Client().get(f"/api/v1/models?token={text}&access_token={text}").status_code == 401
    client = Client()
    client.cookies["rilaas_session"] = text
    assert client.get("/api/v1/models").status_code == 401
    assert Client(headers={"authorization": f"Basic {text}"}).get("/api/v1/models").status_code == 401


def test_a_token_opens_no_page(alice, program):
    assert program(alice, "read", "write").get("/models").status_code == 302
    assert program(alice, "read", "write").get("/models.json").status_code == 401


@pytest.mark.parametrize("scope", ["interceptor", "server"])
def test_the_token_of_a_machine_reads_and_changes_nothing_of_peoples(local, program, scope):
    client = program(local, scope, subject="edge-1")
    for path in ("models", "datasets", "robots", "runs", "jobs", "evaluations", "metrics", "tokens", "machines"):
        assert client.get(f"/api/v1/{path}").status_code == 403, path
    body = {"name": "x", "scopes": [scope]}
    assert client.post("/api/v1/tokens", body, content_type="application/json").status_code == 403
