import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rilaas.hub.actions.deployment import Wanted, deploy
from rilaas.hub.actions.machine import InterceptorState, interceptor_reported
from rilaas.hub.actions.robot import Limits, add_robot
from rilaas.hub.actions.subscription import subscribe
from rilaas.hub.actions.token import token_of
from rilaas.hub.models import Deployment, Model, Robot
from rilaas.hub.queries.policy import policy_since
from tests.hub.fleet_of import make_model, make_server, point, report
from tests.hub.ssh_keys import public_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(alice):
    return make_model(alice, "lane", versions=3)


def act(client, url, **form):
    answer = client.post(url, form)
    assert answer.status_code == 303, answer.content.decode()
    return client.get(answer["Location"]).content.decode()


def test_the_page_deploys_promotes_tries_a_canary_rolls_back_and_stops(alice, model, browser):
    server, client, url = make_server(), browser(alice), "/deployments/alice/lane"
    point(alice, model, "prod", "1")

    def seen():
        return client.get(f"{url}.json").json()

    assert "on its way" in act(client, url, act="deploy-now")
    report(server, v1="ready")
    form = {"servers": ["edge-1"], "follows": "prod", "replicas": "2", "threads": "1", "balancer": "round_robin"}
    canary = {"canary": "3", "canary_percent": "10", "memory_mb": "512", "cpus": ""}
    act(client, url, act="change", generation=seen()["generation"], **form, **canary)
    report(server, v1="ready", v3="ready")
    page = client.get(url).content.decode()
    assert "1 · 90 %" in page
    assert "3 · 10 %" in page
    assert seen()["memory_bytes"] == 512_000_000
    act(client, url, act="end-canary", generation=seen()["generation"])
    act(client, url, act="promote", alias="prod", revision="2", generation=seen()["alias"]["generation"])
    report(server, v2=("failed", "it is <damaged>"))
    page = client.get(url).content.decode()
    assert "it is &lt;damaged&gt;" in page
    assert "Version 1 goes on serving" in page
    assert "points to 1" in act(client, url, act="roll-back", alias="prod", generation=seen()["alias"]["generation"])
    assert "stopped" in act(client, url, act="stop", generation=seen()["generation"])
    late = client.post(url, {"act": "start", "generation": "1"})
    assert late.status_code == 409
    assert "started" in act(client, url, act="start", generation=seen()["generation"])
    act(client, url, act="delete", generation=seen()["generation"])
    assert not Deployment.objects.exists()


def test_a_form_with_what_is_no_number_is_told_so(alice, model, browser):
    make_server()
    point(alice, model, "prod", "1")
    client = browser(alice)
    act(client, "/deployments/alice/lane", act="deploy-now")
    form = {"act": "change", "generation": "1", "servers": ["edge-1"], "replicas": "2.5"}
    answer = client.post("/deployments/alice/lane", form)
    assert answer.status_code == 400
    assert b"whole number" in answer.content


def test_who_runs_the_hub_gets_the_command_for_a_new_machine_once(local, alice, browser):
    client = browser(local)
    page = act(client, "/deployments", act="add-machine", what="server", name="edge-7", kind="edge")
    token = page.split("printf &#x27;%s\\n&#x27; ")[1].split(" ")[0]
    assert (token_of(token).scopes, token_of(token).subject) == (["server"], "edge-7")
    assert "rilaas serve --hub http://testserver --name edge-7 --kind edge" in page
    assert token not in client.get("/deployments").content.decode()
    refused = browser(alice).post("/deployments", {"act": "add-machine", "what": "server", "name": "x"})
    assert refused.status_code == 403


def test_interceptors_say_what_they_lack(alice, browser):
    make_server()
    interceptor_reported(
        "route-1", InterceptorState("h:8443", source="redis", source_ok=False, problem="Redis <gone>")
    )
    client = browser(alice)
    row = client.get("/deployments.json").json()["interceptors"][0]
    assert (row["behind"], row["source_ok"], row["problem"]) == (1, False, "Redis <gone>")
    assert b"1 behind" in client.get("/deployments").content
    assert b"Redis &lt;gone&gt;" in client.get("/deployments").content


def test_programs_do_all_of_it_too(alice, bob, model, program):
    server, url = make_server(), "/api/v1/deployments/alice/lane"
    point(alice, model, "prod", "1")
    client = program(alice, "read", "deploy")
    assert client.get(url).status_code == 404
    assert client.post(url).status_code == 201
    report(server, v1="ready")
    row = client.get("/api/v1/deployments").json()["rows"][0]
    assert (row["state"], row["traffic"]) == ("ready", [{"revision": "1", "share": 1.0}])

    def send(method, path, **body):
        return getattr(client, method)(f"{url}{path}", body, content_type="application/json")

    changed = send("put", "", generation=row["generation"], servers=["edge-1"], replicas=2).json()
    assert changed["replicas"] == 2
    canary = send("put", "/canary", generation=changed["generation"], revision="2", share=0.5).json()
    assert canary["canary"] == "2"
    late = send("post", "/stop", generation=changed["generation"])
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    stopped = send("post", "/stop", generation=canary["generation"]).json()
    assert stopped["state"] == "stopped"
    started = send("post", "/start", generation=stopped["generation"]).json()
    assert program(bob, "read", "deploy").get(url).status_code == 404
    assert program(alice, "read").delete(f"{url}?generation=1").status_code == 403
    assert client.delete(f"{url}?generation={started['generation']}").status_code == 204


def fill(alice, folder, count):
    """So many of everything that a page can show."""
    have = Model.objects.count()
    names = [f"edge-{number}" for number in range(have, have + count)]
    servers = [make_server(name, address=f"10.0.0.1:{5000 + at}") for at, name in enumerate(names)]
    interceptor_reported(f"route-{have}", InterceptorState("h:8443"))
    for number in range(have, have + count):
        model = make_model(alice, f"m{number}", versions=2, visibility="public")
        point(alice, model, "prod", "1")
        deploy(alice, "alice", f"m{number}", Wanted([servers[0].name]))
        add_robot(alice, f"r{number}", public_line(folder, f"k{number}"))
        subscribe(alice, "alice", f"r{number}", f"m{number}", Limits())
        subscribe(alice, "alice", "r0", f"m{number}", Limits())
    deploy(alice, "alice", "m0", Wanted(names), Deployment.objects.get(model__name="m0").generation)
    for server in servers:
        report(server, v1="ready")


@pytest.mark.parametrize(
    "url", ["/robots", "/robots/alice/r0", "/deployments", "/deployments/alice/m0", "policy", "policy since"]
)
def test_the_number_of_queries_is_the_same_for_3_and_30(url, alice, browser, tmp_path):
    client, after = browser(alice), -1

    def count():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            if url.startswith("policy"):
                policy_since(after)
            else:
                assert client.get(url).status_code == 200
        return len(queries)

    fill(alice, tmp_path, 3)
    after = policy_since(-1).document["epoch"] - 10 if url == "policy since" else -1
    few = count()
    fill(alice, tmp_path, 27)
    assert count() == few
    assert few <= 20


@pytest.mark.parametrize("url", ["/robots", "/robots/alice/r1", "/deployments"])
def test_pages_stay_small_with_a_thousand_robots(url, alice, browser):
    rows = [Robot(owner=alice, name=f"r{number}", note="somewhere in the hall " * 5) for number in range(1000)]
    Robot.objects.bulk_create(rows)
    Model.objects.bulk_create([Model(owner=alice, name=f"m{n}", visibility="public") for n in range(1000)])
    assert len(browser(alice).get(url).content) < 150_000
