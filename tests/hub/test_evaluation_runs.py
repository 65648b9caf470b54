"""Evaluations that the hub drives: planned and checked before, driven by the worker, kept as any other."""

import pickle

import pytest

from rilaas.core import Unavailable
from rilaas.hub.actions.evaluation import delete_evaluation
from rilaas.hub.actions.evaluation_run import driven_folder
from rilaas.hub.actions.job import retry_job
from rilaas.hub.actions.job_attempt import release_job
from rilaas.hub.models import AuditEvent, Episode
from rilaas.hub.queries.evaluation_page import show_evaluation
from rilaas.hub.worker import work as worker_work
from rilaas.hub.worker.driven import Driven
from rilaas.hub.worker.kind import kinds
from rilaas.hub.worker.lane import Lane
from rilaas.hub.worker.replica import Asked
from rilaas.report import Report
from tests.hub.drive_parts import DIES, FAILS, SUITE, fresh, push_hooks, started

pytestmark = pytest.mark.django_db


def test_a_suite_is_driven_and_becomes_an_evaluation_of_the_model(alice, seeing, worker, browser):
    evaluation = started(alice)
    client = browser(alice)
    queued = client.get(f"/evaluations/{evaluation.pk}").content.decode()
    assert "waiting for the worker" in queued
    assert 'hx-trigger="every 1s"' in queued
    assert worker.do_all() == 1
    done = fresh(evaluation)
    assert done.job.state == "done", done.job.error
    assert (done.job.done, done.job.total) == (3, 3)  # seconds of simulated time
    assert done.job.result["address"] == f"/evaluations/{evaluation.pk}"
    report = Report.from_json(done.report)
    assert [(each.scenario, each.seed) for each in report.episodes] == [("oval", 1), ("oval", 2), ("zigzag", 3)]
    assert report.summary.startswith("alice/seeing:1 in a replica beside the hub: ")
    command = "rilaas evaluate seeing-1 --suite suite.toml --latency none"
    assert report.provenance.command == command
    assert not driven_folder(evaluation.pk).exists()
    page = client.get(f"/evaluations/{evaluation.pk}").content.decode()
    assert "hx-trigger" not in page
    assert "rilaas pull alice/seeing:1 --out seeing-1" in page
    assert f"{command} --report report.html" in page
    assert "[[scenarios]]" in page  # the file, to save
    assert f"/evaluations/{evaluation.pk}" in client.get("/models/alice/seeing").content.decode()
    acts = set(AuditEvent.objects.filter(subject="alice/seeing").values_list("act", flat=True))
    assert {"evaluation started", "evaluation added"} <= acts


def test_without_latency_the_hub_drives_the_same_as_this_process(alice, seeing, worker, tmp_path):
    driving = pytest.importorskip("rilaas.evaluate.driving")
    from rilaas.infer import load

    evaluation = started(alice)
    worker.do_all()
    (tmp_path / "suite.toml").write_text(SUITE)
    suite = driving.read_suite(tmp_path / "suite.toml")
    here = driving.run_suite(load(tmp_path / "seeing"), suite, latency=driving.Latency.none())
    there = Report.from_json(fresh(evaluation).report)
    assert [dict(each.metrics) for each in there.episodes] == [dict(each.metrics) for each in here.episodes]


def test_an_episode_in_which_nobody_answered_is_driven_again_and_told(alice, seeing, worker, monkeypatch):
    """The way to the replica is gone for the 20 calls of the first second, and there again after that."""
    asked, calls = Asked.go_on, []

    def sometimes(self, inputs, **more):
        calls.append(1)
        if len(calls) <= 20:
            raise Unavailable("The replica does not answer.")
        return asked(self, inputs, **more)

    monkeypatch.setattr(Asked, "go_on", sometimes)
    evaluation = started(alice)
    worker.do_all()
    report = Report.from_json(fresh(evaluation).report)
    assert all(each.metrics for each in report.episodes)
    lost = next(table for table in report.tables if table.title == "Infrastructure failures")
    assert [row[2:] for row in lost.rows] == [(1, "scored", "The replica does not answer.")]


