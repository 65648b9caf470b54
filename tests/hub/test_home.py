"""The first page and the audit log."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rilaas.hub import publish
from rilaas.hub.actions.event import record
from rilaas.hub.models import (
    AuditEvent,
    Deployment,
    Evaluation,
    Interceptor,
    Job,
    Model,
    Placement,
    Robot,
    Run,
    Server,
    Variant,
    Version,
)
from rilaas.hub.queries.home import overview

pytestmark = pytest.mark.django_db


def push(owner, name="lane"):
    model = Model.objects.create(owner=owner, name=name)
    version = Version.objects.create(model=model, number=1, digest=f"sha256:{name}", created_by=owner)
    return Variant.objects.create(version=version, digest=f"sha256:{name}", archive_bytes=1, size_bytes=1)


def deploy(variant, owner, server, state="ready", reason=""):
    model = variant.version.model
    deployment = Deployment.objects.create(model=model, created_by=owner, serving=variant)
    deployment.servers.add(server)
    return Placement.objects.create(deployment=deployment, variant=variant, server=server, state=state, reason=reason)


def done(person):
    return [step["title"] for step in overview(person)["steps"] if step["is_done"]]


def wrong(person):
    return [row["what"] for row in overview(person)["problems"]]


def test_the_first_steps_tick_themselves(alice):
    assert done(alice) == []
    variant = push(alice)
    assert done(alice) == ["Upload a model"]
    job = Job.objects.create(kind="run", title="try", owner=alice)
    Run.objects.create(job=job, variant=variant, is_trial=True)
    Model.objects.update(visibility="shared")
    robot = Robot.objects.create(owner=alice, name="bot")
    assert done(alice) == ["Upload a model", "Try it on a picture", "Share it", "Add a robot"]
    deploy(variant, alice, Server.objects.create(name="edge-1", last_report_at=timezone.now()))
    robot.last_seen_at = timezone.now()
    robot.save()
    Evaluation.objects.create(owner=alice, kind="evaluation", verdict="passed", report="{}")
    found = overview(alice)
    assert found["steps_done"] == len(found["steps"]) == 7
    assert found["problems"] == []
    assert {each["verb"]: each["count"] for each in found["flow"]} == {
        "Push": 1,
        "Evaluate": 1,
        "Deploy": 1,
        "Route": 1,
        "Observe": 0,
    }


def test_somebody_elses_steps_are_not_mine(alice, bob):
    push(bob)
    Robot.objects.create(owner=bob, name="bot", last_seen_at=timezone.now())
    Model.objects.update(visibility="public")
    assert done(alice) == []


def test_problems_come_first_and_to_whom_they_concern(alice, bob, local, browser, monkeypatch):
    old = timezone.now() - timedelta(minutes=2)
    server = Server.objects.create(name="edge-1", last_report_at=old)
    Server.objects.create(name="never-reported")
    Server.objects.create(name="long-gone", last_report_at=timezone.now() - timedelta(days=60))
    deploy(push(alice), alice, server, "failed", "model.onnx: no such file")
    Interceptor.objects.create(name="front", last_report_at=old)
    Interceptor.objects.create(name="blind", last_report_at=timezone.now(), source_ok=False, problem="Redis is gone")
    Job.objects.create(kind="run", title="run x", owner=alice, state="failed", ended_at=timezone.now())
    monkeypatch.setattr(publish, "_status", publish.RedisStatus("connection refused", old))
    common = ["Interceptor blind does not reach its source of policy", "Interceptor front is silent", "Redis is gone"]
    job = Job.objects.get().pk
    mine = ["alice/lane:1 does not run on edge-1", "Server edge-1 is silent"]
    assert wrong(alice) == [*mine, *common, f"Job {job} failed: run x"]
    assert wrong(bob) == common
    assert wrong(local) == [*mine, *common]
    page = browser(alice).get("/").content.decode()
    assert page.index("does not run on edge-1") < page.index("First steps")
    assert "model.onnx: no such file" in page


def test_what_happened_is_told_to_those_it_concerns(alice, bob, charlie, browser):
    model = push(alice).version.model
    model.visibility = "shared"
    model.save()
    model.collaborators.add(bob)
    record(alice, "version pushed", "alice/lane", "1")
    record(alice, "dataset uploaded", "alice/lane", "a data set that is called like the model")
    record(charlie, "version pushed", "charlie/other")
    subjects = {person: [row["act"] for row in overview(person)["events"]] for person in (alice, bob, charlie)}
    assert subjects == {
        alice: ["dataset uploaded", "version pushed"],
        bob: ["version pushed"],
        charlie: ["version pushed"],
    }
    assert b"alice/lane" in browser(bob).get("/").content
    assert b"alice" not in browser(charlie).get("/").content.replace(b"alice/lab", b"")


def test_the_twin_of_the_first_page_says_the_same(alice, browser):
    found = browser(alice).get("/home.json").json()
    assert found["steps_done"] == 0
    assert found["flow"][0]["verb"] == "Push"


def test_the_audit_log_is_for_those_who_run_the_hub(alice, local, browser):
    record(alice, "version pushed", "alice/lane", "1")
    record(None, "server added", "edge-1")
    assert browser(alice).get("/events").status_code == 403
    client = browser(local)
    page = client.get("/events").content.decode()
    assert "version pushed" in page
    assert "edge-1" in page
    found = client.get("/events.json", {"who": "alice"}).json()
    assert [row["subject"] for row in found["rows"]] == ["alice/lane"]
    assert client.get("/events.json", {"act": "server added"}).json()["count"] == 1
    assert client.get("/events.json", {"subject": "alice/"}).json()["count"] == 1


def test_a_long_audit_log_is_paged(local, browser):
    AuditEvent.objects.bulk_create(AuditEvent(act="x", subject=f"s{i}") for i in range(500))
    page = browser(local).get("/events?page=3")
    assert b"3 of 11" in page.content
    assert len(page.content) < 150_000


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((), "0 passed"),
        (("measured",), "measured, without a threshold"),
        (("passed", "failed"), "1 passed, 1 failed"),
    ],
)
def test_evaluations_without_a_threshold_are_not_said_to_have_failed(alice, verdicts, said):
    for verdict in verdicts:
        Evaluation.objects.create(owner=alice, kind="evaluation", verdict=verdict, report="{}")
    assert next(each["more"] for each in overview(alice)["flow"] if each["verb"] == "Evaluate") == said
