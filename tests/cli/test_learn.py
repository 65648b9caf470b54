"""Training from the command line."""

import json
import signal
import time

import pytest

from rilaas.balance.learned_file import read_learned
from rilaas.cli.verb import VERBS
from rilaas.learn.balancing.registry import TRAINERS

SUITE = """
cluster = "lab.toml"
train = ["low.toml", "high.toml"]
test = ["high.toml"]
"""
CLUSTER = """
models = ["detector"]
[[servers]]
name = "near"
kind = "edge"
slots = 2
service = 0.1
network = 0.02
[[servers]]
name = "far"
kind = "cloud"
slots = 2
service = 0.1
network = 0.5
"""
LOAD = """
kind = "poisson"
models = ["detector"]
duration_s = 20
rate_per_s = {}
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "lab.toml").write_text(CLUSTER)
    (tmp_path / "low.toml").write_text(LOAD.format(2))
    (tmp_path / "high.toml").write_text(LOAD.format(8))
    return tmp_path / "suite.toml"


def learn(call, *more, steps=2000):
    return call("learn", "balancer", "--policy", "q_learning", "--steps", steps, "--test-seeds", 3, *more)


def test_a_policy_is_trained_tested_written_and_told(call, suite, tmp_path):
    done = learn(call, "--suite", suite, "--out", "q.npz", "--report", "q.html", "--json", "q.json")
    assert done.code == 0
    assert done.out.startswith("balancer training: measured")
    assert "on held-out seeds" in done.err
    assert "wrote q.npz" in done.err
    report = json.loads((tmp_path / "q.json").read_text())
    assert set(report["metrics"]) >= {"latency_s", "difference_share"}
    page = (tmp_path / "q.html").read_text()
    assert page.count("<figure>") == 3
    assert "Map of decisions" in page


def test_the_file_holds_what_was_measured_and_the_same_seed_gives_the_same_arrays(call, suite, tmp_path):
    for name in ("one.npz", "two.npz"):
        assert learn(call, "--suite", suite, "--seed", 4, "--out", name, "-q").code == 0
    (one, card), (two, _) = (read_learned(tmp_path / name, "q_learning") for name in ("one.npz", "two.npz"))
    assert {name: array.tobytes() for name, array in one.items()} == {n: a.tobytes() for n, a in two.items()}
    assert card["seed"] == 4
    assert card["validation"]["reference"] == "least_connections"
    assert card["validation"]["seeds"] == [1, 2, 3]
    assert card["validation"]["loads"]["high"]["difference_share"] < 0


def test_where_no_file_is_named_it_is_called_after_policy_and_suite(call, suite, tmp_path):
    done = learn(call, "--suite", suite, steps=200)
    assert (tmp_path / "q_learning-suite.npz").is_file()
    assert "wrote q_learning-suite.npz" in done.err


def test_the_next_command_of_a_preset_compares_the_policy_there(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = learn(call, "--suite", "rilaas-2-6", "--out", "q.npz", steps=200)
    last = done.err.strip().splitlines()[-1]
    assert last == ("next: rilaas balance compare --servers rilaas-2-6 --policies least_connections,q_learning=q.npz")


def test_quiet_is_quiet_and_json_alone_is_on_standard_output(call, suite):
    done = learn(call, "--suite", suite, "--json", "-", "-q", steps=200)
    assert done.err == ""
    assert json.loads(done.out)["kind"] == "balancer training"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policy", "q_lerning"), "Did you mean 'q_learning'?"),
        (("--policy", "least_connections"), "There is no training of a policy 'least_connections'"),
        (("--suite", "rilaas-4"), "There is no suite 'rilaas-4'"),
        (("--suite", "none.toml"), "none.toml"),
        (("--steps", "0"), "0 is not in the range"),
        (("--minutes", "0"), "0.0 is not in the range"),
        (("--out", "."), "is a folder"),
    ],
)
def test_what_cannot_be_is_told_before_any_training(call, suite, arguments, words):
    done = call("learn", "balancer", "--policy", "q_learning", *arguments)
    assert done.code != 0
    assert words in " ".join(done.error.split())
    assert "on held-out seeds" not in done.err


def test_a_suite_that_trains_nothing_is_refused(call, suite):
    suite.write_text(SUITE.replace('train = ["low.toml", "high.toml"]', ""))
    done = learn(call, "--suite", suite)
    assert done.code == 2
    assert "no loads to train on" in done.error


def test_ctrl_c_writes_and_reports_the_best_until_then(start, suite, tmp_path):
    out = tmp_path / "q.npz"
    process = start("learn", "balancer", "--policy", "q_learning", "--suite", suite, "--steps", 400_000, "--out", out)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "on held-out seeds" in line:
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out_text, err = process.communicate(timeout=120)
    assert process.returncode == 130, (lines, err)
    assert "Traceback" not in err
    assert "interrupted: the best until then" in out_text
    arrays, card = read_learned(out, "q_learning")
    assert arrays
    assert card["steps"] < 400_000


def test_help_names_every_policy_that_can_be_trained(call):
    told = call("learn", "balancer", "--help").out
    assert all(name in told for name in TRAINERS)
    assert "learn" in VERBS
