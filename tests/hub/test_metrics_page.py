"""The page Metrics: what each of the cast sees of the same traffic."""

import socket
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from rilaas.hub.metrics import background
from rilaas.hub.metrics.target import Target
from rilaas.hub.metrics.window import Window
from rilaas.hub.models import Interceptor, Model, Robot, Server
from rilaas.hub.queries.metric import show_metrics
from rilaas.hub.queries.metric_asked import Asked
from rilaas.observe import Registry

pytestmark = pytest.mark.django_db
FRONT = Target("interceptor", "front", "127.0.0.1:1")


class Service:
    """An interceptor's metrics, fed into the hub's window."""

    def __init__(self, window):
        self.window, self.registry = window, Registry()
        self.requests = self.registry.counter("rilaas_route_requests_total", "x", ("robot", "model", "outcome"))
        self.attempts = self.registry.counter("rilaas_route_attempts_total", "x", ("server", "model", "outcome"))
        self.robot_s = self.registry.histogram("rilaas_route_robot_seconds", "x", ("robot", "model"))
        self.server_s = self.registry.histogram("rilaas_route_request_seconds", "x", ("server", "model"))
        self.stage_s = self.registry.histogram("rilaas_route_stage_seconds", "x", ("server", "model", "stage"))
        self.registry.gauge("rilaas_route_in_flight", "x", ("server",)).set(2, server="edge-1")
        self.window.add(FRONT, self.registry.to_text(), time.time() - 60)

    def query(self, robot, model, outcome="ok", count=1, seconds=0.008):
        self.requests.inc(count, robot=robot, model=model, outcome=outcome)
        self.attempts.inc(count, server="edge-1", model=model, outcome="ok" if outcome == "ok" else "error")
        for _ in range(count if outcome == "ok" else 0):
            self.robot_s.observe(seconds, robot=robot, model=model)
            self.server_s.observe(seconds, server="edge-1", model=model)
            for stage, share in (("wire", 0.1), ("queue", 0.2), ("batch", 0.1), ("compute", 0.6)):
                self.stage_s.observe(seconds * share, server="edge-1", model=model, stage=stage)

    def read(self):
        self.window.add(FRONT, self.registry.to_text(), time.time() - 5)


@pytest.fixture
def window(monkeypatch):
    fresh = Window()
    monkeypatch.setattr("rilaas.hub.queries.metric.WINDOW", fresh)
    monkeypatch.setattr(background, "WINDOW", fresh)
    return fresh


@pytest.fixture
def fleet(alice, bob, charlie, local):
    """Alice owns a model that she shares with Bob, and a public one; all three have a robot."""
    shared = Model.objects.create(owner=alice, name="lane", visibility="shared")
    shared.collaborators.add(bob)
    Model.objects.create(owner=alice, name="grasp", visibility="public")
    Model.objects.create(owner=alice, name="secret")
    for person in (alice, bob, charlie):
        Robot.objects.create(owner=person, name="bot")


@pytest.fixture
def traffic(window, fleet):
    service = Service(window)
    service.query("alice/bot", "alice/lane", count=10)
    service.query("bob/bot", "alice/lane", count=5, seconds=0.08)
    service.query("bob/bot", "alice/lane", "rate_limited", 3)
    service.query("charlie/bot", "alice/grasp", count=4)
    service.query("alice/bot", "alice/grasp", count=2)
    service.query("alice/bot", "alice/secret", count=7)
    service.query("charlie/bot", "-", "permission_denied")
    service.read()
    return service


def seen(person, **form):
    data = show_metrics(person, Asked.of(form))
    return data, {row["group"]: row["sent"] for row in data["queries"]}


def test_who_runs_the_hub_sees_everything(traffic, local):
    data, models = seen(local)
    assert models == {"alice/lane": 18, "alice/grasp": 6, "alice/secret": 7, "-": 1}
    assert seen(local, group="robot")[1] == {"alice/bot": 19, "bob/bot": 8, "charlie/bot": 5}
    assert seen(local, group="server")[1] == {"edge-1": 32}
    assert data["total"] == {"sent": 32, "answered": 28, "limited": 3}
    assert data["failures"] == {"rate_limited": 3, "permission_denied": 1}


