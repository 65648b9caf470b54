"""Judging a policy from the command line."""

import json
import subprocess
import sys

import pytest

from rilaas.evaluate.driving import read_suite
from rilaas.evaluate.driving.scenario.turns import with_episodes
from tests.hub_process import HubProcess


def test_a_suite_is_driven_told_and_passed(call, model, suite, tmp_path):
    done = call("evaluate", model, "--suite", suite, "--report", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert done.code == 0
    assert done.out.startswith("evaluation: passed")
    assert "2/2" in done.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["verdict"] == "passed"
    assert [episode["seed"] for episode in report["episodes"]] == [1, 2]
    assert report["provenance"]["command"]
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_a_threshold_that_is_not_reached_has_its_own_exit_code(call, model, suite):
    suite.write_text(suite.read_text().replace("at_least = 0.5", "at_least = 5.0"))
    done = call("evaluate", model, "--suite", suite, "-q")
    assert done.code == 20
    assert done.out.startswith("evaluation: failed")
    assert done.err == ""


def test_several_workers_drive_the_same(call, model, suite):
    common = ("evaluate", model, "--suite", suite, "--latency", "none", "--json", "-")
    one, two = json.loads(call(*common).out), json.loads(call(*common, "--workers", 2).out)
    named = one["summary"].partition(" in this process:")[0]
    assert two["summary"].startswith(f"{named} in 2 processes:")
    assert one["episodes"] == two["episodes"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_whose_code_fails_on_the_way_is_reported_with_file_and_line(start, model, suite, workers):
    (model / "hooks.py").write_text((model / "hooks.py").read_text().replace("wheels = np", "wheels = nonsense"))
    process = start("evaluate", model, "--suite", suite, "--workers", workers, "-q")
    out, err = process.communicate(timeout=120)
    assert err == ""
    assert "name 'nonsense' is not defined. It was in hooks.py, line 10." in " ".join(out.split())


def test_a_model_that_cannot_be_loaded_in_a_worker_is_told_with_file_and_line(start, model, suite):
    (model / "hooks.py").write_text("1 / 0\n" + (model / "hooks.py").read_text())
    process = start("evaluate", model, "--suite", suite, "--workers", 2, "-q")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 9
    assert "Traceback" not in err
    assert "hint: See hooks.py, line 1;" in err


def test_n_episodes_take_the_worlds_in_turn_and_then_further_seeds():
    suite = read_suite("lf")
    few = with_episodes(suite, 3)
    assert len({scenario.map for scenario in few.scenarios}) == 3
    every = with_episodes(suite, len(suite.scenarios) * 3)
    assert len({(scenario.map, scenario.seed) for scenario in every.scenarios}) == len(suite.scenarios) * 3
    assert set(with_episodes(suite, len(suite.scenarios) * 3).scenarios) > set(suite.scenarios)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (["--suite", "lf2"], 3, ["Did you mean 'lf'?"]),
        (["--suite", "gone.toml"], 3, ["gone.toml"]),
        (["--latency", "fxed:0.1"], 2, ["not a latency"]),
        (["--latency", "fixed:soon"], 2, ["fixed:0.08"]),
        (["--latency", "fixed:-1"], 2, ["latency"]),
        (["--target", "127.0.0.1:1"], 2, ["straight"]),
        (["--workers", "2", "--target", "127.0.0.1:1"], 2, ["worker"]),
        (["--threads", "0"], 2, ["threads from flag"]),
        (["--deadline", "-1"], 2, ["deadline_s from flag"]),
    ],
)
def test_wrong_flags_are_answered_with_what_is_valid(call, model, suite, change, code, words):
    base = [] if "--suite" in change else ["--suite", suite]
    done = call("evaluate", model, *base, *change)
    assert done.code == code
    assert all(word in done.error for word in words), done.err


def test_a_policy_that_does_not_drive_is_refused_with_both_signatures(call, make_model, tmp_path, suite):
    folder = make_model(tmp_path / "other", "other")
    text = (folder / "model.toml").read_text().replace("[inputs.image]", "[inputs.picture]")
    (folder / "model.toml").write_text(text)
    done = call("evaluate", folder, "--suite", suite)
    assert done.code == 2
    assert "picture" in done.error
    assert "image" in done.err


@pytest.mark.parametrize("package", ["cv2", "yaml"])
def test_a_missing_extra_is_named_with_how_to_install_it(model, package):
    code = f"import sys; sys.modules[{package!r}] = None; from rilaas.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "evaluate", str(model)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 10
    assert "pip install" in done.stderr
    assert "evaluate]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_is_kept_at_a_hub_with_its_model(call, model, suite, tmp_path, monkeypatch):
    monkeypatch.setenv("RILAAS_HOME", str(tmp_path / "home"))
    with HubProcess(tmp_path / "home") as hub:
        there = ("--hub", hub.url)
        assert call("push", model, *there).code == 0
        done = call("evaluate", model, "--suite", suite, "--keep", "straight:1", *there)
        assert done.code == 0, done.err
        assert f"kept: {hub.url}/evaluations/1" in done.err
        with hub.connect() as connection:
            (row,) = connection.get("/api/v1/evaluations", model="local/straight")["rows"]
        assert row["revision"] == "1"
        done = call("evaluate", model, "--suite", suite, "--keep", "somebody/else", *there)
        assert done.code == 3
        assert "somebody/else" in done.error
