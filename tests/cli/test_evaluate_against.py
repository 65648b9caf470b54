"""Comparing policies and latencies from the command line."""

import json
import re
import signal

import pytest

EIGHT = """
name = "eight"
[world]
duration_s = 3.0
[[scenarios]]
map = "oval"
seeds = [1, 2, 3, 4]
[[scenarios]]
map = "s_bends"
seeds = [1, 2, 3, 4]
"""


@pytest.fixture
def eight(tmp_path):
    path = tmp_path / "eight.toml"
    path.write_text(EIGHT)
    return path


@pytest.fixture
def still(tmp_path, make_model):
    """A model folder that stays where it is."""
    return make_model(tmp_path / "still", "still", 0.0, 0.0)


def table(report, title):
    return next(table for table in report["tables"] if table["title"].startswith(title))


def test_a_policy_is_compared_with_another_on_the_same_seeds_and_ranked(call, model, still, eight, tmp_path):
    page = tmp_path / "r.html"
    done = call("evaluate", model, "--suite", eight, "--latency", "none", "--against", still, "--report", page)
    assert done.code == 0, done.err
    assert "is better than still" in " ".join(done.out.split())
    assert "Ranking by driving_score" in done.out
    assert "Ranking: AI-DO 2020" in done.out
    assert "all other metrics" not in done.out
    assert "all other metrics" in page.read_text()


def test_a_kept_report_stands_for_its_policy_and_a_policy_equals_itself(call, model, eight, tmp_path):
    kept = tmp_path / "kept.json"
    common = ("evaluate", model, "--suite", eight, "--latency", "none", "-q")
    assert call(*common, "--json", kept).code == 0
    done = call(*common, "--against", kept, "--against", model, "--json", "-")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    verdicts = {row[-1] for row in table(report, "Against")["rows"]}
    assert verdicts == {"no measurable difference"}
    assert [row[0] for row in table(report, "Ranking: AI-DO 2020")["rows"]] == [1, 1, 1]


def test_a_report_of_another_suite_is_refused_before_anything_is_driven(call, model, eight, tmp_path):
    kept = tmp_path / "kept.json"
    assert call("evaluate", model, "--suite", eight, "--episodes", 2, "-q", "--json", kept).code == 0
    done = call("evaluate", model, "--suite", eight, "--against", kept)
    assert done.code == 2
    assert "of eight with 2 episodes, not of eight as it is here with 8" in done.error
    assert "drives" not in done.err


def test_a_report_from_another_simulator_is_refused_before_anything_is_driven(call, model, eight, tmp_path):
    kept = tmp_path / "kept.json"
    assert call("evaluate", model, "--suite", eight, "-q", "--json", kept).code == 0
    kept.write_text(kept.read_text().replace('"tile-world"', '"gym-duckietown"'))
    done = call("evaluate", model, "--suite", eight, "--against", kept)
    assert done.code == 2
    assert "was driven in gym-duckietown, not in tile-world" in done.error
    assert "drives" not in done.err


def test_ctrl_c_while_the_second_drives_is_said_with_how_far_it_came(start, model, still, eight):
    process = start("evaluate", still, "--suite", eight, "--episodes", 60, "--against", model)
    for awaited in (" drives ", " drives ", "  2/60"):
        while awaited not in (line := process.stderr.readline()):
            assert line, "it ended early"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"Interrupted: .* drove [0-9]+ of 60 episodes", " ".join(out.split()))


def test_two_policies_drive_until_it_is_decided(call, model, still, eight):
    done = call(
        "evaluate", model, "--suite", eight, "--latency", "none", "--against", still, "--until-decided",
        "--metric", "survival_share", "--episodes", 3, "--json", "-",
    )  # fmt: skip
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert len(report["episodes"]) == 3
    assert report["summary"].startswith("Not decided after 3 pairs")
    rows = dict(table(report, "Until decided")["rows"])
    assert rows["pairs"] == 3
    assert rows["difference"].startswith("0 %")
    assert rows["difference"].endswith("n=3")


def test_a_suite_is_swept_over_latencies(call, model, eight, tmp_path):
    done = call("evaluate", model, "--suite", eight, "--sweep", "0,0.5", "--json", tmp_path / "r.json")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["kind"] == "latency sweep"
    assert [row[0] for row in table(report, "Score against latency")["rows"]] == [0.0, 0.5]
    assert len(report["episodes"]) == 16


def test_latencies_are_drawn_from_a_kept_report(call, model, eight, tmp_path):
    kept = tmp_path / "kept.json"
    common = ("evaluate", model, "--suite", eight, "--episodes", 1, "-q")
    assert call(*common, "--json", kept).code == 0
    done = call(*common, "--latency", f"drawn:{kept}")
    assert done.code == 0, done.err
    assert "drawn from 60 samples" in done.out


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--until-decided"], 2, "Add --against"),
        (["--metric", "driving_score"], 2, "Add --against"),
        (["--sweep", "0,0.1", "--against", "x"], 2, "do not go together"),
        (["--sweep", "0,0.1", "--latency", "none"], 2, "Give one of them"),
        (["--sweep", "0"], 2, "at least two"),
        (["--sweep", "0,soon"], 2, "commas"),
        (["--against", "gone.json"], 3, "no report gone.json"),
        (["--against", "gone"], 3, "gone"),
        (["--against", "kept.json", "--until-decided"], 2, "cannot drive on"),
        (["--sweep", "0,0.1", "--keep", "a/b", "--hub", "http://127.0.0.1:9"], 2, "no evaluation of a model"),
        (["--sweep", "0,0.1", "--record", "there"], 2, "one run"),
        (["--latency", "drawn:gone.json"], 3, "gone.json"),
    ],
)
def test_flags_that_make_no_sense_are_answered_with_what_would(call, model, eight, flags, code, words):
    done = call("evaluate", model, "--suite", eight, *flags)
    assert done.code == code
    assert words in done.error
    assert "drives" not in done.err


def test_an_unknown_metric_is_told_before_anything_is_driven(call, model, still, eight):
    done = call("evaluate", model, "--suite", eight, "--against", still, "--metric", "driving_scor")
    assert done.code == 3
    assert "Did you mean 'driving_score'" in done.error
    assert "drives" not in done.err
