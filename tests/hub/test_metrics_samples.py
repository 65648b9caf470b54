"""Own metrics: who may post what, what is kept, who sees it."""

import math
import threading
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from rilaas.client.own_metrics import OwnMetrics
from rilaas.core import InvalidInput, RateLimited
from rilaas.hub.actions import sample as sample_action
from rilaas.hub.actions.sample import Posted, SampleQueue, forget_old_samples, post_samples
from rilaas.hub.metrics.own import own_metrics
from rilaas.hub.models import MetricSample, Model, Robot, RobotKey
from rilaas.hub.queries.metric import show_metrics
from rilaas.hub.queries.metric_asked import Asked
from rilaas.observe import Registry, serve_metrics
from rilaas.wire import audience, generate_key, sign_token
from tests.hub_process import HubProcess

ADDRESS = "/api/v1/metrics/samples"
BATTERY = {"samples": [{"name": "battery", "unit": "V", "value": 11.9}]}


@pytest.fixture
def key(tmp_path):
    return generate_key(tmp_path / "id")


@pytest.fixture
def robot(alice, key):
    robot = Robot.objects.create(owner=alice, name="lab-1")
    RobotKey.objects.create(robot=robot, kid=key.public.fingerprint, line=key.public.line, kind="ssh-ed25519")
    return robot


def as_robot(key, host="testserver", **options):
    return Client(headers={"authorization": f"Bearer {sign_token(key, audience(host), **options)}"})


def post(client, body, **extra):
    return client.post(ADDRESS, body, content_type="application/json", **extra)


def own(person, **form):
    return show_metrics(person, Asked.of(form))["own"]["rows"]


@pytest.fixture(autouse=True)
def _host(settings, monkeypatch):
    from rilaas.hub.api import metrics

    settings.ALLOWED_HOSTS = ["testserver"]
    metrics._verifier.cache_clear()
    yield
    metrics._verifier.cache_clear()


@pytest.mark.django_db
def test_a_program_posts_with_a_token_of_scope_metrics(alice, program):
    answer = post(program(alice, "metrics"), BATTERY)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1}
    (row,) = own(alice)
    assert (row["name"], row["unit"], row["who"], row["n"], row["mean"]) == ("battery", "V", "alice", 1, 11.9)
    assert post(program(alice, "read"), BATTERY).status_code == 403
    assert post(Client(), BATTERY).status_code == 401


@pytest.mark.django_db
def test_a_robot_posts_with_its_own_key(alice, robot, key):
    assert post(as_robot(key), BATTERY).status_code == 202
    (row,) = own(alice)
    assert row["who"] == "alice/lab-1"


@pytest.mark.django_db
def test_a_robots_token_is_good_for_this_hub_from_one_host_while_its_key_is_registered(robot, key):
    assert post(as_robot(key, "elsewhere"), BATTERY).status_code == 401
    assert post(as_robot(key, single_use=True), BATTERY).status_code == 401
    assert post(as_robot(key, clock=lambda: time.time() - 3600), BATTERY).status_code == 401
    client = as_robot(key)
    assert post(client, BATTERY).status_code == 202
    stolen = post(client, BATTERY, REMOTE_ADDR="192.0.2.9")
    assert stolen.status_code == 401
    assert "another host" in stolen.json()["message"]
    RobotKey.objects.update(revoked_at=timezone.now())
    assert post(client, BATTERY).status_code == 401


