"""Models over datasets: checked before, done by the worker, shown with their errors."""

import io

import numpy as np
import pytest

from rilaas.core import NotFound, SignatureMismatch
from rilaas.hub.actions.run import start_run
from rilaas.hub.actions.sharing import share, unshare
from rilaas.hub.dataset_store import run_folder
from rilaas.hub.models import Job, Run
from rilaas.hub.queries.run import show_run
from tests.hub.run_parts import make_affine, make_dataset, make_python, npz, png, rows, sent

pytestmark = pytest.mark.django_db

FRAGILE = """
import os

class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        x = inputs["x"]
        if x[0, 0] == 3:
            raise ValueError("three is too many")
        if x[0, 0] == 6:
            os._exit(7)
        return {"y": x}
"""
BROKEN = """
class Model:
    def __init__(self, folder, session):
        raise RuntimeError("no such calibration")

    def predict(self, inputs):
        return {"y": inputs["x"]}
"""
DEADLY = """
import os

class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        if inputs["x"].any():  # not yet where it is warmed up
            os._exit(9)
        return {"y": inputs["x"]}
"""


@pytest.fixture
def affine(alice, tmp_path):
    make_affine(alice, tmp_path / "model")
    return ("alice", "affine")


def run_it(worker, person, model, dataset=("alice", "rows")):
    run = start_run(person, model, "", dataset)
    worker.do_all()
    return Run.objects.select_related("job").get(pk=run.pk)


def test_a_run_says_how_far_the_outputs_are_from_what_was_expected(alice, affine, worker, tmp_path):
    make_dataset(alice, tmp_path, rows(4, off=0.5))
    run = run_it(worker, alice, affine)
    assert run.job.state == "done", run.job.error
    assert run.job.result["address"] == f"/runs/{run.pk}"
    error = run.summary["errors"]["y"]
    wrong = 0.5 * np.arange(4)
    assert error["n"] == 12
    assert error["mae"] == pytest.approx(wrong.mean())
    assert error["rmse"] == pytest.approx(np.sqrt((wrong**2).mean()))
    assert error["max"] == pytest.approx(1.5)
    latency = run.summary["latency_s"]["total"]
    assert latency["n"] == 4
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]


def test_the_worst_sample_is_shown_first_and_by_number_on_request(alice, affine, worker, tmp_path, browser):
    make_dataset(alice, tmp_path, rows(4, off=0.5))
    run = run_it(worker, alice, affine)
    client = browser(alice)
    assert [row["index"] for row in client.get(f"/runs/{run.pk}.json").json()["rows"]] == [3, 2, 1, 0]
    by_number = client.get(f"/runs/{run.pk}.json?order=number").json()
    assert [row["index"] for row in by_number["rows"]] == [0, 1, 2, 3]
    page = client.get(f"/runs/{run.pk}")
    assert b"worst first" in page.content


def test_all_outputs_come_as_one_npz(alice, affine, worker, tmp_path, browser):
    make_dataset(alice, tmp_path, rows(3))
    run = run_it(worker, alice, affine)
    answer = browser(alice).get(f"/api/v1/runs/{run.pk}/outputs")
    with np.load(io.BytesIO(b"".join(answer.streaming_content))) as arrays:
        assert arrays["sample"].tolist() == [0, 1, 2]
        assert arrays["y"].shape == (3, 1, 3)
        np.testing.assert_allclose(arrays["y"].ravel(), 2 * np.arange(9) + 1)


def test_a_sample_that_fails_does_not_end_the_run_not_even_with_the_models_process(alice, worker, tmp_path):
    make_python(alice, tmp_path / "model", FRAGILE, name="fragile")
    make_dataset(alice, tmp_path, rows(5))
    run = run_it(worker, alice, ("alice", "fragile"))
    assert run.job.state == "done", run.job.error
    assert (run.summary["samples"], run.summary["failed"]) == (5, 2)
    shown = show_run(alice, run.pk)
    failed = {row["index"]: row["failed_with"]["message"] for row in shown["rows"] if row["failed_with"]}
    assert "three is too many" in failed[1]
    assert "ended while it worked on a request" in failed[2]
    assert [row["index"] for row in shown["rows"]][:2] == [1, 2]


def test_a_model_that_cannot_be_loaded_ends_the_run_with_its_reason(alice, worker, tmp_path, browser):
    make_python(alice, tmp_path / "model", BROKEN, name="broken")
    make_dataset(alice, tmp_path, rows(2))
    run = run_it(worker, alice, ("alice", "broken"))
    assert run.job.state == "failed"
    assert "no such calibration" in run.job.error["message"]
    assert b"no such calibration" in browser(alice).get(f"/runs/{run.pk}").content


def test_a_model_whose_process_ends_again_and_again_is_given_up(alice, worker, tmp_path):
    make_python(alice, tmp_path / "model", DEADLY, name="deadly")
    make_dataset(alice, tmp_path, rows(6))
    run = run_it(worker, alice, ("alice", "deadly"))
    assert run.job.state == "failed"
    assert "given up at sample 2" in run.job.error["message"]


