"""Jobs: who sees them, whose turn it is, how they end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied, RateLimited
from rilaas.hub.actions import job as job_actions
from rilaas.hub.actions import job_attempt
from rilaas.hub.actions.job import cancel_job, queue_job, retry_job
from rilaas.hub.actions.job_attempt import beat, finish_job, release_job, requeue_lost, take_job
from rilaas.hub.actions.run import forget_trials
from rilaas.hub.models import Job
from rilaas.hub.queries.job import show_job
from rilaas.hub.worker import kind

pytestmark = pytest.mark.django_db


@pytest.fixture
def counting(monkeypatch):
    """A kind that counts to ten, and says in which order people were served."""
    kind.kinds()
    served = []

    def count(work):
        served.append(work.owner.username)
        for done in range(work.done, 10):
            work.say(f"at {done}")
            work.step(done + 1, 10)
        return {"address": "/", "text": "Counted."}

    monkeypatch.setitem(kind._KINDS, "count", kind.Kind("count", kind.LONG, count))
    return served


def queued(person, count=1):
    return [queue_job(person, "count", f"count {number}", {}) for number in range(count)]


def test_a_job_is_done_and_says_so(alice, worker, counting, browser):
    (job,) = queued(alice)
    worker.do_all()
    shown = browser(alice).get(f"/jobs/{job.pk}.json").json()
    assert (shown["state"], shown["progress"]["share"]) == ("done", 1.0)
    assert shown["result"]["text"] == "Counted."
    assert "at 9" in shown["log"]
    page = browser(alice).get(f"/jobs/{job.pk}").content
    assert b"Counted." in page
    assert b"hx-get" not in page  # nothing changes any more


def test_a_job_under_way_says_how_long_it_will_take_and_asks_again(alice, worker, counting, browser):
    (job,) = queued(alice)
    seen = []

    def look(work):
        if work.done == 4:
            client = browser(alice)
            seen.append((client.get(f"/jobs/{job.pk}.json").json(), client.get("/jobs").content))

    worker.between = look
    worker.do_all()
    shown, page = seen[0]
    assert (shown["state"], shown["progress"]["done"], shown["progress"]["total"]) == ("running", 4, 10)
    assert shown["progress"]["left_s"] == pytest.approx(shown["progress"]["worked_s"] * 6 / 4)
    assert b'hx-trigger="every 1s"' in page
    assert b"4 of 10" in page


def test_people_take_turns(alice, bob, charlie, worker, counting):
    queued(alice, 3)
    queued(bob, 2)
    queued(charlie, 1)
    worker.do_all()
    assert counting == ["alice", "bob", "charlie", "alice", "bob", "alice"]


def test_a_queued_job_is_cancelled_at_once(alice, worker, counting):
    (job,) = queued(alice)
    cancel_job(alice, job.pk)
    assert worker.do_all() == 0
    job.refresh_from_db()
    assert job.state == "cancelled"
    with pytest.raises(Conflict, match="over: cancelled"):
        cancel_job(alice, job.pk)


def test_a_running_job_is_cancelled_and_tried_again(alice, worker, counting):
    (job,) = queued(alice)
    worker.between = lambda work: work.done == 4 and work.attempt == 1 and cancel_job(alice, job.pk)
    worker.do_all()
    job.refresh_from_db()
    assert (job.state, job.done) == ("cancelled", 5) or (job.state, job.done) == ("cancelled", 4)
    retry_job(alice, job.pk)
    worker.do_all()
    job.refresh_from_db()
    assert (job.state, job.done, job.attempt) == ("done", 10, 2)
    with pytest.raises(Conflict, match="done; one that failed"):
        retry_job(alice, job.pk)


def test_an_error_of_ours_is_shown_and_a_fault_of_ours_tells_nothing(alice, worker, monkeypatch, caplog):
    def fails(work):
        raise InvalidInput("Seven is not even.", "Choose eight.")

    def breaks(work):
        raise ZeroDivisionError("secret")

    kind.kinds()
    monkeypatch.setitem(kind._KINDS, "fails", kind.Kind("fails", kind.LONG, fails))
    monkeypatch.setitem(kind._KINDS, "breaks", kind.Kind("breaks", kind.LONG, breaks))
    first, second = queue_job(alice, "fails", "a", {}), queue_job(alice, "breaks", "b", {})
    worker.do_all()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.error == {"code": "invalid_input", "message": "Seven is not even.", "hint": "Choose eight."}
    assert "Failed: Seven is not even." in first.log
    assert second.error["code"] == "internal"
    assert "secret" not in second.error["message"]
    assert "ZeroDivisionError" in caplog.text


def test_nobody_else_sees_a_job_but_who_runs_the_hub_sees_state_and_title(alice, charlie, local, browser):
    (job,) = queued(alice)
    stranger = browser(charlie)
    for address in (f"/jobs/{job.pk}", f"/jobs/{job.pk}.json", f"/api/v1/jobs/{job.pk}"):
        assert stranger.get(address).status_code == 404
    assert stranger.post(f"/jobs/{job.pk}", {"act": "cancel"}).status_code == 404
    assert stranger.get("/jobs.json").json()["rows"] == []
    assert stranger.get("/jobs?everyone=1").status_code == 403
    shown = browser(local).get(f"/jobs/{job.pk}.json").json()
    assert shown == {
        "id": job.pk,
        "title": "count 0",
        "state": "queued",
        "owner": "alice",
        "is_own": False,
        "is_open": True,
    }
    assert browser(local).get("/jobs.json").json()["rows"] == []
    assert len(browser(local).get("/jobs.json?everyone=1").json()["rows"]) == 1
    assert browser(local).get("/jobs?everyone=1").status_code == 200
    assert browser(local).get(f"/jobs/{job.pk}").status_code == 200


def test_who_runs_the_hub_may_cancel_a_job_but_not_act_in_anothers_name(alice, local):
    (job,) = queued(alice)
    cancel_job(local, job.pk)
    with pytest.raises(PermissionDenied):
        retry_job(local, job.pk)


def test_a_job_whose_worker_died_is_queued_again_and_the_dead_one_changes_nothing(alice, counting, monkeypatch):
    queued(alice)
    dead = take_job(["count"])
    assert requeue_lost() == 0
    monkeypatch.setattr(job_attempt, "LEASE_S", -1.0)
    assert requeue_lost() == 1
    again = take_job(["count"])
    assert (again.pk, again.attempt) == (dead.pk, 2)
    assert not beat(dead.pk, dead.attempt, 9, 10, "from the grave")
    finish_job(dead.pk, dead.attempt, {})
    assert Job.objects.get().state == "running"
    assert beat(again.pk, again.attempt, 1, 10, "")


def test_a_job_that_ends_its_worker_every_time_is_given_up(alice, monkeypatch):
    monkeypatch.setattr(job_attempt, "LEASE_S", -1.0)
    monkeypatch.setattr(job_attempt, "MAX_ATTEMPTS", 2)
    (job,) = queued(alice)
    for _ in range(2):
        assert take_job(["count"])
        requeue_lost()
    job.refresh_from_db()
    assert job.state == "failed"
    assert "ended 2 times" in job.error["message"]


def test_a_job_that_was_to_be_cancelled_when_its_worker_died_is_cancelled(alice, monkeypatch):
    (job,) = queued(alice)
    take_job(["count"])
    cancel_job(alice, job.pk)
    monkeypatch.setattr(job_attempt, "LEASE_S", -1.0)
    requeue_lost()
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_a_worker_that_ends_in_good_order_hands_its_job_on(alice):
    queued(alice)
    job = take_job(["count"])
    release_job(job.pk, job.attempt)
    assert take_job(["count"]).pk == job.pk


def test_a_log_stays_small(alice, worker, monkeypatch):
    def talks(work):
        for number in range(2000):
            work.say(f"line {number} " + "x" * 100)
        return {}

    kind.kinds()
    monkeypatch.setitem(kind._KINDS, "talks", kind.Kind("talks", kind.LONG, talks))
    job = queue_job(alice, "talks", "t", {})
    worker.do_all()
    log = show_job(alice, job.pk)["log"]
    assert len(log) <= 20_000
    assert log.startswith("(earlier lines are left out)")
    assert "line 1999" in log


def test_nobody_fills_the_queue(alice, monkeypatch):
    monkeypatch.setattr(job_actions, "MAX_OPEN", 3)
    queued(alice, 3)
    with pytest.raises(RateLimited, match="3 jobs"):
        queued(alice)


def test_programs_follow_cancel_and_repeat_jobs(alice, program):
    (job,) = queued(alice)
    client = program(alice, "read", "write")
    assert client.get("/api/v1/jobs").json()["rows"][0]["id"] == job.pk
    assert client.post(f"/api/v1/jobs/{job.pk}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/api/v1/jobs/{job.pk}/retry").json()["state"] == "queued"
    assert client.get(f"/api/v1/jobs/{2**70}").status_code == 404
    with pytest.raises(NotFound):
        cancel_job(alice, 0)


def test_what_a_model_says_fits_every_database(alice, worker, monkeypatch):
    def mumbles(work):
        work.say("zero \0 and half \ud800")
        raise InvalidInput("zero \0 and half \ud800")

    kind.kinds()
    monkeypatch.setitem(kind._KINDS, "mumbles", kind.Kind("mumbles", kind.LONG, mumbles))
    job = queue_job(alice, "mumbles", "nul \0 byte", {})
    worker.do_all()
    job.refresh_from_db()
    assert job.error["message"] == "zero \ufffd and half ?"
    assert "zero \ufffd and half ?" in job.log


def test_trials_are_forgotten_after_a_week(alice):
    queue_job(alice, "trial", "old", {})
    queue_job(alice, "other", "old", {})
    Job.objects.update(state="done", created_at=timezone.now() - timedelta(days=8))
    queue_job(alice, "trial", "new", {})
    assert forget_trials() == 1
    assert sorted(Job.objects.values_list("title", flat=True)) == ["new", "old"]
