import pytest

from rilaas.hub.actions.token import MACHINE_SCOPES, PERSON_SCOPES, local_token, token_of

pytestmark = pytest.mark.django_db


def make(client, **body):
    return client.post("/api/v1/tokens", body, content_type="application/json")


def test_a_token_makes_no_token_that_may_do_more(local, program):
    client = program(local, "write", "server")
    made = make(client, name="edge", scopes=["server"], subject="edge-1")
    assert made.status_code == 201
    assert token_of(made.json()["token"]).subject == "edge-1"
    refused = make(client, name="more", scopes=["server", "deploy"])
    assert refused.status_code == 403
    assert "deploy" in refused.json()["message"]


def test_tokens_are_listed_without_their_text_and_revoked(alice, program):
    client = program(alice, "read", "write")
    (row,) = client.get("/api/v1/tokens").json()["tokens"]
    assert "rilaas_" not in str(row)
    assert client.delete(f"/api/v1/tokens/{row['id']}").status_code == 204
    assert client.get("/api/v1/tokens").status_code == 401


def test_the_hubs_machine_has_a_token_for_its_command_line(local, tmp_path):
    path = local_token(local, tmp_path / "token")
    text = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(token_of(text).scopes) == {*PERSON_SCOPES, *MACHINE_SCOPES}
    assert local_token(local, path).read_text().strip() == text
    path.write_text("rilaas_something else\n")
    assert token_of(local_token(local, path).read_text().strip())


def test_any_good_token_may_ask_who_it_is(local, program, browser):
    assert program(local, "server", subject="edge-1").get("/api/v1/me").json() == {
        "person": "local",
        "scopes": ["server"],
        "subject": "edge-1",
    }
    assert browser(local).get("/api/v1/me").json()["person"] == "local"
