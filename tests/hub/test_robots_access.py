"""A robot is its owner's alone: for everybody else it does not exist, but those who run the hub see all."""

import pytest

from rilaas.hub.actions.robot import add_robot
from rilaas.hub.models import AuditEvent, Robot
from tests.hub.fleet_of import make_model
from tests.hub.ssh_keys import public_line

pytestmark = pytest.mark.django_db

URL = "/api/v1/robots/alice/lab-1"
CALLS = {
    "see": ("get", URL, None, 200),
    "rename": ("patch", URL, {"note": "new"}, 200),
    "limits": ("put", f"{URL}/limits", {"rate_per_s": 1.0, "burst": 1}, 200),
    "keys": ("post", f"{URL}/keys", {"keys": "KEY"}, 201),
    "revoke": ("delete", f"{URL}/keys?kid=KID", None, 204),
    "allow": ("put", f"{URL}/models/alice/lane", {}, 200),
    "forbid": ("delete", f"{URL}/models/alice/lane", None, 204),
    "delete": ("delete", URL, None, 204),
}
ACTS = ("change", "delete", "add-keys", "revoke-key", "subscribe", "unsubscribe", "public-limits")


@pytest.fixture(autouse=True)
def world(alice, bob, local, tmp_path):
    from rilaas.hub.actions.robot import Limits
    from rilaas.hub.actions.subscription import subscribe

    make_model(alice, "lane", visibility="shared", collaborators=[bob])
    add_robot(alice, "lab-1", public_line(tmp_path))
    subscribe(alice, "alice", "lab-1", "lane", Limits())


def send(client, call, folder):
    method, url, body, _ = CALLS[call]
    url = url.replace("KID", Robot.objects.get().keys.get().kid.replace("+", "%2B").replace("/", "%2F"))
    if body and body.get("keys"):
        body = {"keys": public_line(folder, "second")}
    rest = {} if body is None else {"data": body, "content_type": "application/json"}
    return getattr(client, method)(url, **rest)


@pytest.mark.parametrize("call", CALLS)
def test_its_owner_and_who_runs_the_hub_may_do_everything(call, alice, local, program, tmp_path):
    person = local if call in ("rename", "revoke", "delete") else alice
    assert send(program(person, "read", "write"), call, tmp_path).status_code == CALLS[call][3]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_for_a_collaborator_of_its_model_and_a_stranger_it_does_not_exist(who, call, request, program, tmp_path):
    person, events = request.getfixturevalue(who), AuditEvent.objects.count()
    answer = send(program(person, "read", "write"), call, tmp_path)
    assert answer.status_code == 404
    absent = program(person, "read").get("/api/v1/robots/alice/no-such-robot").json()
    assert answer.json()["message"].replace("lab-1", "no-such-robot") == absent["message"]
    assert AuditEvent.objects.count() == events + 2  # the two tokens alone


@pytest.mark.parametrize("act", ACTS)
def test_a_strangers_form_changes_nothing(act, charlie, browser, tmp_path):
    form = {"act": act, "name": "x", "model": "alice/lane", "keys": public_line(tmp_path, "x"), "confirm": "lab-1"}
    assert browser(charlie).post("/robots/alice/lab-1", form).status_code == 404
    assert Robot.objects.get().keys.filter(revoked_at=None).count() == 1


def test_a_token_that_may_only_read_changes_nothing(alice, program, tmp_path):
    for call in CALLS:
        if call != "see":
            assert send(program(alice, "read"), call, tmp_path).status_code == 403


def test_lists_hold_ones_own_robots(alice, bob, local, browser):
    assert browser(bob).get("/robots.json").json()["rows"] == []
    assert [row["ref"] for row in browser(local).get("/robots.json").json()["rows"]] == ["alice/lab-1"]
    assert browser(bob).get("/robots/alice/lab-1").status_code == 404


def test_the_page_walks_through_a_robots_life(alice, browser, tmp_path):
    client = browser(alice)

    def act(name, **form):
        answer = client.post("/robots/alice/lab-1", {"act": name, **form})
        assert answer.status_code == 303, answer.content.decode()
        return client.get(answer["Location"]).content.decode()

    assert "registered" in act("add-keys", keys=public_line(tmp_path, "second", comment="spare"))
    assert 'value="7.5"' in act("subscribe", model="alice/lane", rate_per_s="7.5", burst="3")
    assert "limits are changed" in act("public-limits", rate_per_s="", burst="9")
    assert "revoked" in act("revoke-key", kid=Robot.objects.get().keys.first().kid)
    assert "not use alice/lane" in act("unsubscribe", model="alice/lane")
    refused = client.post("/robots/alice/lab-1", {"act": "delete", "confirm": "lab"})
    assert refused.status_code == 400
    client.post("/robots/alice/lab-1", {"act": "delete", "confirm": "lab-1"})
    assert not Robot.objects.exists()
