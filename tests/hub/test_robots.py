import pytest

from rilaas.core import Conflict, InvalidInput, NotFound
from rilaas.hub.actions import robot
from rilaas.hub.actions.robot import Limits, add_keys, add_robot, revoke_key
from rilaas.hub.actions.subscription import subscribe, unsubscribe
from rilaas.hub.models import AuditEvent, Robot, RobotKey
from rilaas.hub.queries.policy import policy_since
from tests.hub.fleet_of import make_model
from tests.hub.ssh_keys import public_line

pytestmark = pytest.mark.django_db


def in_policy(name):
    return policy_since(-1).document["robots"][name]


def test_all_three_kinds_of_keys_are_registered_with_their_comments(alice, tmp_path):
    lines = [public_line(tmp_path, kind, kind, comment=f"{kind} on lab 1") for kind in ("ed25519", "ecdsa", "rsa")]
    add_robot(alice, "lab-1", "# my robot\n\n" + "".join(lines) + lines[0])
    kinds = list(RobotKey.objects.order_by("pk").values_list("kind", "comment"))
    assert kinds == [
        ("ssh-ed25519", "ed25519 on lab 1"),
        ("ecdsa-sha2-nistp256", "ecdsa on lab 1"),
        ("ssh-rsa", "rsa on lab 1"),
    ]
    assert in_policy("alice/lab-1")["keys"] == [" ".join(line.split()[:2]) for line in lines]


def test_a_wrong_line_is_named_and_nothing_is_registered(alice, tmp_path):
    with pytest.raises(InvalidInput, match="Line 2"):
        add_robot(alice, "lab-1", public_line(tmp_path) + "ssh-ed25519 AAAA nonsense")
    assert not Robot.objects.exists()


def test_a_key_of_somebody_elses_robot_is_refused_without_telling_whose(alice, bob, tmp_path):
    line = public_line(tmp_path)
    add_robot(alice, "secret-lab", line)
    with pytest.raises(InvalidInput, match="in use") as refused:
        add_robot(bob, "mine", line)
    assert "alice" not in str(refused.value)
    assert "secret-lab" not in str(refused.value)
    assert not Robot.objects.filter(owner=bob).exists()


def test_a_revoked_key_is_out_of_the_policy_and_does_not_come_back(alice, tmp_path):
    first, second = public_line(tmp_path, "a"), public_line(tmp_path, "b")
    add_robot(alice, "lab-1", first + second)
    revoke_key(alice, "alice", "lab-1", RobotKey.objects.first().kid)
    assert in_policy("alice/lab-1")["keys"] == [" ".join(second.split()[:2])]
    with pytest.raises(InvalidInput, match="was revoked"):
        add_keys(alice, "alice", "lab-1", first)


@pytest.mark.parametrize("part", ["whole", "body", "in the name", "in the note"])
def test_a_private_key_is_refused_and_never_stored_logged_or_shown_again(part, alice, tmp_path, browser, caplog):
    public_line(tmp_path)
    private = (tmp_path / "id").read_text()
    body = private.splitlines()[1]
    form = {"act": "add", "name": "lab-1", "keys": "", "note": ""}
    where = {"in the name": "name", "in the note": "note"}.get(part, "keys")
    form[where] = private if part == "whole" else body
    answer = browser(alice).post("/robots", form)
    assert answer.status_code == 400
    assert b"PRIVATE key" in answer.content
    assert body[:30].encode() not in answer.content
    assert body[:30] not in caplog.text
    assert not Robot.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_private_key_over_rest_is_refused_without_repeating_it(alice, tmp_path, program):
    public_line(tmp_path)
    private = (tmp_path / "id").read_text()
    client = program(alice, "write")
    answer = client.post("/api/v1/robots", {"name": "x", "keys": private}, content_type="application/json")
    assert answer.status_code == 400
    assert private.splitlines()[1][:20] not in answer.content.decode()


def test_a_robot_is_renamed_with_its_keys(alice, tmp_path):
    add_robot(alice, "lab-1", public_line(tmp_path))
    epoch = policy_since(-1).document["epoch"]
    robot.change_robot(alice, "alice", "lab-1", new_name="lab-2", note="moved")
    change = policy_since(epoch).document["robots"]
    assert change["alice/lab-1"] is None
    assert len(change["alice/lab-2"]["keys"]) == 1
    add_robot(alice, "lab-1", "")
    with pytest.raises(Conflict, match="lab-1"):
        robot.change_robot(alice, "alice", "lab-2", new_name="lab-1", note="")


def test_a_deleted_robot_frees_its_name_and_its_keys(alice, tmp_path):
    line = public_line(tmp_path)
    add_robot(alice, "lab-1", line)
    robot.delete_robot(alice, "alice", "lab-1")
    assert "alice/lab-1" not in policy_since(-1).document["robots"]
    add_robot(alice, "lab-1", line)


def test_a_robot_subscribes_to_what_its_owner_may_see(alice, bob, charlie, local):
    make_model(alice, "lane", visibility="shared", collaborators=[bob])
    for owner in (bob, charlie):
        add_robot(owner, "r", "")
    subscribe(bob, "bob", "r", "alice/lane", Limits(5.0, 2))
    assert in_policy("bob/r")["models"] == {"alice/lane": {"rate_per_s": 5.0, "burst": 2}}
    with pytest.raises(NotFound, match="not shared"):
        subscribe(charlie, "charlie", "r", "alice/lane", Limits())
    with pytest.raises(NotFound, match="not shared"):  # the owner's rights count, whoever acts
        subscribe(local, "charlie", "r", "alice/lane", Limits())
    unsubscribe(bob, "bob", "r", "alice/lane")
    assert in_policy("bob/r")["models"] == {}


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    with pytest.raises(InvalidInput, match="rate"):
        Limits(rate, 1)


def test_a_bare_name_is_the_owners_model_and_never_a_strangers_public_one(alice, bob, charlie):
    make_model(alice, "lane")
    make_model(bob, "lane", visibility="public")
    make_model(bob, "grasp", visibility="public")
    make_model(charlie, "grasp", visibility="public")
    make_model(alice, "own", visibility="public")
    add_robot(alice, "r", "")
    assert in_policy("alice/r")["names"] == {"own": "alice/own"}
    subscribe(alice, "alice", "r", "bob/lane", Limits())
    assert in_policy("alice/r")["names"] == {"own": "alice/own", "lane": "bob/lane"}
    subscribe(alice, "alice", "r", "lane", Limits())
    for whose in ("bob", "charlie"):
        subscribe(alice, "alice", "r", f"{whose}/grasp", Limits())
    assert in_policy("alice/r")["names"] == {"own": "alice/own", "lane": "alice/lane"}


def test_a_robot_is_seen_online_and_then_not_any_more(alice, bob, browser):
    for owner in (alice, bob):
        add_robot(owner, "r", "")
    add_robot(alice, "never", "")
    robot.robots_seen({"alice/r": 0.5, "bob/r": 100.0, "bob/none": 1.0, "nonsense": 0.0, "alice/never": -5.0})
    page = browser(alice).get("/robots.json").json()
    assert {row["ref"]: row["state"] for row in page["rows"]} == {
        "alice/r": "online",
        "alice/never": "awaiting set-up",
    }
    assert page["counts"] == {"awaiting set-up": 1, "online": 1, "offline": 0}
    assert browser(bob).get("/robots/bob/r.json").json()["state"] == "offline"
    assert [row["ref"] for row in browser(alice).get("/robots.json?state=online").json()["rows"]] == ["alice/r"]
