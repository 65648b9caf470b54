import pytest

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.deployment import (
    Wanted,
    deploy,
    deploy_now,
    keep_to_edge,
    set_canary,
    set_running,
    undeploy,
    wanted_of,
)
from rilaas.hub.actions.registry_alias import promote, roll_back
from rilaas.hub.actions.variant_gate import let_through
from rilaas.hub.models import Deployment, Placement, Server
from rilaas.hub.queries.deployment import show_deployment
from rilaas.hub.queries.placement import wanted_on
from rilaas.hub.queries.policy import policy_since
from tests.hub.fleet_of import add_version, make_model, make_server, point, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(alice, bob):
    return make_model(alice, "lane", versions=4, visibility="shared", collaborators=[bob])


@pytest.fixture
def edge(db):
    return make_server("edge-1")


@pytest.fixture
def cloud(db):
    return make_server("cloud-1", kind="cloud", address="10.0.0.9:5001")


def route(model="alice/lane"):
    return policy_since(-1).document["fleet"]["models"][model]


def shown(person):
    return show_deployment(person, "alice", "lane")


def running(server):
    return sorted(row["revision"] for row in wanted_on(server.name)["placements"])


def test_one_click_puts_the_newest_version_on_all_servers_that_are_up(alice, model, edge, cloud):
    silent = make_server("edge-2")
    Server.objects.filter(pk=silent.pk).update(last_report_at="2020-01-01T00:00Z")
    deploy_now(alice, "alice", "lane")
    assert (running(edge), running(cloud), running(silent)) == (["4"], ["4"], [])
    assert shown(alice)["state"] == "starting"
    report(edge, v4="ready")
    assert route()["split"] == [{"revision": "4", "share": 1.0}]
    report(cloud, v4="ready")
    assert (shown(alice)["state"], shown(alice)["reason"]) == ("ready", "")
    with pytest.raises(Conflict, match="there already"):
        deploy_now(alice, "alice", "lane")


def test_without_a_server_or_a_version_nothing_is_deployed(alice, model):
    with pytest.raises(NotFound, match="No server runs"):
        deploy_now(alice, "alice", "lane")
    make_model(alice, "empty", versions=0)
    with pytest.raises(NotFound, match="no version"):
        deploy_now(alice, "alice", "empty")
    assert not Deployment.objects.exists()


def test_traffic_goes_to_a_new_version_when_it_is_ready_somewhere_and_the_old_one_is_kept_warm(
    alice, model, edge, cloud
):
    point(alice, model, "prod", "1")
    deploy(alice, "alice", "lane", Wanted(["edge-1", "cloud-1"]))
    report(edge, v1="ready")
    before = wanted_on("edge-1")["generation"]
    point(alice, model, "prod", "2")
    assert route()["split"] == [{"revision": "1", "share": 1.0}]
    assert route()["aliases"] == {"prod": "1"}
    assert running(edge) == ["1", "2"]
    assert wanted_on("edge-1")["generation"] > before
    report(edge, v2="ready")
    assert route()["split"] == [{"revision": "2", "share": 1.0}]
    assert running(edge) == ["1", "2"]
    point(alice, model, "prod", "3")
    assert running(edge) == ["1", "2", "3"]
    report(edge, v3="ready")
    assert running(edge) == ["2", "3"]


def test_rolling_back_is_instant(alice, model, edge):
    point(alice, model, "prod", "1")
    deploy(alice, "alice", "lane", Wanted(["edge-1"]))
    report(edge, v1="ready")
    alias = point(alice, model, "prod", "2")
    report(edge, v2="ready")
    roll_back(alice, "alice", "lane", "prod", alias.generation)
    assert route()["split"] == [{"revision": "1", "share": 1.0}]
    assert shown(alice)["state"] == "ready"
    assert running(edge) == ["1", "2"]


def test_a_version_that_does_not_load_is_a_failed_deployment_while_the_old_one_goes_on(alice, model, edge):
    point(alice, model, "prod", "1")
    deploy(alice, "alice", "lane", Wanted(["edge-1"]))
    report(edge, v1="ready")
    point(alice, model, "prod", "2")
    report(edge, v2=("failed", "ModelFailed: weights.onnx is damaged."))
    page = shown(alice)
    assert page["state"] == "failed"
    assert "weights.onnx is damaged" in page["reason"]
    assert "Version 1 goes on serving" in page["reason"]
    assert page["traffic"] == [{"revision": "1", "share": 1.0}]
    assert [row["log"] for row in page["placements"] if row["state"] == "failed"] == ["it is failed"]


def test_a_canary_gets_its_share_while_it_is_ready(alice, model, edge):
    add_version(model, alice, 3, name="int8")
    let_through(alice, "alice", "lane", "3@int8", "tried by hand")
    point(alice, model, "prod", "2")
    deployment = deploy(alice, "alice", "lane", Wanted(["edge-1"]))
    report(edge, v2="ready")
    set_canary(alice, "alice", "lane", "3@int8", 0.25, deployment.generation)
    assert route()["split"] == [{"revision": "2", "share": 1.0}]
    report(edge, v3_int8="ready")
    assert route()["split"] == [{"revision": "2", "share": 0.75}, {"revision": "3@int8", "share": 0.25}]
    report(edge, v3_int8=("failed", "out of memory"))
    assert route()["split"] == [{"revision": "2", "share": 1.0}]
    report(edge, v3_int8="ready")
    point(alice, model, "prod", "3@int8")  # it is promoted: it is no canary any more, and serves at once
    assert route()["split"] == [{"revision": "3@int8", "share": 1.0}]
    assert shown(alice)["canary"] is None


