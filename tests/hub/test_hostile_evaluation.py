"""Evaluations that somebody means ill with: models, suites and people that change while the hub drives."""

import pytest

from rilaas.hub import blob_store
from rilaas.hub.actions.registry import delete_model
from rilaas.hub.actions.sharing import unshare
from rilaas.hub.models import Evaluation, Job, Recording
from rilaas.hub.worker import evaluation as worker_evaluation
from rilaas.hub.worker import replica
from rilaas.hub.worker.driven import Driven
from rilaas.report.playback import file as recording_file
from tests.hub.drive_parts import HOOKS, MODEL, fresh, push_hooks, started
from tests.hub.model_folder import push_folder
from tests.hub.seeing_model import write_seeing_model

pytestmark = pytest.mark.django_db
NAN = 'return {"wheels": numpy.full((1, 2), numpy.nan, numpy.float32)}'
HUGE = 'return {"wheels": numpy.zeros((40_000_000, 2), numpy.float32)}'
OTHER = 'return {"wheels": numpy.zeros((3, 5, 7), numpy.float32)}'
TEXT = 'return {"wheels": "left, please"}'
WORDS = r'raise ValueError("<script> \\0 and \ud800 " + "x" * 10**6)'


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (NAN, "The policy gave wheels (nan, nan)"),
        (HUGE, "too large"),
        (OTHER, "wheels"),
        (TEXT, "wheels"),
        (WORDS, "<script>"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RecursionError", "RecursionError"),
    ],
    ids=["nan", "huge", "other", "text", "words", "exit", "recursion"],
)
def test_a_model_that_answers_something_else_ends_with_its_reason_and_the_worker_goes_on(
    alice, worker, tmp_path, browser, act, told
):
    push_hooks(alice, tmp_path / "seeing", HOOKS.format(act=act))
    evaluation = started(alice)
    worker.do_all()
    failed = fresh(evaluation)
    assert (failed.job.state, failed.verdict) == ("failed", "failed")
    assert told in failed.job.error["message"]
    assert failed.episodes.count() == 3
    for path in ("", ".json", "/episodes/0", "/episodes/0.json"):
        assert browser(alice).get(f"/evaluations/{evaluation.pk}{path}").status_code == 200
    assert browser(alice).get(f"/api/v1/evaluations/{evaluation.pk}/report.html").status_code == 200
    again = started(alice)
    worker.do_all()
    assert fresh(again).job.error["message"] == failed.job.error["message"]


def test_a_model_that_hangs_and_allows_itself_a_day_is_given_up(alice, worker, tmp_path, monkeypatch):
    monkeypatch.setattr(replica, "MAX_ANSWER_S", 0.5)
    folder = tmp_path / "seeing"
    write_seeing_model(folder)
    (folder / "hooks.py").write_text(HOOKS.format(act="import time; time.sleep(40)"))
    manifest = folder / "model.toml"
    manifest.write_text(f"{manifest.read_text()}\n[limits]\nanswer_s = 86400.0\n")
    push_folder(alice, folder)
    evaluation = started(alice)
    worker.do_all()
    failed = fresh(evaluation)
    assert failed.job.state == "failed"
    assert "gave no answer within 0.5 s" in failed.job.error["message"]


def after_one_episode(monkeypatch, act):
    """Do something when the first episode is written down."""
    keep = Driven.keep

    def keep_and_act(self, index, result):
        keep(self, index, result)
        if index == 0:
            act()

    monkeypatch.setattr(Driven, "keep", keep_and_act)


def test_a_model_that_is_not_shared_any_more_is_driven_no_further(alice, bob, seeing, worker, monkeypatch):
    evaluation = started(bob)
    after_one_episode(monkeypatch, lambda: unshare(alice, "model", *MODEL, "bob"))
    worker.do_all()
    ended = fresh(evaluation)
    assert (ended.job.state, ended.episodes.count()) == ("failed", 1)
    assert "not shared any more" in ended.job.error["message"]


def test_a_long_episode_of_a_model_that_is_not_shared_any_more_is_broken_off(alice, bob, seeing, worker, monkeypatch):
    monkeypatch.setattr(worker_evaluation, "LOOK_S", 0.0)
    evaluation = started(bob)
    unshared = []

    def tell(drive):
        if not unshared:
            unshared.append(unshare(alice, "model", *MODEL, "bob"))

    monkeypatch.setattr(worker_evaluation._Drive, "_tell", tell)
    worker.do_all()
    assert (fresh(evaluation).job.state, fresh(evaluation).episodes.count()) == ("failed", 0)


def test_a_model_that_is_deleted_while_it_drives_ends_the_job(alice, seeing, worker, monkeypatch):
    evaluation = started(alice)
    after_one_episode(monkeypatch, lambda: delete_model(alice, *MODEL))
    worker.do_all()
    job = Job.objects.get(pk=evaluation.job_id)
    assert job.state == "failed"
    assert "was deleted" in job.error["message"]
    assert "Episode 1" not in job.log
    assert not Evaluation.objects.exists()


def test_a_disk_without_room_ends_a_drive_before_it_is_full(alice, seeing, worker, monkeypatch):
    evaluation = started(alice)
    monkeypatch.setattr(blob_store, "RESERVE_BYTES", 2**62)
    worker.do_all()
    ended = fresh(evaluation)
    assert ended.job.state == "failed"
    assert "MB left" in ended.job.error["message"]


def test_a_drive_too_long_to_be_recorded_is_kept_without_recordings(alice, seeing, worker, monkeypatch):
    monkeypatch.setattr(recording_file, "_MAX_STAMPS", 5)  # it is 200 000
    evaluation = started(alice)
    worker.do_all()
    done = fresh(evaluation)
    assert (done.job.state, done.episodes.count()) == ("done", 3)
    assert "stamps; at most 5 are taken" in done.job.log
    assert "Recordings of the 0 worst episodes are kept." in done.job.log
    assert not Recording.objects.exists()
