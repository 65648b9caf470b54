"""No write path forgets the policy: what every act changes in the whole document arrives with the changes alone."""

import pytest

from rilaas.hub.actions import deployment, machine, registry_alias, robot, sharing, subscription
from rilaas.hub.actions.fleet import model_deleted
from rilaas.hub.models import Alias, Deployment, Robot
from rilaas.hub.queries.policy import policy_since
from tests.hub.fleet_of import add_version, make_model, make_server, point, report
from tests.hub.ssh_keys import public_line

pytestmark = pytest.mark.django_db

LIMITS = robot.Limits(10.0, 5)


def now(after=-1):
    return policy_since(after).document


def merged(before, change):
    """What an interceptor has that held ``before`` and heard ``change``."""
    robots = {**before["robots"], **change["robots"]}
    robots = {name: row for name, row in robots.items() if row is not None}
    rest = {part: change.get(part, before[part]) for part in ("public", "fleet")}
    return {"epoch": change["epoch"], "full": True, "robots": robots, **rest}


@pytest.fixture
def world(alice, bob, charlie, local, tmp_path):
    """Alice's model is shared with Bob and deployed; Alice and Bob have robots."""
    model = make_model(alice, "lane", versions=4, visibility="shared", collaborators=[bob])
    make_model(bob, "grasp", visibility="public")
    point(alice, model, "prod", "1")
    server, cloud = make_server(), make_server("cloud-1", kind="cloud", address="127.0.0.1:5002")
    for owner in (alice, bob):
        robot.add_robot(owner, "lab-1", public_line(tmp_path, owner.username))
        subscription.subscribe(owner, owner.username, "lab-1", "alice/lane", LIMITS)
    deployment.deploy(alice, "alice", "lane", deployment.Wanted(["edge-1", "cloud-1"]))
    report(server, v1="ready")
    point(alice, model, "prod", "2")
    report(server, v2="ready")
    return {"model": model, "server": server, "cloud": cloud, "folder": tmp_path}


def generation():
    return Deployment.objects.get().generation


def prod():
    return Alias.objects.get(name="prod").generation


def kid(owner):
    return Robot.objects.get(owner=owner).keys.get().kid


def change_deployment(alice, **values):
    wanted = deployment.wanted_of(Deployment.objects.get())
    deployment.deploy(alice, "alice", "lane", deployment.replace(wanted, **values), generation())


ACTS = {
    "add a robot": lambda alice, w: robot.add_robot(alice, "lab-2", public_line(w["folder"], "second")),
    "add a robot without a key": lambda alice, w: robot.add_robot(alice, "lab-2", ""),
    "rename a robot": lambda alice, w: robot.change_robot(alice, "alice", "lab-1", new_name="x", note=""),
    "add a key": lambda alice, w: robot.add_keys(alice, "alice", "lab-1", public_line(w["folder"], "second")),
    "revoke a key": lambda alice, w: robot.revoke_key(alice, "alice", "lab-1", kid(alice)),
    "set public limits": lambda alice, w: robot.set_public_limits(alice, "alice", "lab-1", LIMITS),
    "delete a robot": lambda alice, w: robot.delete_robot(alice, "alice", "lab-1"),
    "subscribe": lambda alice, w: subscription.subscribe(alice, "alice", "lab-1", "bob/grasp", LIMITS),
    "change limits": lambda alice, w: subscription.subscribe(
        alice, "alice", "lab-1", "alice/lane", robot.Limits(None, 1)
    ),
    "unsubscribe": lambda alice, w: subscription.unsubscribe(alice, "alice", "lab-1", "alice/lane"),
    "make a model public": lambda alice, w: sharing.set_visibility(alice, "model", "alice", "lane", "public"),
    "make a model private": lambda alice, w: sharing.set_visibility(alice, "model", "alice", "lane", "private"),
    "end a share": lambda alice, w: sharing.unshare(alice, "model", "alice", "lane", "bob"),
    "delete a model": lambda alice, w: (model_deleted(w["model"]), w["model"].delete()),
    "roll back": lambda alice, w: registry_alias.roll_back(alice, "alice", "lane", "prod", prod()),
    "move another alias": lambda alice, w: point(alice, w["model"], "beta", "3"),
    "a canary is ready": lambda alice, w: (
        change_deployment(alice, canary="3", canary_share=0.1),
        report(w["server"], v3="ready"),
    ),
    "a new version is ready": lambda alice, w: (
        point(alice, w["model"], "prod", "3"),
        report(w["server"], v3="ready"),
    ),
    "other servers": lambda alice, w: change_deployment(alice, servers=["edge-1"]),
    "another balancer": lambda alice, w: change_deployment(alice, balancer="round_robin"),
    "stop": lambda alice, w: deployment.set_running(alice, "alice", "lane", False, generation()),
    "delete the deployment": lambda alice, w: deployment.undeploy(alice, "alice", "lane", generation()),
    "keep data at the edge": lambda alice, w: (
        change_deployment(alice, servers=["edge-1"]),
        deployment.keep_to_edge(alice, "alice", "lane", True),
    ),
    "a version that keeps data at the edge": lambda alice, w: (
        add_version(w["model"], alice, 5, sensitivity="edge"),
        point(alice, w["model"], "prod", "5"),
    ),
    "a new server": lambda alice, w: make_server("edge-2", address="127.0.0.1:5003"),
    "a server has moved": lambda alice, w: make_server("edge-1", address="127.0.0.1:6001"),
    "a server is of another kind": lambda alice, w: make_server("edge-1", kind="cloud"),
    "deploy another model": lambda alice, w: (
        make_model(alice, "other"),
        deployment.deploy_now(alice, "alice", "other"),
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_every_act_that_changes_the_policy_raises_its_epoch_and_is_told(act, world, alice):
    before = now()
    ACTS[act](alice, world)
    after = now()
    assert after["epoch"] > before["epoch"]
    assert {**after, "epoch": 0} != {**before, "epoch": 0}, "this act changes nothing: it tests nothing"
    change = now(before["epoch"])
    assert change["full"] is False
    assert merged(before, change) == after


def test_a_server_that_is_removed_is_told(world, local):
    before = now()
    machine.forget_machine(local, "server", "edge-1")
    assert merged(before, now(before["epoch"])) == now()


def test_a_report_that_says_nothing_new_raises_no_epoch(world):
    before = now()["epoch"]
    report(world["server"])
    assert now()["epoch"] == before


def test_an_act_that_fails_leaves_no_epoch_behind(world, alice):
    before = now()
    with pytest.raises(Exception, match="Line 1"):
        robot.add_keys(alice, "alice", "lab-1", "ssh-ed25519 nonsense")
    with pytest.raises(Exception, match="in use"):
        robot.add_robot(alice, "thief", Robot.objects.get(owner__username="bob").keys.get().line)
    assert now() == before
