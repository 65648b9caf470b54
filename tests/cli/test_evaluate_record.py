"""Recordings from the command line: files, pages, links, and the way to the hub."""

import pytest

from rilaas.report.playback import read_recording
from tests.hub_process import HubProcess


def test_the_worst_episodes_are_recorded_with_pages_and_linked(call, model, suite, tmp_path):
    given = ("--record", tmp_path / "drives", "--record-episodes", "worst:1", "--record-hz", "5")
    done = call("evaluate", model, "--suite", suite, *given, "--report", tmp_path / "r.html")
    assert done.code == 0, done.err
    (kept,) = (tmp_path / "drives").glob("*.rilaas.npz")
    made = read_recording(kept.read_bytes())
    assert len(made.film) == 5  # one second
    assert made.about.policy.startswith("straight (")
    assert made.about.latency == "measured"
    page = kept.name.replace(".rilaas.npz", ".html")
    assert "wrote 1 recording to" in done.err
    assert f"look at the worst: {tmp_path / 'drives' / page}" in done.err
    assert f'href="drives/{page}"' in (tmp_path / "r.html").read_text()
    assert 'href="../r.html"' in (tmp_path / "drives" / page).read_text()


def test_several_workers_record_the_same_drives(call, model, suite, tmp_path):
    common = ("evaluate", model, "--suite", suite, "--latency", "none", "--record-episodes", "all", "--record")
    assert call(*common, tmp_path / "one").code == 0
    assert call(*common, tmp_path / "two", "--workers", 2).code == 0
    names = sorted(path.name for path in (tmp_path / "one").glob("*.npz"))
    assert names == sorted(path.name for path in (tmp_path / "two").glob("*.npz"))
    assert len(names) == 2
    for name in names:
        one, two = (read_recording((tmp_path / folder / name).read_bytes()) for folder in ("one", "two"))
        assert one.film == two.film
        assert one.about.policy == two.about.policy
        assert (one.poses == two.poses).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--record", "drives", "--record-episodes", "best:3"), "worst:COUNT"),
        (("--record", "drives", "--format", "mp4"), "mcap"),
        (("--format", "mcap"), "Add --record FOLDER"),
        (("--record", "model-file"), "model-file"),
    ],
)
def test_what_cannot_be_recorded_is_told_before_anything_is_driven(call, model, suite, tmp_path, given, words):
    (tmp_path / "model-file").write_text("")
    done = call("evaluate", model, "--suite", suite, *given)
    assert done.code == 2
    assert words in done.error
    assert "1/2" not in done.err


def test_recordings_go_to_the_hub_with_their_report(call, model, suite, tmp_path, monkeypatch):
    monkeypatch.setenv("RILAAS_HOME", str(tmp_path / "home"))
    with HubProcess(tmp_path / "home") as hub:
        there = ("--hub", hub.url)
        assert call("push", model, *there).code == 0
        done = call("evaluate", model, "--suite", suite, "--keep", "straight:1", *there, "--record", tmp_path / "d")
        assert done.code == 0, done.err
        assert f"its recording: {hub.url}/evaluations/1/episodes/0" in done.err
        with hub.connect() as connection:
            drive = connection.get("/api/v1/evaluations/1/episodes/0/recording.json")
            rows = connection.get("/api/v1/evaluations/1")["episodes"]
        assert drive["title"] == "oval, seed 1"
        assert len(drive["film"]["jpeg"]) == 10
        assert all(row["is_recorded"] for row in rows)
