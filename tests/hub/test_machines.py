import io

import pytest
from django.test import Client

from rilaas.hub.actions.deployment import Wanted, deploy
from rilaas.hub.actions.token import make_token
from rilaas.hub.blob_store import model_blobs
from rilaas.hub.models import Interceptor, Placement, Server, Variant
from rilaas.hub.queries.policy import policy_since
from tests.hub.fleet_of import make_model, make_server, point

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(local):
    """``server(name)``: what ``rilaas serve`` of this name sends."""
    return lambda name: machine(local, "server", name)


@pytest.fixture
def interceptor(local):
    return machine(local, "interceptor", "route-1")


def machine(local, scope, name):
    return Client(headers={"authorization": f"Bearer {make_token(local, name, [scope], subject=name)}"})


def post(client, url, **body):
    return client.post(url, body, content_type="application/json")


def hello(client, name, **more):
    body = {"address": "127.0.0.1:5001", "insecure": True, "kind": "edge", **more}
    return post(client, f"/api/v1/servers/{name}", **body)


def test_a_server_is_added_by_its_first_report_and_is_in_the_routing_table(server):
    answer = hello(server("edge-1"), "edge-1", added_delay_s=0.04, metrics="127.0.0.1:9101")
    assert answer.json() == {"generation": 0}
    row = Server.objects.get()
    assert (row.metrics_address, row.last_report_at is not None) == ("127.0.0.1:9101", True)
    told = {
        "name": "edge-1",
        "kind": "edge",
        "address": "127.0.0.1:5001",
        "insecure": True,
        "added_delay_s": 0.04,
    }
    assert policy_since(-1).document["fleet"]["servers"] == [told]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "moon"},
        {"added_delay_s": -1},
        {"added_delay_s": 1e9},
        {"address": "x" * 300},
        {"placements": [{"id": "one", "state": "ready"}]},
        {"placements": [{"id": 1, "state": "ready", "restarts": -1}]},
    ],
)
def test_a_report_that_makes_no_sense_is_refused(wrong, server):
    assert hello(server("edge-1"), "edge-1", **wrong).status_code == 400
    assert not Server.objects.exists()


def test_a_report_is_written_to_the_servers_own_placements_alone(alice, server):
    model = make_model(alice, versions=1)
    make_server("edge-1")
    make_server("edge-2", address="10.0.0.2:5001")
    point(alice, model)
    deploy(alice, "alice", "lane", Wanted(["edge-1", "edge-2"]))
    log = [f"line {number}" for number in range(150)]
    told = [
        {"id": row.pk, "state": "ready", "replicas_ready": 1, "restarts": 2, "isolation": "bwrap", "log": log}
        for row in Placement.objects.all()
    ]
    unknown = [{"id": 10**6, "state": "ready"}, {"id": told[0]["id"] + 10**9, "state": "dancing"}]
    assert hello(server("edge-1"), "edge-1", placements=told + unknown).status_code == 200
    mine, other = Placement.objects.get(server__name="edge-1"), Placement.objects.get(server__name="edge-2")
    assert (mine.state, mine.restarts, mine.isolation) == ("ready", 2, "bwrap")
    assert mine.log.splitlines() == log[-100:]
    assert (other.state, other.log) == ("starting", "")


def test_a_server_gets_the_archives_of_what_is_placed_on_it_and_no_others(alice, server):
    model = make_model(alice, versions=2)
    make_server("edge-1")
    make_server("edge-2", address="10.0.0.2:5001")
    point(alice, model)
    deploy(alice, "alice", "lane", Wanted(["edge-1"]))
    bytes_of = {}
    for variant in Variant.objects.all():
        bytes_of[variant.digest] = variant.digest.encode() * 1000
        sha256 = model_blobs().put(io.BytesIO(bytes_of[variant.digest]))
        Variant.objects.filter(pk=variant.pk).update(archive_sha256=sha256)
    placed, other = (Variant.objects.get(version__number=number).digest for number in (1, 2))
    client = server("edge-1")
    answer = client.get(f"/api/v1/servers/edge-1/archives/{placed}")
    assert b"".join(answer.streaming_content) == bytes_of[placed]
    assert client.get(f"/api/v1/servers/edge-1/archives/{other}").status_code == 404
    assert server("edge-2").get(f"/api/v1/servers/edge-2/archives/{placed}").status_code == 404
    assert client.get(f"/api/v1/servers/edge-2/archives/{placed}").status_code == 403


def test_an_interceptor_reports_and_its_robots_are_seen(alice, interceptor):
    from rilaas.hub.actions.robot import add_robot

    robot = add_robot(alice, "lab-1", "")
    body = {"address": "10.0.0.5:8443", "epoch": 1, "policy_age_s": 0.1, "seen": {"alice/lab-1": 0.3, "x/y": 1.0}}
    answer = post(interceptor, "/api/v1/interceptors/route-1", **body)
    assert answer.json() == {"epoch": policy_since(-1).document["epoch"]}
    robot.refresh_from_db()
    assert robot.last_seen_at is not None
    assert Interceptor.objects.get().address == "10.0.0.5:8443"


@pytest.mark.parametrize("url", ["/api/v1/servers/edge-1", "/api/v1/interceptors/route-1"])
def test_nobody_but_machines_of_those_who_run_the_hub_reports(url, alice, local, browser, program):
    body = {"address": "1.2.3.4:1"}
    assert post(Client(), url, **body).status_code == 401
    assert post(browser(local), url, **body).status_code == 401  # a session is no machine
    assert post(program(alice, "read", "write", "deploy"), url, **body).status_code == 403
    token = make_token(local, "old", ["server", "interceptor"])
    local.is_staff = False
    local.save()
    answer = post(Client(headers={"authorization": f"Bearer {token}"}), url, **body)
    assert answer.status_code == 403
    assert not Server.objects.exists()
    assert not Interceptor.objects.exists()


def test_a_machine_speaks_for_itself_alone(server, interceptor):
    assert hello(server("edge-1"), "edge-2").status_code == 403
    assert post(interceptor, "/api/v1/interceptors/route-2", address="h:1").status_code == 403
    assert hello(interceptor, "route-1").status_code == 403


def test_a_machine_that_is_gone_is_removed_by_who_runs_the_hub(alice, local, server, program):
    hello(server("edge-1"), "edge-1")
    url = "/api/v1/servers/edge-1"
    assert program(alice, "deploy").delete(url).status_code == 403
    assert program(local, "deploy").delete(url).status_code == 204
    assert policy_since(-1).document["fleet"]["servers"] == []
    assert hello(server("edge-1"), "edge-1").status_code == 200


def test_machines_are_listed_for_people(alice, server, program):
    hello(server("edge-1"), "edge-1")
    rows = program(alice, "read").get("/api/v1/machines").json()
    assert [(row["name"], row["is_up"]) for row in rows["servers"]] == [("edge-1", True)]
