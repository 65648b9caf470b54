"""Real processes: a worker that is killed, a hub that is killed, a model that is cancelled while it thinks."""

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.hub.model_folder import archive_of
from tests.hub.run_parts import npz
from tests.hub_process import HubProcess
from tests.model_folders import write_python_model
from tests.processes import processes_of

SLOW = """
import time

class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        time.sleep({seconds})
        return {{"y": inputs["x"] * 2}}
"""


@pytest.fixture
def hub(tmp_path):
    with HubProcess(tmp_path / "home") as hub:
        yield hub


def seen(what, until, patience_s=60.0):
    """Ask again until it is so."""
    end = time.monotonic() + patience_s
    while not until(value := what()):
        assert time.monotonic() < end, value
        time.sleep(0.02)
    return value


def workers(hub):
    """Processes of this hub's worker."""
    parent = str(hub.process.pid)
    found = subprocess.run(["pgrep", "-P", parent, "-f", "rilaas.hub.worker"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def prepare(hub, tmp_path, seconds, samples):
    """A slow model, a dataset, and a run of one over the other; the run's and the job's number."""
    archive = archive_of(write_python_model(tmp_path / "slow", SLOW.format(seconds=seconds), name="slow"))
    data = npz(x=np.arange(3 * samples, dtype=np.float32).reshape(samples, 3))
    with hub.connect() as connection:
        for blob, address in (
            (archive, "models/local/slow/versions"),
            (data, "datasets/local/d/versions/from-upload"),
        ):
            sha256 = hashlib.sha256(blob).hexdigest()
            connection.put(f"/api/v1/uploads/{sha256}", blob, size_bytes=len(blob), offset=0)
            connection.post(f"/api/v1/{address}", {"sha256": sha256, "size_bytes": len(blob), "filename": "d.npz"})
        started = connection.post("/api/v1/runs", {"model": "local/slow", "dataset": "local/d"})
    return started["id"], started["job"]


def job_of(hub, number):
    with hub.connect() as connection:
        return connection.get(f"/api/v1/jobs/{number}")


def is_at(done):
    return lambda job: job["state"] == "running" and job["progress"]["done"] >= done


def is_over(job):
    return not job["is_open"]


def lines_of(hub, run):
    path = hub.home / "hub" / "runs" / str(run) / "samples.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


def test_a_run_survives_kill_9_of_the_worker_and_of_the_hub_and_repeats_nothing(hub, tmp_path):
    run, job = prepare(hub, tmp_path, 0.1, 40)
    seen(lambda: job_of(hub, job), is_at(3))
    (worker,) = workers(hub)
    os.kill(worker, signal.SIGKILL)
    after_first = lines_of(hub, run)
    seen(lambda: job_of(hub, job), is_at(len(after_first) + 3))
    hub.kill()
    after_second = lines_of(hub, run)
    hub.start()
    done = seen(lambda: job_of(hub, job), is_over)
    assert done["state"] == "done", done
    lines = lines_of(hub, run)
    assert len(lines) == 40
    assert lines[: len(after_first)] == after_first
    whole = [line for line in after_second if line in lines]
    assert len(whole) >= len(after_second) - 1  # the last one may have been cut off
    with hub.connect() as connection:
        shown = connection.get(f"/api/v1/runs/{run}")
    assert (shown["summary"]["samples"], shown["summary"]["failed"]) == (40, 0)
    assert done["attempt"] >= 2  # the hub may have been killed after the last sample


def test_a_model_that_thinks_for_a_minute_is_cancelled_at_once_and_leaves_no_process(hub, tmp_path):
    run, job = prepare(hub, tmp_path, "30 if inputs['x'].any() else 0", 2)
    seen(lambda: job_of(hub, job), lambda row: "It answers" in row["log"])
    with hub.connect() as connection:
        connection.post(f"/api/v1/jobs/{job}/cancel", {})
    cancelled = seen(lambda: job_of(hub, job), is_over, 20.0)
    assert cancelled["state"] == "cancelled"
    seen(lambda: processes_of(hub.home / "hub" / "unpacked"), lambda found: not found)
    assert lines_of(hub, run) == []


def test_a_model_that_loads_for_long_is_cancelled_at_once(hub, tmp_path):
    _, job = prepare(hub, tmp_path, 30, 1)  # it is warmed up while it is loaded
    seen(lambda: job_of(hub, job), lambda row: "Starting" in row["log"])
    with hub.connect() as connection:
        connection.post(f"/api/v1/jobs/{job}/cancel", {})
    assert seen(lambda: job_of(hub, job), is_over, 20.0)["state"] == "cancelled"


def test_a_hub_that_ends_takes_its_worker_with_it_and_another_goes_on(hub, tmp_path):
    _, job = prepare(hub, tmp_path, 0.1, 20)
    seen(lambda: job_of(hub, job), is_at(3))
    (worker,) = workers(hub)
    hub.stop()
    seen(lambda: Path(f"/proc/{worker}").exists(), lambda there: not there)
    hub.start()
    done = seen(lambda: job_of(hub, job), is_over)
    assert (done["state"], done["attempt"]) == ("done", 2)


def test_a_worker_that_dies_is_started_again(hub):
    (first,) = seen(lambda: workers(hub), bool)
    os.kill(first, signal.SIGKILL)
    seen(lambda: workers(hub), lambda found: found and first not in found)
