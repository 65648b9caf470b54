"""Real processes: a worker and a hub that are killed while they drive; an evaluation that is cancelled."""

import hashlib
import os
import signal

import pytest

from tests.hub.drive_parts import SUITE
from tests.hub.model_folder import archive_of
from tests.hub.seeing_model import write_seeing_model
from tests.hub.test_killed_worker import is_at, is_over, job_of, seen, workers
from tests.hub_process import HubProcess

pytest.importorskip("cv2")
MINUTES = SUITE.replace("1.0", "20.0")  # driven in seconds


@pytest.fixture
def hub(tmp_path):
    with HubProcess(tmp_path / "home") as hub:
        yield hub


def push(hub, tmp_path):
    """A model that drives somehow."""
    archive = archive_of(write_seeing_model(tmp_path / "seeing"))
    sha256 = hashlib.sha256(archive).hexdigest()
    with hub.connect() as connection:
        connection.put(f"/api/v1/uploads/{sha256}", archive, size_bytes=len(archive), offset=0)
        connection.post(
            "/api/v1/models/local/seeing/versions", {"sha256": sha256, "size_bytes": len(archive), "filename": "s.gz"}
        )


def start(hub, tmp_path, suite=MINUTES):
    """An evaluation of such a model; its number and its job's."""
    push(hub, tmp_path)
    with hub.connect() as connection:
        started = connection.post("/api/v1/models/local/seeing/versions/1/evaluations", {"suite_toml": suite})
    return started["id"], started["job"]


def test_an_evaluation_survives_kill_9_of_the_worker_and_of_the_hub_and_drives_nothing_twice(hub, tmp_path):
    evaluation, job = start(hub, tmp_path)
    seen(lambda: job_of(hub, job), is_at(21))
    (worker,) = workers(hub)
    os.kill(worker, signal.SIGKILL)
    first = {path.name: path.read_bytes() for path in (hub.home / "hub/evaluations").rglob("*.pickle")}
    seen(lambda: job_of(hub, job), lambda row: row["attempt"] == 2 and "Driven before" in row["log"])
    hub.kill()
    hub.start()
    done = seen(lambda: job_of(hub, job), is_over)
    assert done["state"] == "done", done
    assert len(first) >= 1
    assert done["log"].count("Episode 0, oval, seed 1: ") <= 1  # what the killed one said last may be lost
    with hub.connect() as connection:
        shown = connection.get(f"/api/v1/evaluations/{evaluation}")
    assert [row["index"] for row in sorted(shown["episodes"], key=lambda row: row["index"])] == [0, 1, 2]


def test_a_cancelled_evaluation_ends_at_once_with_what_was_driven(hub, tmp_path):
    evaluation, job = start(hub, tmp_path, MINUTES.replace("[1, 2]", str(list(range(1, 100)))))
    seen(lambda: job_of(hub, job), is_at(21))  # one episode of 100: on a busy machine, too, there is much left
    with hub.connect() as connection:
        connection.post(f"/api/v1/jobs/{job}/cancel", {})
        assert seen(lambda: job_of(hub, job), is_over, 30.0)["state"] == "cancelled"
        shown = connection.get(f"/api/v1/evaluations/{evaluation}")
    assert (shown["state"], shown["verdict"]) == ("cancelled", "measured")
    assert 1 <= shown["count"] < 100
