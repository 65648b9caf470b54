"""What a new user does first: one command, and a robot is driven through the whole chain."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.processes import processes_of

SUITE = """
name = "short"
description = "One short episode on each of two maps."
[world]
duration_s = 4.0
[[scenarios]]
map = "oval"
seeds = [7]
[[scenarios]]
map = "held_out_heart"
seeds = [8]
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "short.toml").write_text(SUITE)
    return tmp_path / "short.toml"


def demo(folder, *arguments):
    command = [
        sys.executable,
        "-m",
        "rilaas.cli",
        "up",
        "--demo",
        "--home",
        str(folder / "out"),
        *map(str, arguments),
    ]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_demo_drives_reports_and_leaves_nothing_behind(tmp_path, suite):
    run = demo(tmp_path, "--suite", suite, "--json", tmp_path / "demo.json")
    text, talk = run.communicate(timeout=120)
    assert run.returncode == 0, talk
    assert "its distance emulated: 40 ms added" in talk
    assert "2/2" in talk
    for word in (
        "driven_lane_m",
        "lane_time_share",
        "driving_score",
        "round_trip_s",
        "edge-1",
        "cloud-1",
        "p95",
    ):
        assert word in text
    report = json.loads((tmp_path / "demo.json").read_text())
    assert (report["kind"], report["verdict"]) == ("demo", "measured")
    for name, metric in report["metrics"].items():
        assert {"unit", "mean", "low", "high", "n"} <= set(metric), name
    servers = report["metrics"]["round_trip_s"]["servers"]
    assert set(servers) == {"edge-1", "cloud-1"}
    assert servers["cloud-1"]["p50"] > 0.04
    assert [episode["seed"] for episode in report["episodes"]] == [7, 8]
    for episode in report["episodes"]:
        assert episode["status"] == "completed"
        assert episode["metrics"]["lane_time_share"] > 0.9
    assert {"version", "commit", "seeds", "machine", "command"} <= set(report["provenance"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<html" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert processes_of(tmp_path) == {}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_ends_its_servers_and_shows_no_traceback(tmp_path, suite, how):
    run = demo(tmp_path, "--suite", "lf")
    while "robot " not in (line := run.stderr.readline()):
        assert line, "the demo ended early"
    time.sleep(0.5)
    run.send_signal(how)
    text, talk = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted" in talk
    assert "Traceback" not in talk + text
    assert processes_of(tmp_path) == {}


def test_a_demo_that_is_ended_after_an_episode_reports_it_and_ends_with_130(tmp_path, suite):
    suite.write_text(suite.read_text().replace("seeds = [8]", f"seeds = {list(range(8, 100))}"))
    run = demo(tmp_path, "--suite", suite, "--json", tmp_path / "demo.json")
    while "  1/93" not in (line := run.stderr.readline()):
        assert line, "the demo ended early"
    run.send_signal(signal.SIGTERM)
    _, talk = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in talk
    driven = len(json.loads((tmp_path / "demo.json").read_text())["episodes"])
    assert 1 <= driven < 93
    assert (tmp_path / "out" / "report.html").exists()
    assert processes_of(tmp_path) == {}