def test_a_dataset_that_does_not_fit_is_told_before_anything_is_queued(alice, affine, tmp_path, browser):
    make_dataset(alice, tmp_path, npz(x=np.zeros((2, 4), np.float32)))
    with pytest.raises(SignatureMismatch, match="does not fit alice/affine:1") as told:
        start_run(alice, affine, "", ("alice", "rows"))
    assert "The model takes x: FP32 [-1, 3]. The samples have x: float32 4." in told.value.hint
    answer = browser(alice).post("/datasets/alice/rows", {"act": "run", "model": "alice/affine:1", "number": "1"})
    assert answer.status_code == 422
    assert b"The model takes x: FP32 [-1, 3]" in answer.content
    assert not Job.objects.exists()


def test_a_run_that_was_cancelled_goes_on_from_what_it_has_done(alice, affine, worker, tmp_path, browser):
    make_dataset(alice, tmp_path, rows(6))
    run = start_run(alice, affine, "", ("alice", "rows"))
    client = browser(alice)

    def cancel_at_three(work):
        if work.done == 3 and work.attempt == 1:
            client.post(f"/runs/{run.pk}", {"act": "cancel"})

    worker.between = cancel_at_three
    worker.do_all()
    job = Job.objects.get()
    assert job.state == "cancelled"
    first = (run_folder(run.pk) / "samples.jsonl").read_text().splitlines()
    assert 3 <= len(first) < 6
    assert client.post(f"/jobs/{job.pk}", {"act": "retry"}).status_code == 303
    worker.do_all()
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("done", 2)
    last = (run_folder(run.pk) / "samples.jsonl").read_text().splitlines()
    assert last[: len(first)] == first
    assert len(last) == 6


def test_a_line_that_was_cut_off_is_done_again(alice, affine, worker, tmp_path):
    make_dataset(alice, tmp_path, rows(3))
    run = start_run(alice, affine, "", ("alice", "rows"))
    folder = run_folder(run.pk)
    folder.mkdir(parents=True)
    (folder / "samples.jsonl").write_text(
        '{"i": 0, "error": {"code": "model_failed", "message": "x"}}\n{"i": 1, "tot'
    )
    worker.do_all()
    run.refresh_from_db()
    assert (run.summary["samples"], run.summary["failed"]) == (3, 1)


def test_pictures_are_drawn_and_can_do_nothing(alice, affine, worker, tmp_path, browser):
    make_dataset(alice, tmp_path, rows(1))
    run = run_it(worker, alice, affine)
    answer = browser(alice).get(f"/api/v1/runs/{run.pk}/samples/0/picture?small=1")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    page = browser(alice).get(f"/runs/{run.pk}/samples/0").content.decode()
    assert "1, 3, 5" in page


def test_a_model_is_tried_from_its_page(alice, affine, worker, tmp_path, browser):
    client = browser(alice)
    form = {"act": "try", "revision": "1", "file": sent(npz(x=np.ones((1, 3), np.float32)), "one.npz")}
    answer = client.post("/models/alice/affine/try", form)
    assert answer.status_code == 303
    address = answer["Location"]
    assert b"Waiting for the worker" in client.get(address).content
    worker.do_all()
    page = client.get(address).content.decode()
    assert "What it says" in page
    assert "3, 3, 3" in page
    assert 'hx-get="/runs/' not in page  # it is done, so it asks no more


def test_what_cannot_be_tried_is_told_on_the_page(alice, affine, browser):
    client = browser(alice)
    answer = client.post("/models/alice/affine/try", {"act": "try", "revision": "1", "file": sent(png(), "cat.png")})
    assert answer.status_code == 422
    assert b"cat.png does not fit alice/affine:1" in answer.content
    empty = client.post("/models/alice/affine/try", {"act": "try", "revision": "1"})
    assert b"No file was chosen" in empty.content
    assert not Run.objects.exists()


def test_a_second_try_finds_the_replica_warm(alice, affine, worker, browser):
    client = browser(alice)
    for _ in range(2):
        file = sent(npz(x=np.ones((1, 3), np.float32)), "one.npz")
        client.post("/models/alice/affine/try", {"act": "try", "revision": "1", "file": file})
        worker.do_all()
    first, second = Job.objects.order_by("pk")
    assert "Starting alice/affine:1" in first.log
    assert "Starting" not in second.log


def test_a_run_is_over_where_its_model_is_not_shared_any_more(alice, bob, affine, worker, tmp_path):
    make_dataset(alice, tmp_path, rows(2))
    make_dataset(bob, tmp_path, rows(2))
    share(alice, "model", "alice", "affine", "bob")
    start_run(bob, affine, "", ("bob", "rows"))
    unshare(alice, "model", "alice", "affine", "bob")
    worker.do_all()
    job = Job.objects.get(owner=bob)
    assert job.state == "failed"
    assert "not shared any more" in job.error["message"]
    with pytest.raises(NotFound):
        start_run(bob, affine, "", ("bob", "rows"))