def test_an_owner_sees_her_models_with_other_peoples_robots_unnamed(traffic, alice):
    assert seen(alice)[1] == {"alice/lane": 18, "alice/grasp": 6, "alice/secret": 7}
    data, robots = seen(alice, group="robot")
    assert robots == {"alice/bot": 19, "other robots": 12}
    assert "bob" not in str(data)
    assert "charlie" not in str(data)


def test_a_collaborator_sees_what_is_shared_and_what_his_own_robots_ask(traffic, bob):
    data, models = seen(bob)
    assert models == {"alice/lane": 18}
    assert "secret" not in str(data)
    assert seen(bob, group="robot")[1] == {"bob/bot": 8, "other robots": 10}


def test_a_stranger_sees_only_his_own_robots_at_public_models(traffic, charlie):
    data, models = seen(charlie)
    assert models == {"alice/grasp": 4, "-": 1}
    assert data["servers"] == data["stages"] == []
    assert "alice/bot" not in str(data)
    assert seen(charlie, model="alice/lane")[1] == {}
    assert seen(charlie, group="server")[1] == {}


def test_nobody_singles_out_somebody_elses_robot(traffic, alice):
    assert seen(alice, robot="bob/bot")[1] == {}
    assert seen(alice, robot="alice/bot", group="robot")[1] == {"alice/bot": 19}


def test_a_robot_does_not_show_a_model_that_became_hidden_from_its_owner(traffic, bob, fleet):
    Model.objects.filter(name="lane").update(visibility="private")
    assert seen(bob)[1] == {}


def test_round_trips_and_their_split_carry_their_counts(traffic, alice):
    data, _ = seen(alice, model="alice/lane", deadline_ms="50")
    row = data["round_trip"][0]
    assert row["n"] == 15
    assert 0.005 < row["p50_s"] <= 0.01
    assert 0.05 <= row["p95_s"] <= 0.1
    assert row["late_share"] == pytest.approx(5 / 15, abs=0.01)
    stages = {row["group"]: row for row in data["stages"]}
    assert list(stages) == ["wire", "queue", "batch", "compute"]
    assert stages["compute"]["n"] == 15
    assert stages["compute"]["mean_s"] == pytest.approx(0.6 * (10 * 0.008 + 5 * 0.08) / 15, rel=0.05)
    charts = {chart["name"]: chart for chart in data["drawn"]["charts"]}
    assert charts["round-trip"]["deadline"] == 50.0
    assert {"queries", "round-trip", "stages"} <= set(charts)
    assert data["servers"][0]["in_flight"] == 2


@pytest.mark.parametrize("group", ["model", "robot", "server", "outcome"])
@pytest.mark.parametrize("length", ["5m", "15m", "1h", "1d"])
def test_the_page_and_its_twin_open_in_every_grouping_and_range(traffic, alice, browser, group, length):
    client = browser(alice)
    page = client.get("/metrics", {"group": group, "range": length})
    assert page.status_code == 200
    assert len(page.content) < 150_000
    assert client.get("/metrics.json", {"group": group, "range": length}).json()["drawn"]["charts"]


def test_a_range_of_ones_own_is_fixed(traffic, alice, browser):
    now = timezone.now()
    form = {"range": "custom", "start": f"{now - timedelta(minutes=2):%Y-%m-%dT%H:%M:%S}"}
    form["end"] = f"{now:%Y-%m-%dT%H:%M:%S}"
    data = browser(alice).get("/metrics.json", form).json()
    assert data["is_live"] is False
    assert data["total"]["sent"] > 20


@pytest.mark.parametrize(
    "form",
    [
        {"range": "2m"},
        {"group": "colour"},
        {"range": "custom", "start": "yesterday", "end": "2026-01-01T00:00"},
        {"range": "custom", "start": "2026-01-01T00:01", "end": "2026-01-01T00:00"},
        {"deadline_ms": "soon"},
        {"deadline_ms": "nan"},
        {"deadline_ms": "-1"},
    ],
)
def test_a_wrong_form_is_told_what_is_right(alice, browser, form):
    answer = browser(alice).get("/metrics.json", form)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"