@pytest.mark.django_db
def test_a_robot_of_somebody_who_was_shut_out_is_refused(alice, robot, key):
    alice.is_active = False
    alice.save()
    assert post(as_robot(key), BATTERY).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    "row",
    [
        {"name": "", "value": 1},
        {"name": "two words", "value": 1},
        {"name": "é", "value": 1},
        {"name": "x" * 101, "value": 1},
        {"name": "x", "unit": "u" * 21, "value": 1},
        {"name": "x", "unit": "\u0000", "value": 1},
        {"name": "x", "value": "much"},
        {"name": "x", "value": math.nan},
        {"name": "x", "value": math.inf},
        {"name": "x", "value": 1, "at_s": 1.0},
        {"name": "x", "value": 1, "at_s": 1e300},
        {"name": "x", "value": 1, "at_s": math.nan},
    ],
    ids=str,
)
def test_a_wrong_sample_is_refused_and_none_of_its_post_kept(alice, program, row):
    answer = post(program(alice, "metrics"), {"samples": [BATTERY["samples"][0], row]})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"
    assert not MetricSample.objects.exists()


@pytest.mark.django_db
def test_a_post_has_one_to_a_thousand_samples(alice, program):
    client = program(alice, "metrics")
    assert post(client, {"samples": []}).status_code == 400
    assert post(client, {"samples": BATTERY["samples"] * 1001}).status_code == 400
    assert post(client, {"samples": BATTERY["samples"] * 1000}).status_code == 202
    with pytest.raises(InvalidInput):
        post_samples(alice, None, [])


@pytest.mark.django_db
def test_a_sample_about_a_model_needs_a_model_that_its_sender_sees(alice, bob, charlie, robot, key, program):
    model = Model.objects.create(owner=bob, name="lane", visibility="shared")
    model.collaborators.add(alice)
    body = {"samples": [{"name": "slip", "value": 1, "model": "bob/lane"}]}
    assert post(as_robot(key), body).status_code == 202
    assert post(program(charlie, "metrics"), body).status_code == 404
    assert own(alice)[0]["model"] == "bob/lane"
    assert own(alice, model="bob/lane")
    assert not own(alice, model="bob/other")


@pytest.mark.django_db
def test_an_owner_of_a_model_sees_what_is_posted_about_it_without_whose_robot(alice, bob, charlie, local, robot):
    model = Model.objects.create(owner=bob, name="lane", visibility="public")
    row = [Posted("slip", "1", 0.25, "bob/lane")]
    post_samples(alice, robot, row)
    post_samples(alice, None, row)
    assert sorted(row["who"] for row in own(bob)) == ["other people", "other robots"]
    assert "alice" not in str(own(bob))
    assert own(charlie) == []
    assert sorted(row["who"] for row in own(local)) == ["alice", "alice/lab-1"]
    assert own(bob, robot="alice/lab-1") == []
    model.delete()
    assert own(bob) == []


@pytest.mark.django_db
def test_what_is_posted_is_drawn_beside_the_other_charts(alice, browser):
    now = time.time()
    post_samples(alice, None, [Posted("battery", "V", 12.0 - i / 100, at_s=now - 10 * i) for i in range(50)])
    data = browser(alice).get("/metrics.json").json()
    (chart,) = data["drawn"]["charts"]
    assert (chart["title"], chart["unit"]) == ("battery of alice", "V")
    values = [value for value in chart["series"][0]["values"] if value is not None]
    assert len(values) > 25
    assert 11.5 <= min(values) <= max(values) <= 12.0
    page = browser(alice).get("/metrics").content.decode()
    assert "battery" in page


