"""The policy from a hub that changes, stops, comes back and forgets."""

import itertools
import json
import stat
from types import SimpleNamespace

import pytest

from rilaas.core import InvalidInput, Unauthenticated, Unavailable
from rilaas.route import hub_access
from rilaas.route.access import Grant
from rilaas.route.hub_access import HubAccess
from rilaas.route.policy import Policy, applied
from rilaas.wire import HubConnection, generate_key
from tests.route.fake_hub import FakeHub, eventually, grant, robot


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return [generate_key(folder / f"id{number}").public for number in range(3)]


@pytest.fixture
def hub():
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def follow(hub):
    """Make an access to the hub; all are closed."""
    made = []

    def start(url="", token="rilaas_good", **options):
        access = HubAccess(HubConnection(url or hub.url, token, timeout_s=25.0), "edge", **options)
        made.append(access)
        access.start()
        return access

    yield start
    for access in made:
        access.close()


def test_a_whole_policy_is_in_force_when_it_has_started(hub, follow, keys):
    models, names = {"alice/m": grant(50.0, 9)}, {"m": "alice/m"}
    one = robot(*keys[:2], models=models, public=grant(1.0, 2), names=names)
    hub.change(robots={"alice/lab-1": one}, public=["carol/grasp"])
    hub.forget()
    access = follow()
    for key in keys[:2]:
        found = access.find(key.fingerprint)
        assert (found.robot.name, found.key) == ("alice/lab-1", key)
    assert found.robot.grant("alice/m") == Grant(50.0, 9)
    assert found.robot.public == Grant(1.0, 2)
    assert found.robot.names == {"m": "alice/m"}
    assert access.find(keys[2].fingerprint) is None
    assert access.fleet().public == {"carol/grasp"}
    assert access.status().problem == ""


def test_what_changes_is_told_alone_and_the_rest_stays(hub, follow, keys):
    hub.change(robots={"a/1": robot(keys[0]), "b/2": robot(keys[1])}, public=["c/m"])
    access = follow()
    fleet = access.fleet()
    hub.change(robots={"a/1": None, "c/3": robot(keys[2])})
    eventually(lambda: access.find(keys[2].fingerprint))
    assert access.find(keys[0].fingerprint) is None
    assert access.find(keys[1].fingerprint).robot.name == "b/2"
    assert access.fleet() is fleet
    hub.change(robots={"b/2": robot(keys[0])}, public=[])
    eventually(lambda: access.find(keys[0].fingerprint))
    assert access.find(keys[1].fingerprint) is None
    assert access.fleet().public == frozenset()
    assert [is_full for _, is_full in hub.questions] == [True, False, False]


def test_a_hub_that_comes_back_is_asked_for_everything(hub, follow, keys):
    hub.change(robots={"a/1": robot(keys[0]), "b/2": robot(keys[1])})
    access = follow()
    hub.stop()
    eventually(lambda: access.status().problem)
    assert access.find(keys[0].fingerprint), "it stays in force"
    hub.change(robots={"a/1": None})
    hub.forget()
    hub.epoch = 1  # restored from a backup: the epochs begin anew
    hub.start()
    eventually(lambda: not access.status().problem)
    assert access.find(keys[0].fingerprint) is None
    assert access.find(keys[1].fingerprint)
    assert access.status().epoch == 1


def test_after_max_stale_s_nobody_is_served_until_the_hub_is_back(hub, follow, keys):
    hub.change(robots={"a/1": robot(keys[0])})
    access = follow(max_stale_s=0.5)

    def is_refused():
        try:
            access.find(keys[0].fingerprint)
        except Unavailable as error:
            return "more than 0.5 s" in error.message and hub.url in error.message
        return False

    hub.stop()
    eventually(is_refused)
    assert access.status().age_s > 0.5
    hub.start()
    eventually(lambda: not is_refused())