def test_a_prometheus_that_is_away_is_said_and_the_window_shown(traffic, alice, browser, settings):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.PROMETHEUS_URL = f"http://127.0.0.1:{port}"
    page = browser(alice).get("/metrics").content.decode()
    assert f"Prometheus is not reachable at http://127.0.0.1:{port}" in page
    assert "alice/lane" in page
    settings.PROMETHEUS_URL = "nonsense"
    assert "is not a URL" in browser(alice).get("/metrics").content.decode()


def test_the_page_says_what_to_do_where_there_is_nothing(window, alice, browser):
    page = browser(alice).get("/metrics").content.decode()
    assert "No queries in this range" in page
    assert "/api/v1/metrics/samples" in page


def test_more_models_and_robots_need_no_more_statements(
    window, fleet, alice, browser, django_assert_num_queries, django_assert_max_num_queries
):
    service = Service(window)
    service.query("alice/bot", "alice/lane")
    service.read()
    client = browser(alice)
    with django_assert_max_num_queries(12) as few:
        client.get("/metrics")
    for i in range(30):
        Model.objects.create(owner=alice, name=f"m{i}", visibility="public")
        Robot.objects.create(owner=alice, name=f"r{i}")
        service.query(f"alice/r{i}", f"alice/m{i}")
        service.query(f"alice/r{i}", "bob/thing")
    window.add(FRONT, service.registry.to_text(), time.time() - 4)
    with django_assert_num_queries(len(few) + 1):  # the one that looks whether bob/thing may be seen
        page = client.get("/metrics", {"group": "robot"})
    assert len(page.content) < 150_000


def test_a_prometheus_finds_the_services_by_itself(local, alice, program):
    now = timezone.now()
    Interceptor.objects.create(name="front", metrics_address="127.0.0.1:9101", last_report_at=now)
    Server.objects.create(name="edge-1", metrics_address="127.0.0.1:9102", last_report_at=now)
    Server.objects.create(name="twice", metrics_address="127.0.0.1:9102", last_report_at=now)
    Server.objects.create(name="gone", metrics_address="127.0.0.1:9103", last_report_at=now - timedelta(hours=1))
    found = program(local, "metrics").get("/api/v1/metrics/targets").json()
    assert [row["targets"] for row in found] == [["127.0.0.1:9101"], ["127.0.0.1:9102"], ["testserver"]]
    assert found[1]["labels"] == {"rilaas_kind": "server", "rilaas_name": "edge-1"}
    assert found[2]["labels"]["__metrics_path__"] == "/api/v1/metrics/hub"
    assert program(alice, "metrics").get("/api/v1/metrics/targets").status_code == 403
    assert Client().get("/api/v1/metrics/targets").status_code == 200  # the test client is on loopback


def test_the_hubs_own_metrics_are_for_loopback_and_tokens(local, program, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "rilaas.hub.metrics.own.count_requests"]
    Client().get("/sign-in")
    answer = Client().get("/api/v1/metrics/hub")
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.content.decode()
    assert 'rilaas_hub_requests_total{page="sign-in",method="GET",status="200"}' in text
    assert 'rilaas_hub_jobs{state="queued"} 0' in text
    assert "rilaas_hub_policy_epoch 0" in text
    assert text.count("# TYPE rilaas_metrics_overflow_total") == 1
    assert Client(REMOTE_ADDR="192.0.2.7").get("/api/v1/metrics/hub").status_code == 401
    assert Client(headers={"x-forwarded-for": "127.0.0.1"}).get("/api/v1/metrics/hub").status_code == 401
    far = program(local, "metrics")
    assert far.get("/api/v1/metrics/hub", REMOTE_ADDR="192.0.2.7").status_code == 200


def test_the_numbers_are_there_for_programs_too(traffic, alice, program):
    data = program(alice, "metrics").get("/api/v1/metrics", {"group": "robot"}).json()
    assert data["total"]["sent"] == 31
    assert program(alice, "read").get("/api/v1/metrics").status_code == 403