@pytest.mark.django_db
def test_more_samples_and_series_need_no_more_statements(alice, browser, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    post_samples(alice, None, [Posted("battery", "V", 12.0)])
    client = browser(alice)
    with CaptureQueriesContext(connection) as few:
        client.get("/metrics")
    for i in range(60):
        post_samples(alice, None, [Posted(f"m{i}", "V", float(j), at_s=time.time() - j) for j in range(100)])
    with django_assert_num_queries(len(few)):
        page = client.get("/metrics")
    assert len(page.content) < 150_000


@pytest.mark.django_db
def test_old_samples_and_too_many_of_one_person_are_forgotten(alice, bob, monkeypatch):
    monkeypatch.setattr(sample_action, "KEPT_PER_PERSON", 5)
    post_samples(alice, None, [Posted("x", "", float(i), at_s=time.time() - i) for i in range(20)])
    post_samples(bob, None, [Posted("x", "", 1.0)] * 3)
    MetricSample.objects.create(name="old", value=1, at=timezone.now() - timedelta(days=30), person=bob)
    forget_old_samples()
    assert sorted(MetricSample.objects.filter(person=alice).values_list("value", flat=True)) == [0, 1, 2, 3, 4]
    assert MetricSample.objects.filter(person=bob).count() == 3


@pytest.mark.django_db
def test_a_queue_that_is_full_takes_nothing_more_and_counts_it(alice, monkeypatch):
    monkeypatch.setattr(SampleQueue, "write_waiting", lambda self: 0)
    queue = SampleQueue(max_waiting=3)
    rows = [MetricSample(name="x", value=1, at=timezone.now(), person=alice) for _ in range(2)]
    queue.put(rows)
    with pytest.raises(RateLimited) as caught:
        queue.put(rows)
    assert "again in a second" in caught.value.hint
    assert "rilaas_hub_samples_refused_total" in own_metrics()


@pytest.mark.django_db(transaction=True)
def test_a_thread_writes_behind_the_requests_and_leaves_nothing_at_its_end(alice):
    queue = SampleQueue()
    queue.start()
    try:
        for i in range(50):
            queue.put([MetricSample(name="x", value=i, at=timezone.now(), person=alice)])
    finally:
        queue.stop()
    assert MetricSample.objects.count() == 50
    connections.close_all()


@pytest.mark.django_db
def test_samples_of_a_robot_that_was_deleted_meanwhile_do_not_take_others_with_them(alice, robot):
    queue = SampleQueue()
    rows = [
        MetricSample(name="x", value=1, at=timezone.now(), person=alice, robot_id=robot.pk + 1000),
        MetricSample(name="y", value=1, at=timezone.now(), person=alice),
    ]
    MetricSample.objects.bulk_create(rows[1:])
    assert queue.write_waiting() == 0
    assert MetricSample.objects.get().name == "y"


def test_a_robots_numbers_reach_a_real_hub(tmp_path):
    key = generate_key(tmp_path / "id", comment="lab-1")
    with HubProcess(tmp_path / "home") as hub, hub.connect() as mine:
        robot = {"name": "lab-1", "keys": (tmp_path / "id.pub").read_text()}
        mine.post("/api/v1/robots", robot)
        with OwnMetrics(hub.url, key, interval_s=0.01) as own_numbers:
            for i in range(100):
                own_numbers.post("battery", 12.0 - i / 100, "V")
        assert (own_numbers.dropped, own_numbers.problem) == (0, "")
        rows = []
        end = time.monotonic() + 30
        while not rows and time.monotonic() < end:
            rows = mine.get("/api/v1/metrics")["own"]["rows"]
        assert [(row["who"], row["name"]) for row in rows] == [("local/lab-1", "battery")]


def test_a_hub_that_is_away_holds_nobody_up_and_the_oldest_numbers_go():
    before = threading.active_count()
    own_numbers = OwnMetrics("http://127.0.0.1:9", token="rilaas_x", interval_s=0.01, max_waiting=10)
    for i in range(100):
        own_numbers.post("x", float(i))
    own_numbers.close()
    assert own_numbers.dropped == 90
    assert "cannot be reached" in own_numbers.problem
    assert threading.active_count() == before


def test_something_else_than_a_hub_is_told():
    with serve_metrics(Registry()) as other:
        own_numbers = OwnMetrics(f"http://{other.address}", token="rilaas_x", interval_s=0.01)
        own_numbers.post("x", 1.0)
        own_numbers.close()
    assert own_numbers.problem


def test_numbers_are_posted_with_a_key_or_with_a_token(tmp_path):
    with pytest.raises(InvalidInput):
        OwnMetrics("http://127.0.0.1:9")
    with pytest.raises(InvalidInput):
        OwnMetrics("http://127.0.0.1:9", generate_key(tmp_path / "id"), token="rilaas_x")
