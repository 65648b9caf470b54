"""Datasets to upload, and a worker without a process of its own: it does what is queued in the test's thread."""

import io
from contextlib import contextmanager

import numpy as np
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from rilaas.hub.actions.dataset import DatasetPush
from rilaas.hub.actions.dataset_upload import upload_dataset
from rilaas.hub.actions.job_attempt import beat, cancel_is_wanted
from rilaas.hub.worker import lane
from rilaas.hub.worker.kind import kinds
from rilaas.hub.worker.replica import WARM
from tests.hub.model_folder import push_folder
from tests.model_folders import write_affine_model, write_python_model


def npz(**arrays):
    """The bytes of an .npz; ``expected__y`` stands for ``expected/y``."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name.replace("__", "/"): array for name, array in arrays.items()})
    return buffer.getvalue()


def rows(count=4, *, off=0.0):
    """Samples for the affine model y = 2 x + 1; what is expected is off by ``off`` times the sample's number."""
    x = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    wrong = off * np.arange(count, dtype=np.float32)[:, None]
    return npz(x=x, expected__y=2 * x + 1 + wrong)


def png(width=32, height=24, value=90):
    """A picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (value, 40, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def sent(data, name="rows.npz"):
    """A file of a form."""
    return SimpleUploadedFile(name, data)


def make_dataset(person, tmp_path, data, name="rows", owner=""):
    """Upload a dataset as a form does."""
    path = tmp_path / "sent.npz"
    path.write_bytes(data)
    return upload_dataset(person, [("sent.npz", path)], DatasetPush(owner or person.username, name))


def make_affine(person, path, **said):
    """Push the model y = 2 x + 1."""
    return push_folder(person, write_affine_model(path, **said))


def make_python(person, path, source, **said):
    """Push a model that is only Python."""
    return push_folder(person, write_python_model(path, source, **said))


class Worker:
    """Does queued jobs in this thread; ``between`` is called whenever a heart would beat."""

    def __init__(self):
        self.between = lambda work: None

    def do_all(self):
        """Do what is queued; returns how many jobs that was."""
        each = lane.Lane(kinds(), "test")
        count = 0
        while each.take_one():
            count += 1
        return count

    @contextmanager
    def beating(self, work):
        """Progress is written at each step, so a test sees what a page would."""
        step = work.step

        def step_and_beat(done, total=None):
            step(done, total)
            if not beat(work.job_id, work.attempt, work.done, work.total, work.log):
                work.stop("lost")
            if cancel_is_wanted(work.job_id, work.attempt):
                work.stop("cancelled")
            self.between(work)

        work.step = step_and_beat
        try:
            yield
        finally:
            beat(work.job_id, work.attempt, work.done, work.total, work.log)


@contextmanager
def worker_here(monkeypatch):
    """A ``Worker`` in place of the process."""
    worker = Worker()
    monkeypatch.setattr(lane, "beating", worker.beating)
    try:
        yield worker
    finally:
        WARM.close()
