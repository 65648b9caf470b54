"""Somebody is shut out, or a collaborator is removed: sessions, tokens, links, jobs and robots end with it."""

import pytest

from rilaas.core import NotFound
from rilaas.hub.actions.job import queue_job
from rilaas.hub.actions.person import new_link, set_active
from rilaas.hub.actions.robot import Limits, add_robot
from rilaas.hub.actions.sharing import unshare
from rilaas.hub.actions.subscription import subscribe
from rilaas.hub.actions.token import use_link
from rilaas.hub.models import Job
from rilaas.hub.queries.policy import epoch_now, policy_since
from tests.hub.fleet_of import make_model
from tests.hub.ssh_keys import public_line


@pytest.fixture
def robot(alice, tmp_path):
    return add_robot(alice, "arm", public_line(tmp_path))


def test_robots_of_somebody_who_is_shut_out_are_in_no_policy(local, alice, robot):
    before = epoch_now()
    set_active(local, "alice", False)
    since = policy_since(before)
    assert since.document["robots"] == {"alice/arm": None}
    assert since.kids == {robot.keys.get().kid}
    assert policy_since(-1).document["robots"] == {}
    set_active(local, "alice", True)
    assert policy_since(-1).document["robots"]["alice/arm"]["keys"] == [robot.keys.get().line]


def test_a_session_and_a_token_end_when_their_person_is_shut_out(local, alice, browser, program):
    page, client = browser(alice), program(alice, "read", "write")
    assert page.get("/models").status_code == 200
    assert client.get("/api/v1/me").status_code == 200
    set_active(local, "alice", False)
    assert page.get("/models").status_code == 302
    assert page.get("/models.json").status_code == 401
    assert page.get("/api/v1/me").status_code == 401
    assert client.get("/api/v1/me").status_code == 401


def test_a_link_that_was_made_before_is_good_for_nothing_after(local, alice):
    link = new_link(local, "alice")
    set_active(local, "alice", False)
    assert use_link(link) is None
    set_active(local, "alice", True)
    assert use_link(link) is None


def test_what_somebody_had_queued_or_running_ends(local, alice):
    queued, running = (queue_job(alice, "dataset-run", "long", {}) for _ in range(2))
    Job.objects.filter(pk=running.pk).update(state="running")
    set_active(local, "alice", False)
    assert Job.objects.get(pk=queued.pk).state == "cancelled"
    assert Job.objects.get(pk=running.pk).cancel_requested


def test_a_robot_loses_the_models_of_whoever_ends_the_share(alice, bob, tmp_path):
    model = make_model(alice, visibility="shared", collaborators=[bob])
    add_robot(bob, "arm", public_line(tmp_path))
    subscribe(bob, "bob", "arm", "alice/lane", Limits())
    before = epoch_now()
    assert policy_since(-1).document["robots"]["bob/arm"]["names"] == {"lane": "alice/lane"}
    unshare(alice, "model", "alice", "lane", "bob")
    for document in (policy_since(before).document, policy_since(-1).document):
        assert document["robots"]["bob/arm"]["models"] == {}
        assert document["robots"]["bob/arm"]["names"] == {}
    with pytest.raises(NotFound):
        subscribe(bob, "bob", "arm", "alice/lane", Limits())
    assert model.subscriptions.count() == 1  # it is good again should the share be