def test_one_of_the_hubs_suites_is_driven_by_name_with_a_fixed_latency(alice, seeing, worker, program):
    client = program(alice, "write", "read")
    names = [row["name"] for row in client.get("/api/v1/suites").json()]
    assert "quick-look" in names
    body = {"suite": "quick-look", "episodes": 1, "latency": "fixed", "latency_s": 0.2}
    answer = client.post("/api/v1/models/alice/seeing/versions/1/evaluations", body, content_type="application/json")
    assert answer.status_code == 202, answer.content
    worker.do_all()
    found = client.get(f"/api/v1/evaluations/{answer.json()['id']}").json()
    assert (found["state"], found["suite"], found["count"]) == ("done", "quick-look", 1)
    latency = next(row for row in found["metrics"] if row["name"] == "latency_s")
    assert latency["mean"] == pytest.approx(0.2)
    assert client.get(f"/api/v1/jobs/{answer.json()['job']}").json()["state"] == "done"


def test_the_page_shows_episodes_while_it_drives_and_how_far_it_is(alice, seeing, worker, browser):
    evaluation = started(alice)
    seen = []

    def look(work):
        if work.done == 2:
            seen.append(browser(alice).get(f"/evaluations/{evaluation.pk}").content.decode())

    worker.between = look
    worker.do_all()
    assert "2 of 3 s of simulated time" in seen[-1]
    assert "2 of 3 episodes are driven." in seen[-1]
    assert f"/evaluations/{evaluation.pk}/episodes/1" in seen[-1]


def test_what_was_driven_until_a_cancel_is_kept_and_trying_again_goes_on_from_there(alice, seeing, worker, browser):
    evaluation = started(alice)
    client = browser(alice)

    def cancel_at_two(work):
        if work.done == 2 and work.attempt == 1:
            client.post(f"/evaluations/{evaluation.pk}", {"act": "cancel"})

    worker.between = cancel_at_two
    worker.do_all()
    cancelled = fresh(evaluation)
    assert cancelled.job.state == "cancelled"
    assert cancelled.verdict == "measured"
    assert "Interrupted after 2 of 3 episodes" in cancelled.summary
    page = client.get(f"/evaluations/{evaluation.pk}").content.decode()
    assert "what had been driven is below" in page
    retry_job(alice, cancelled.job_id)
    worker.do_all()
    done = fresh(evaluation)
    assert done.job.state == "done"
    assert "Driven before: 2 of 3 episodes." in done.job.log
    assert done.episodes.count() == 3
    assert len(Report.from_json(done.report).episodes) == 3


def test_a_drive_that_a_worker_left_behind_goes_on_with_the_episode_that_is_missing(alice, seeing, worker):
    """As after a kill: the attempt is over, nothing was said at its end, and the last file was cut off."""
    evaluation = started(alice)

    def killed(work):
        if work.done == 2 and work.attempt == 1:
            release_job(work.job_id, work.attempt)
            work.stop(worker_work.LOST)

    worker.between = killed
    assert Lane(kinds(), "test").take_one()
    assert fresh(evaluation).verdict == ""
    left = sorted(driven_folder(evaluation.pk).iterdir())
    assert [path.name for path in left] == ["000000.pickle", "000001.pickle"]
    left[1].write_bytes(left[1].read_bytes()[:100])
    worker.do_all()
    done = fresh(evaluation)
    assert (done.job.state, done.job.attempt) == ("done", 2)
    assert "Driven before: 1 of 3 episodes." in done.job.log
    assert list(done.episodes.order_by("index").values_list("seed", flat=True)) == [1, 2, 3]


class Evil:
    def __reduce__(self):
        return (print, ("run in the worker",))