def test_what_is_remembered_serves_an_interceptor_that_starts_without_a_hub(hub, follow, keys, tmp_path):
    memory = tmp_path / "route" / "edge.policy.json"
    hub.change(robots={"a/1": robot(keys[0])})
    follow(memory=memory)
    hub.change(robots={"b/2": robot(keys[1])})
    eventually(lambda: str(keys[1].line) in memory.read_text())
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    hub.stop()
    access = follow(memory=memory)
    assert access.find(keys[0].fingerprint)
    assert access.find(keys[1].fingerprint)
    assert access.status().problem
    written = json.loads(memory.read_text())
    for change in (
        {"confirmed_at_s": written["confirmed_at_s"] - 1e4},
        {"confirmed_at_s": 1e11},
        {"hub": "http://x"},
    ):
        memory.write_text(json.dumps({**written, **change}))
        with pytest.raises(Unavailable):
            follow(memory=memory).find(keys[0].fingerprint)
    memory.write_text("junk")
    with pytest.raises(Unavailable):
        follow(memory=memory).find(keys[0].fingerprint)


def test_an_interceptor_that_starts_before_its_hub_catches_up(hub, follow, keys):
    hub.change(robots={"a/1": robot(keys[0])})
    hub.stop()
    access = follow()
    with pytest.raises(Unavailable, match="could not be confirmed"):
        access.find(keys[0].fingerprint)
    hub.start()
    eventually(lambda: not access.status().problem)
    assert access.find(keys[0].fingerprint)


def test_a_token_that_the_hub_refuses_is_told_at_once(follow):
    with pytest.raises(Unauthenticated, match="token is not known"):
        follow(token="rilaas_bad")


def test_a_question_that_was_lost_on_the_way_is_asked_again(hub, follow):
    access = follow()
    asked = len(hub.questions)

    def asks_again():  # the heartbeat says that there is a newer policy, and the long poll knows nothing of it
        access.confirm(hub.epoch + 1)
        return len(hub.questions) > asked

    eventually(asks_again)
    eventually(lambda: not access.status().problem)


def test_many_changes_a_second_are_followed_without_breaking_a_question_off(hub, follow, keys, monkeypatch):
    access = follow()
    broken_off = []
    monkeypatch.setattr(access._hub, "interrupt", lambda: broken_off.append(hub.epoch))
    for number in range(20):  # the heartbeat hears of each before the long poll has told the one before
        hub.change(robots={"a/1": robot(keys[number % 2])})
        for _ in range(3):
            access.confirm(hub.epoch + 1)
        eventually(lambda: access.status().epoch == hub.epoch)
    monkeypatch.undo()
    assert broken_off == []


def test_an_answer_that_takes_long_is_broken_off_ever_later(follow, monkeypatch):
    access = follow()
    broken_off = []
    monkeypatch.setattr(access._hub, "interrupt", lambda: broken_off.append(access._patience_s))
    clock = itertools.count(0.0, 0.5)
    monkeypatch.setattr(hub_access, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    for _ in range(40):
        access.confirm(99)
    assert broken_off[:3] == [2.0, 4.0, 8.0]


def test_one_robot_that_makes_no_sense_does_not_concern_the_others(keys, caplog):
    document = {
        "epoch": 1,
        "full": True,
        "robots": {"a/1": robot(keys[0]), "b/2": robot(keys[1]), "c/3": robot(keys[2])},
    }
    document["robots"]["a/1"]["models"] = {"m": grant(-1.0)}
    document["robots"]["b/2"]["keys"].append("junk")
    policy = applied(Policy(), document)
    assert {each.robot.name for each in policy.robots.values()} == {"b/2", "c/3"}
    assert "a/1 is wrong" in caplog.text


@pytest.mark.parametrize("document", [{}, {"epoch": "x"}, {"fleet": {}}, {"robots": 3}], ids=str)
def test_a_document_that_makes_no_sense_is_refused(document):
    with pytest.raises(InvalidInput):
        applied(Policy(), {"epoch": 1, "full": True, **document} if document else {})
