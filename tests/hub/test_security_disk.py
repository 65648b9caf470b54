"""What people send cannot fill the disk, and what one person sends to a model is in no answer for another."""

import hashlib
import os
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest

from rilaas.core import RateLimited, Unavailable
from rilaas.hub import blob_store
from rilaas.hub.actions.job import cancel_job, queue_job, retry_job
from rilaas.hub.actions.run import start_trial
from rilaas.hub.actions.sharing import set_visibility
from rilaas.hub.actions.upload import receive, received
from rilaas.hub.blob_store import MAX_UNDER_WAY, clean, home, uploads_of
from rilaas.hub.database import make_home
from rilaas.hub.dataset_store import run_folder
from rilaas.hub.models import Job
from rilaas.hub.worker.journal import read_outputs
from tests.hub.run_parts import make_python, npz, worker_here

pytestmark = pytest.mark.django_db

GOSSIP = """
import numpy

TOLD = [numpy.zeros((1, 3), numpy.float32)]


class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        TOLD.append(inputs["x"])
        return {"y": TOLD[-2]}

    def reset(self):
        pass
"""


def sha256(text):
    return hashlib.sha256(str(text).encode()).hexdigest()


def test_a_person_cannot_begin_any_number_of_uploads(alice, bob, program):
    for number in range(MAX_UNDER_WAY):
        received(alice, sha256(number), 10)
    with pytest.raises(RateLimited, match="100 uploads"):
        received(alice, sha256("one more"), 10)
    answer = program(alice, "write").get(f"/api/v1/uploads/{sha256('more')}?size_bytes=10")
    assert answer.status_code == 429
    assert len(uploads_of(alice).under_way()) == MAX_UNDER_WAY
    assert received(alice, sha256(5), 10).received_bytes == 0, "those that were begun go on"
    assert received(bob, sha256("one more"), 10).received_bytes == 0


def test_an_upload_that_would_fill_the_disk_is_refused_before_it_is_read(alice, monkeypatch):
    left = blob_store.RESERVE_BYTES + 100
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=left))
    read = []
    stream = SimpleNamespace(read=lambda size: read.append(size) or b"")
    with pytest.raises(Unavailable, match="too little"):
        receive(alice, sha256("large"), 101, 0, stream)
    assert read == []
    receive(alice, sha256("small"), 100, 0, stream)


def test_files_of_forms_that_a_killed_hub_left_are_removed(alice):
    make_home(home())
    left, fresh, work = home() / "scratch" / "a.upload", home() / "scratch" / "b.upload", home() / "scratch" / "c"
    for path in (left, fresh):
        path.write_bytes(b"x")
    work.mkdir()
    os.utime(left, (time.time() - 4000,) * 2)
    os.utime(work, (time.time() - 4000,) * 2)
    clean()
    assert not left.exists()
    assert fresh.exists()
    assert work.exists()


def test_the_hubs_folder_is_for_one_user_alone(tmp_path):
    (tmp_path / "hub").mkdir(mode=0o755)
    make_home(tmp_path / "hub")
    assert (tmp_path / "hub").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "hub" / "secret").stat().st_mode & 0o777 == 0o600


def test_cancelling_and_trying_again_is_no_way_to_any_number_of_jobs(alice, monkeypatch):
    monkeypatch.setattr("rilaas.hub.actions.job.MAX_OPEN", 2)
    first = queue_job(alice, "trial", "one", {})
    cancel_job(alice, first.pk)
    for title in ("two", "three"):
        queue_job(alice, "trial", title, {})
    with pytest.raises(RateLimited):
        retry_job(alice, first.pk)
    assert Job.objects.get(pk=first.pk).state == "cancelled"


def test_what_one_person_tried_is_in_no_answer_for_another(alice, charlie, tmp_path, monkeypatch):
    make_python(alice, tmp_path / "model", GOSSIP)
    set_visibility(alice, "model", "alice", "iterative", "public")

    def tried(person, value):
        (tmp_path / "x.npz").write_bytes(npz(x=np.full((1, 3), value, np.float32)))
        run = start_trial(person, ("alice", "iterative"), "", [("x.npz", tmp_path / "x.npz")])
        worker.do_all()
        return float(read_outputs(run_folder(run.pk), 0)["y"].flat[0])

    with worker_here(monkeypatch) as worker:
        assert tried(charlie, 42.0) == 0.0
        assert tried(alice, 1.0) == 0.0, "the model's owner does not see what a stranger sent"
        assert tried(charlie, 43.0) == 42.0, "the replica stays warm for each"