def test_a_file_of_driven_episodes_runs_no_code(alice, tmp_path, capsys):
    driving = pytest.importorskip("rilaas.evaluate.driving")
    driven = Driven(tmp_path)
    (tmp_path / "000000.pickle").write_bytes(pickle.dumps(Evil()))
    assert driven.find(0, driving.Scenario("a", "oval", 1)) is None
    assert capsys.readouterr().out == ""


def test_a_model_that_cannot_be_loaded_fails_the_evaluation_with_its_reason(alice, worker, tmp_path, browser):
    push_hooks(alice, tmp_path / "seeing", "raise RuntimeError('no such calibration')\n")
    evaluation = started(alice)
    worker.do_all()
    failed = fresh(evaluation)
    assert failed.job.state == "failed"
    page = browser(alice).get(f"/evaluations/{evaluation.pk}").content.decode()
    assert "no such calibration" in page
    assert "None was driven." in page


def test_a_model_that_fails_in_every_episode_is_a_failed_evaluation_with_its_reason(alice, worker, tmp_path):
    push_hooks(alice, tmp_path / "seeing", FAILS)
    evaluation = started(alice)
    worker.do_all()
    failed = fresh(evaluation)
    assert (failed.job.state, failed.verdict) == ("failed", "failed")
    assert "seven is too many" in failed.job.error["message"]
    assert set(failed.episodes.values_list("status", flat=True)) == {"policy_failure"}


def test_a_model_whose_process_dies_in_one_episode_drives_the_next_and_one_that_always_dies_is_given_up(
    alice, worker, tmp_path
):
    push_hooks(alice, tmp_path / "seeing", DIES)
    evaluation = started(alice)
    worker.do_all()
    failed = fresh(evaluation)
    assert failed.episodes.count() == 3
    assert failed.job.log.count("The model's process ended (1).") == 3
    assert "ended while it worked on a request" in failed.job.error["message"]


def test_an_episode_of_a_suite_of_ones_own_says_how_to_drive_it_again(alice, seeing, worker, tmp_path):
    driving = pytest.importorskip("rilaas.evaluate.driving")
    from rilaas.hub.queries.evaluation import show_episode

    evaluation = started(alice)
    worker.do_all()
    again = show_episode(alice, evaluation.pk, 2)["rerun"]
    (tmp_path / "episode.toml").write_text(again["file"])
    (scenario,) = driving.read_suite(tmp_path / "episode.toml").scenarios
    assert (scenario.map, scenario.seed, scenario.duration_s) == ("zigzag", 3, 1.0)
    assert again["command"].startswith("rilaas evaluate seeing-1 --latency none --suite episode.toml")


def test_the_page_has_the_pictures_of_the_report(alice, charlie, seeing, worker, browser):
    evaluation = started(alice)
    worker.do_all()
    shown = show_evaluation(alice, evaluation.pk)
    assert shown["figures"]
    for figure in shown["figures"]:
        answer = browser(alice).get(figure["address"])
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("image/")
        assert "sandbox" in answer["Content-Security-Policy"]
        assert browser(charlie).get(figure["address"]).status_code == 404
    assert browser(alice).get(f"/api/v1/evaluations/{evaluation.pk}/figures/99").status_code == 404
    assert Episode.objects.filter(evaluation=evaluation).count() == 3


def test_the_worst_episodes_can_be_looked_at(alice, charlie, seeing, worker, browser):
    evaluation = started(alice)
    worker.do_all()
    assert "Recordings of the 3 worst episodes are kept." in fresh(evaluation).job.log
    address = f"/api/v1/evaluations/{evaluation.pk}/episodes/0/recording.json"
    played = browser(alice).get(address)
    assert played.status_code == 200
    assert browser(charlie).get(address).status_code == 404
    delete_evaluation(alice, evaluation.pk)
    assert browser(alice).get(address).status_code == 404
