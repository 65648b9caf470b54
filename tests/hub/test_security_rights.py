"""Every address that can be read, of everything that is private, asked by everybody."""

import pytest
from django.test import Client

from rilaas.hub.actions.sharing import set_visibility, share, unshare
from tests.hub.hostile_world import build

pytestmark = pytest.mark.django_db
MACHINES = ("/api/v1/policy", "/api/v1/servers/{name}/placements", "/api/v1/servers/{name}/archives/{digest}")
STAFF = ("/people", "/people.json", "/events", "/events.json")
QUERIES = {
    "/evaluations/compare": "?a={0}&b={0}",
    "/evaluations/compare.json": "?a={0}&b={0}",
    "/api/v1/evaluations/compare": "?a={0}&b={0}",
    "/api/v1/uploads/{sha256}": "?size_bytes=1",
    "/metrics": "?range=1h",
}


@pytest.fixture
def world(alice, tmp_path, monkeypatch):
    return build(alice, tmp_path, monkeypatch)


def asked(client, world):
    """Status and words of every address."""
    found = {}
    for pattern, address in world.addresses.items():
        if pattern in MACHINES:
            continue
        answer = client.get(address + QUERIES.get(pattern, "").format(world.evaluation.pk))
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        found[pattern] = (answer.status_code, body.decode("latin-1").lower(), answer.headers["Content-Type"])
    return found


def is_of_one_thing(pattern):
    return ("<" in pattern or "{" in pattern or "compare" in pattern) and "/uploads/" not in pattern


def check_nothing_is_told(found):
    for pattern, (status, body, _) in found.items():
        if is_of_one_thing(pattern):
            assert status == 404, pattern
            told = body.replace("alice/zebra", "").replace("alice%2fzebra", "")  # what was asked for, said again
            assert "zebra" not in told, pattern
        else:
            assert status == (403 if pattern in STAFF or "metrics/" in pattern else 200) or "ca.pem" in pattern, (
                pattern
            )
            assert "zebra" not in body, pattern


def test_the_owner_sees_everything(alice, world, browser):
    for pattern, (status, _, _) in asked(browser(alice), world).items():
        if pattern not in STAFF and "metrics/" not in pattern and "ca.pem" not in pattern:
            assert status == 200, pattern


def test_a_stranger_is_told_nothing_anywhere(charlie, world, browser):
    check_nothing_is_told(asked(browser(charlie), world))


def test_a_collaborator_who_was_removed_is_told_nothing_anywhere(alice, bob, world, browser):
    for kind in ("model", "dataset"):
        share(alice, kind, "alice", "zebra", "bob")
    found = asked(browser(bob), world)
    for pattern, (status, _, _) in found.items():
        is_hers_alone = any(words in pattern for words in ("/robots/", "/jobs/")) and is_of_one_thing(pattern)
        assert (status == 404) == (is_hers_alone or "ca.pem" in pattern), pattern
    for kind in ("model", "dataset"):
        unshare(alice, kind, "alice", "zebra", "bob")
    check_nothing_is_told(asked(browser(bob), world))


def test_what_is_private_again_is_told_to_no_collaborator(alice, bob, world, browser):
    for kind in ("model", "dataset"):
        share(alice, kind, "alice", "zebra", "bob")
        set_visibility(alice, kind, "alice", "zebra", "private")
    check_nothing_is_told(asked(browser(bob), world))


def test_strangers_to_a_public_model_see_no_log_no_robot_no_run_and_no_job_of_it(alice, charlie, world, browser):
    for kind in ("model", "dataset"):
        set_visibility(alice, kind, "alice", "zebra", "public")
    found = asked(browser(charlie), world)
    for pattern in found:
        if any(word in pattern for word in ("/robots/", "/jobs/", "/runs/")) and is_of_one_thing(pattern):
            assert found[pattern][0] == 404, pattern
    for pattern in ("/deployments/<part:owner>/<part:name>", "/api/v1/deployments/{owner}/{name}"):
        status, body, _ = found[pattern]
        assert status == 200
        assert "onload" not in body, "reasons and logs are for those who may change it"
    assert "zebra.volt" not in found["/metrics"][1]


def test_a_collaborator_is_not_told_what_happened_to_a_robot_of_the_models_name(alice, bob, world, browser):
    share(alice, "model", "alice", "zebra", "bob")
    events = browser(bob).get("/deployments/alice/zebra.json").json()["events"]
    acts = {event["act"] for event in events}
    assert "deployed" in acts
    assert not acts & {"key added", "robot added", "dataset uploaded", "run started", "shared"}


def test_nobody_who_has_not_signed_in_is_told_anything(world):
    for pattern, (status, body, _) in asked(Client(headers={"x-forwarded-for": "10.0.0.1"}), world).items():
        assert status == (401 if pattern.startswith("/api") or pattern.endswith(".json") else 302), pattern
        assert "zebra" not in body.replace("/zebra", ""), pattern


def test_a_token_without_the_scope_reads_nothing(alice, world, program):
    client = program(alice, "deploy")
    open_to_all = ("/api/v1/me", "/api/v1/metrics/targets", "/api/v1/metrics/hub", *MACHINES)
    for pattern, address in world.addresses.items():
        if pattern.startswith("/api") and pattern not in open_to_all:
            answer = client.get(address + QUERIES.get(pattern, "").format(world.evaluation.pk))
            assert answer.status_code == 403, pattern
