import pytest
from django.test import Client

from rilaas.core import PermissionDenied
from rilaas.hub.actions.person import invite
from rilaas.hub.actions.token import make_link, make_token, revoke_token, token_of
from rilaas.hub.models import AccessToken, Person

pytestmark = pytest.mark.django_db


def test_a_stranger_is_sent_to_the_sign_in_page_and_back():
    answer = Client().get("/models")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in?next=/models"
    assert Client().get("/models.json").status_code == 401


def test_a_link_signs_in_once(local):
    text = make_link(local)
    client = Client()
    assert client.get(f"/enter/{text}").status_code == 200  # a look at it, by a chat program say, does not use it up
    assert client.post(f"/enter/{text}", {"act": "enter"})["Location"] == "/"
    assert client.get("/").status_code == 200
    second = Client().post(f"/enter/{text}", {"act": "enter"})
    assert second.status_code == 401
    assert b"used already" in second.content


def test_an_invited_person_chooses_a_password_and_signs_in_with_it(local):
    text = invite(local, "dora")
    client = Client()
    assert client.post(f"/enter/{text}", {"act": "enter"})["Location"] == "/account"
    weak = client.post("/account", {"act": "password", "password": "12345678"})
    assert weak.status_code == 400
    assert client.post("/account", {"act": "password", "password": "correct horse 7"}).status_code == 303
    again = Client()
    refused = again.post("/sign-in", {"act": "sign-in", "name": "dora", "password": "wrong"})
    assert refused.status_code == 401
    assert b"wrong" in refused.content
    form = {"act": "sign-in", "name": "dora", "password": "correct horse 7", "next": "/models"}
    done = again.post("/sign-in", form)
    assert done["Location"] == "/models"


def test_signing_in_leads_nowhere_else(local):
    local.set_password("correct horse 7")
    local.save()
    form = {"act": "sign-in", "name": "local", "password": "correct horse 7", "next": "https://evil.example/"}
    assert Client().post("/sign-in", form)["Location"] == "/"


def test_a_token_is_shown_once_and_kept_as_a_hash(alice, browser):
    client = browser(alice)
    client.post("/account", {"act": "make-token", "name": "ci", "scopes": ["read", "write"]})
    page = client.get("/account").content.decode()
    text = page.split('id="fresh">')[1].split("<")[0]
    assert token_of(text).scopes == ["read", "write"]
    assert text not in client.get("/account").content.decode()
    assert not AccessToken.objects.filter(sha256=text).exists()


def test_a_revoked_token_and_one_of_somebody_who_was_shut_out_are_good_for_nothing(alice):
    text = make_token(alice, "ci", ["read"])
    revoke_token(alice, AccessToken.objects.get().pk)
    assert token_of(text) is None
    other = make_token(alice, "ci", ["read"])
    Person.objects.filter(pk=alice.pk).update(is_active=False)
    assert token_of(other) is None


def test_a_token_does_what_its_scopes_say(alice, program):
    answer = program(alice, "metrics").get("/api/v1/models")
    assert answer.status_code == 403
    assert "'read'" in answer.json()["message"]
    assert program(alice, "read").get("/api/v1/models").status_code == 200


def test_only_those_who_run_the_hub_make_tokens_for_machines(alice, local):
    with pytest.raises(PermissionDenied):
        make_token(alice, "edge", ["server"])
    assert make_token(local, "edge", ["server"], subject="edge-1")


def test_the_page_of_people_is_for_those_who_run_the_hub(alice, local, browser):
    assert browser(alice).get("/people").status_code == 403
    client = browser(local)
    refused = client.post("/people", {"act": "invite", "name": "Not A Name"})
    assert refused.status_code == 400
    assert b"Not A Name" in refused.content
    client.post("/people", {"act": "invite", "name": "erin"})
    assert b"/enter/" in client.get("/people").content


def test_a_form_without_its_csrf_token_is_refused(local):
    client = Client(enforce_csrf_checks=True)
    client.force_login(local)
    assert client.post("/people", {"act": "invite", "name": "erin"}).status_code == 403