def test_data_that_stay_at_the_edge_keep_a_model_from_the_cloud(alice, model, edge, cloud):
    add_version(model, alice, 5, sensitivity="edge")
    point(alice, model, "prod", "5")
    with pytest.raises(InvalidInput, match=r"cloud-1 is not there"):
        deploy(alice, "alice", "lane", Wanted(["edge-1", "cloud-1"]))
    deploy_now(alice, "alice", "lane")
    assert (running(edge), running(cloud)) == (["5"], [])
    assert (route()["sensitivity"], route()["servers"]) == ("edge", ["edge-1"])


def test_a_version_that_keeps_data_at_the_edge_leaves_the_cloud_by_itself(alice, model, edge, cloud):
    point(alice, model, "prod", "1")
    deploy(alice, "alice", "lane", Wanted(["edge-1", "cloud-1"]))
    report(cloud, v1="ready")
    add_version(model, alice, 5, sensitivity="edge")
    point(alice, model, "prod", "5")
    assert (running(edge), running(cloud)) == (["1", "5"], [])
    assert (route()["sensitivity"], route()["servers"]) == ("edge", ["edge-1"])


def test_the_owner_keeps_data_at_the_edge_whatever_the_manifest_says(alice, bob, model, edge, cloud):
    point(alice, model, "prod", "1")
    with pytest.raises(PermissionDenied):
        keep_to_edge(bob, "alice", "lane", True)
    deployment = deploy(alice, "alice", "lane", Wanted(["cloud-1"]))
    with pytest.raises(InvalidInput, match="its owner"):
        keep_to_edge(alice, "alice", "lane", True)
    deploy(alice, "alice", "lane", Wanted(["edge-1"]), deployment.generation)
    keep_to_edge(alice, "alice", "lane", True)
    assert route()["sensitivity"] == "edge"


def test_two_who_change_it_at_once_are_told_apart(alice, bob, model, edge):
    point(alice, model, "prod", "1")
    seen = deploy(alice, "alice", "lane", Wanted(["edge-1"])).generation
    deploy(bob, "alice", "lane", Wanted(["edge-1"], replicas=3), seen)
    with pytest.raises(Conflict, match="after you looked"):
        deploy(alice, "alice", "lane", Wanted(["edge-1"], replicas=2), seen)
    assert wanted_of(Deployment.objects.get()).replicas == 3
    assert wanted_on("edge-1")["placements"][0]["replicas"] == 3


def test_it_is_stopped_started_and_deleted(alice, model, edge):
    point(alice, model, "prod", "1")
    seen = deploy(alice, "alice", "lane", Wanted(["edge-1"], replicas=2)).generation
    report(edge, v1="ready")
    seen = set_running(alice, "alice", "lane", False, seen).generation
    assert (running(edge), shown(alice)["state"], route()["servers"], route()["split"]) == ([], "stopped", [], [])
    seen = set_running(alice, "alice", "lane", True, seen).generation
    assert (running(edge), shown(alice)["state"]) == (["1"], "starting")
    report(edge, v1="ready")
    assert shown(alice)["state"] == "ready"
    undeploy(alice, "alice", "lane", seen)
    assert not Placement.objects.exists()
    assert policy_since(-1).document["fleet"]["models"] == {}


def test_a_server_that_is_silent_degrades_and_the_last_one_leaves_none(alice, model, edge, cloud):
    point(alice, model, "prod", "1")
    deploy(alice, "alice", "lane", Wanted(["edge-1", "cloud-1"]))
    report(edge, v1="ready")
    assert shown(alice)["state"] == "starting"
    report(cloud, v1="ready")
    Server.objects.filter(pk=cloud.pk).update(last_report_at="2020-01-01T00:00Z")
    assert shown(alice)["state"] == "degraded"
    assert "cloud-1" in shown(alice)["reason"]
    Server.objects.update(last_report_at="2020-01-01T00:00Z")
    assert shown(alice)["state"] == "no server"


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicas": 0},
        {"replicas": 65},
        {"threads": 0},
        {"cpus": 0},
        {"memory_bytes": 10},
        {"balancer": "fastest"},
        {"canary": "1", "canary_share": 1.5},
        {"canary_share": float("nan")},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(InvalidInput):
        Wanted(["edge-1"], **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"servers": ["edge-9"]}, "edge-1"), ({"follows": "beta"}, "prod"), ({"canary": "9"}, "no version")],
)
def test_what_is_not_there_is_named_with_what_is(wrong, said, alice, model, edge):
    point(alice, model, "prod", "1")
    with pytest.raises(NotFound, match=said):
        deploy(alice, "alice", "lane", Wanted(**{"servers": ["edge-1"], **wrong}))


def test_a_stranger_sees_no_deployment_and_no_log_of_a_public_one(alice, charlie, model, edge):
    point(alice, model, "prod", "1")
    deploy(alice, "alice", "lane", Wanted(["edge-1"]))
    report(edge, v1=("failed", "secret path"))
    with pytest.raises(NotFound):
        shown(charlie)
    make_public(model)
    page = shown(charlie)
    assert [row["log"] for row in page["placements"]] == [""]
    assert "secret path" not in str(page)
    with pytest.raises(PermissionDenied):
        deploy(charlie, "alice", "lane", Wanted(["edge-1"]), page["generation"])


def test_a_collaborator_deploys(bob, alice, model, edge):
    promote(bob, "alice", "lane", "prod", "1", 0)
    deploy(bob, "alice", "lane", Wanted(["edge-1"]))
    assert [event["act"] for event in shown(alice)["events"]] == ["deployed", "alias moved"]


def make_public(model):
    model.visibility = "public"
    model.save()
