"""Who sees datasets, runs and jobs, at every address."""

import numpy as np
import pytest

from rilaas.hub.actions.run import start_run, start_trial
from rilaas.hub.actions.sharing import set_visibility, share
from rilaas.hub.models import Job
from tests.hub.run_parts import make_affine, make_dataset, npz, rows, sent, worker_here

pytestmark = pytest.mark.django_db

DATASET = (
    "/datasets/alice/rows",
    "/datasets/alice/rows.json",
    "/datasets/alice/rows?version=1",
    "/datasets/alice/rows/versions/1/samples/0",
    "/datasets/alice/rows/versions/1/samples/0.json",
    "/api/v1/datasets/alice/rows",
    "/api/v1/datasets/alice/rows/versions/1/file",
    "/api/v1/datasets/alice/rows/versions/1/samples/0",
    "/api/v1/datasets/alice/rows/versions/1/samples/0/picture",
    "/api/v1/datasets/alice/rows/versions/1/samples/0/picture?small=1",
)
MODEL = ("/models/alice/affine/try", "/models/alice/affine/try.json", "/models/alice/affine/runs")
RUN = (
    "/runs/{run}",
    "/runs/{run}.json",
    "/runs/{run}/samples/0",
    "/runs/{run}/samples/0.json",
    "/api/v1/runs/{run}",
    "/api/v1/runs/{run}/outputs",
    "/api/v1/runs/{run}/samples/0",
    "/api/v1/runs/{run}/samples/0/picture",
)
JOB = ("/jobs/{job}", "/jobs/{job}.json", "/api/v1/jobs/{job}")


@pytest.fixture
def world(alice, tmp_path, monkeypatch):
    """Alice's model, dataset, run and trial, all private."""
    make_affine(alice, tmp_path / "model")
    make_dataset(alice, tmp_path, rows(3))
    (tmp_path / "one.npz").write_bytes(npz(x=np.ones((1, 3), np.float32)))
    run = start_run(alice, ("alice", "affine"), "", ("alice", "rows"))
    trial = start_trial(alice, ("alice", "affine"), "", [("one.npz", tmp_path / "one.npz")])
    with worker_here(monkeypatch) as worker:
        worker.do_all()
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}
    return run, trial


def statuses(client, addresses, run):
    found = {}
    for address in addresses:
        answer = client.get(address.format(run=run.pk, job=run.job_id))
        found[address] = answer.status_code
        if answer.streaming:
            b"".join(answer.streaming_content)  # which closes it
    return found


def all_are(status, found):
    assert set(found.values()) == {status}, found


def test_the_owner_sees_everything(alice, world, browser):
    all_are(200, statuses(browser(alice), (*DATASET, *MODEL, *RUN, *JOB), world[0]))
    all_are(200, statuses(browser(alice), (*RUN, *JOB), world[1]))


def test_a_stranger_gets_404_at_every_address(charlie, world, browser, program):
    for run in world:
        all_are(404, statuses(browser(charlie), (*DATASET, *MODEL, *RUN, *JOB), run))
    api = [address for address in (*DATASET, *RUN, *JOB) if address.startswith("/api")]
    all_are(404, statuses(program(charlie, "read", "write"), api, world[0]))
    client = browser(charlie)
    for address in ("/datasets/alice/rows", "/models/alice/affine/runs"):
        for form in ({"model": "alice/affine:1"}, {"dataset": "alice/rows:1"}):
            assert client.post(address, {"act": "run", **form}).status_code in (400, 404)
    assert client.post("/datasets/alice/rows", {"act": "run", "model": "alice/affine:1"}).status_code == 404
    run = {"model": "alice/affine", "dataset": "alice/rows"}
    started = program(charlie, "write").post("/api/v1/runs", run, content_type="application/json")
    assert started.status_code == 404
    for address in ("/datasets.json", "/jobs.json"):
        assert client.get(address).json()["rows"] == []
    assert client.get("/api/v1/runs").json() == []


def test_nobody_sees_anything_who_has_not_signed_in(world, client):
    pages = [address for address in (*DATASET, *MODEL, *RUN, *JOB) if not address.startswith("/api")]
    assert set(statuses(client, pages, world[0]).values()) == {302, 401}
    api = [address for address in (*DATASET, *RUN, *JOB) if address.startswith("/api")]
    all_are(401, statuses(client, api, world[0]))


def test_a_collaborator_of_both_sees_the_run_and_of_one_does_not(bob, charlie, alice, world, browser):
    share(alice, "dataset", "alice", "rows", "bob")
    all_are(200, statuses(browser(bob), DATASET, world[0]))
    all_are(404, statuses(browser(bob), (*MODEL, *RUN, *JOB), world[0]))
    share(alice, "model", "alice", "affine", "bob")
    all_are(200, statuses(browser(bob), RUN, world[0]))
    all_are(404, statuses(browser(bob), JOB, world[0]))
    all_are(404, statuses(browser(bob), (*RUN, *JOB), world[1]))  # a trial is its own person's
    share(alice, "model", "alice", "affine", "charlie")
    all_are(404, statuses(browser(charlie), (*DATASET, *RUN), world[0]))


def test_what_is_public_may_be_used_by_all_but_runs_stay_with_who_works_on_both(alice, charlie, world, browser):
    set_visibility(alice, "dataset", "alice", "rows", "public")
    set_visibility(alice, "model", "alice", "affine", "public")
    all_are(200, statuses(browser(charlie), (*DATASET, *MODEL), world[0]))
    all_are(404, statuses(browser(charlie), (*RUN, *JOB), world[0]))
    own = start_run(charlie, ("alice", "affine"), "", ("alice", "rows"))
    assert browser(charlie).get(f"/runs/{own.pk}").status_code == 200
    set_visibility(alice, "dataset", "alice", "rows", "private")
    assert browser(charlie).get(f"/runs/{own.pk}").status_code == 404
    assert browser(charlie).get(f"/jobs/{own.job_id}").status_code == 200


def test_a_trial_needs_a_model_that_one_sees(charlie, world, browser, program):
    form = {"act": "try", "revision": "1", "file": sent(npz(x=np.ones((1, 3), np.float32)))}
    assert browser(charlie).post("/models/alice/affine/try", form).status_code == 404
    form["file"] = sent(npz(x=np.ones((1, 3), np.float32)))
    answer = program(charlie, "write").post("/api/v1/models/alice/affine/versions/1/trials", form)
    assert answer.status_code == 404
