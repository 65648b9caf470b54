"""Comparing balancing policies from the command line."""

import json
import re
import signal
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rilaas.balance import BALANCERS

SHORT = ("--profile", "uniform-2", "--policies", "least_connections,c3,random", "--seeds", "2", "--workers", "1")


def test_policies_are_compared_and_the_last_line_is_the_next_command(call):
    called = call("balance", "compare", *SHORT)
    assert called.code == 0
    assert "3 policies on 1 load of rilaas-4-8, 2 seeds" in called.out
    lines = [line for line in called.out.splitlines() if line.startswith(("least_connections ", "uniform-2 "))]
    assert "reference" in lines[0]
    assert " %" in lines[1]
    assert called.err.splitlines()[-1].startswith("next: rilaas balance compare --servers rilaas-4-8")
    assert "6/6 runs" in called.err


def test_the_report_has_a_figure_per_load_and_json_every_number(call, tmp_path):
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    called = call("balance", "compare", *SHORT, "-q", "--report", page, "--json", numbers)
    assert called.code == 0
    assert called.err == ""
    assert "Load uniform-2" in page.read_text()
    report = json.loads(numbers.read_text())
    every = next(t for t in report["tables"] if t["title"] == "Every load, policy and model")
    assert len(every["rows"]) == 3 * 3


def test_json_on_standard_output_is_nothing_else(call):
    called = call("balance", "compare", *SHORT, "--json", "-", "-q")
    assert json.loads(called.out)["kind"] == "balancing"


def test_the_same_command_gives_the_same_table(call):
    def table():
        out = call("balance", "compare", *SHORT).out
        return [line.split("  ")[:3] for line in out.splitlines() if line.startswith(("c3 ", "uniform-2 "))]

    assert table() == table()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policies", "prequel"), "Did you mean 'prequal'"),
        (("--policies", "c3", "--reference", "random"), "The reference 'random' is not among the policies"),
        (
            ("--policies", "c3", "--reference", "c3", "--focus", "random"),
            "The focus 'random' is not among the policies",
        ),
        (("--report-interval", "nan"), "--report-interval"),
        (("--ledger-delay", "inf"), "--ledger-delay"),
        (("--policies", "c3,c3"), "named twice"),
        (("--servers", "rilaas-0-8"), "rilaas-0-8"),
        (("--servers", "nothing.toml"), "nothing.toml"),
        (("--profile", "uniform-x"), "uniform-x"),
        (("--profile", "uniform-2", "--profile", "uniform-2"), "name of its own"),
        (("--seeds", "0"), "--seeds"),
        (("--interceptors", "0"), "--interceptors"),
    ],
)
def test_what_cannot_be_compared_is_told_without_a_traceback(call, arguments, words):
    called = call("balance", "compare", *arguments)
    assert called.code not in (0, 1)
    assert words in called.error


@pytest.mark.parametrize("rate", ["-1.0", "nan", '"many"'])
def test_a_profile_with_an_impossible_rate_is_told_with_its_file(call, tmp_path, rate):
    path = tmp_path / "monday.toml"
    path.write_text(f'name = "monday"\nkind = "uniform"\nrate_per_s = {rate}\n')
    called = call("balance", "compare", "--profile", path, "--policies", "c3")
    assert called.code not in (0, 1)
    assert "monday" in called.error


def test_every_policy_is_listed_with_what_it_does_and_where_it_is_from(call):
    called = call("balance", "policies")
    assert called.code == 0
    assert "least_connections\n    Least connections: the server with the fewest requests in flight." in called.out
    assert "Source: nginx" in called.out
    told = re.findall(r"^(\w+)\n    (.+)", called.out, re.MULTILINE)
    assert len({what for _, what in told}) == len(told) == len(BALANCERS), "two are told in the same words"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_reports_what_was_run_until_then(start, tmp_path):
    process = start("balance", "compare", "--seeds", "200", "--policies", "random,c3,prequal", "--workers", "2")
    line = ""
    while "seed 0" not in line:
        line = process.stderr.readline()
        assert line, "it ended before a seed was done"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in out
    assert "Traceback" not in err


DECISION = {
    "request_id": "r7",
    "robot": "lab-1",
    "model": "detector",
    "balancer": "shortest_expected_delay",
    "at_unix_s": 1.0,
    "deadline_s": None,
    "outcome": "ok",
    "latency_s": 0.25,
    "server": "cloud",
    "attempts": [
        {
            "server": "edge",
            "why": "first",
            "at_s": 0.0,
            "is_fallback": False,
            "status": "error",
            "latency_s": 0.02,
            "rule": "The shortest expected delay.",
            "servers": ["edge", "cloud"],
            "figures": {"expected_s": [0.18, 0.48], "in_flight": [2.0, None]},
        },
        {
            "server": "cloud",
            "why": "retry",
            "at_s": 0.02,
            "is_fallback": True,
            "status": "ok",
            "latency_s": 0.23,
            "rule": "The fewest requests in flight.",
            "servers": ["cloud"],
            "figures": {"in_flight": [0.0]},
        },
    ],
}


@pytest.fixture
def interceptor():
    """What answers at an interceptor's metrics address."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == "/decisions?request_id=r7"
            missing = {"code": "not_found", "message": "No request 'r8' is among the last 3.", "hint": ""}
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"decisions": [DECISION]} if known else missing).encode())

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_why_tells_every_attempt_with_what_the_policy_knew_and_its_rule(call, interceptor):
    called = call("balance", "why", "r7", "--from", interceptor)
    assert called.code == 0
    assert "answered by cloud after 250 ms, 2 attempts" in " ".join(called.out.split())
    assert "Sent to edge at 0 ms: error after 20.0 ms" in called.out
    assert "expected [ms]" in called.out
    assert "The policy failed, so least connections chose. The fewest requests in flight." in called.out
    assert [line.split()[-1] for line in called.out.splitlines() if "chosen" in line] == ["chosen", "chosen"]


def test_a_request_that_the_interceptor_does_not_know_is_told(call, interceptor):
    called = call("balance", "why", "r8", "--from", interceptor)
    assert called.code not in (0, 1)
    assert "No request 'r8'" in called.error


def test_an_address_where_nobody_answers_is_told(call):
    called = call("balance", "why", "r7", "--from", "http://127.0.0.1:9")
    assert called.code not in (0, 1)
    assert "No interceptor answers" in called.error


def blocks_of(page):
    """Indented blocks of a page of the docs, those that look like TOML."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", page.read_text(), re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks if 'name = "' in block]


def test_the_files_that_the_docs_show_can_be_compared(call, tmp_path):
    servers, load = blocks_of(Path(__file__).resolve().parents[2] / "docs" / "balancing.md")
    (tmp_path / "lab.toml").write_text(servers)
    (tmp_path / "afternoon.toml").write_text(f"duration_s = 20\n{load}")
    called = call(
        *("balance", "compare", "--servers", "lab.toml", "--profile", "afternoon.toml"),
        *("--policies", "c3,random", "--seeds", "1", "--report", "page.html"),
    )
    assert called.code == 0, called.err
    assert "two sites" in called.out
    assert "edge-1 slow 3 from 40 until 80 s" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("slots = 4 ", "slots = 0 ", "slots"),
        ("mean_s = 0.036", "mean_s = nan", "nan"),
        ('kind = "slow" ', 'kind = "slower" ', "slow"),
    ],
)
def test_servers_that_cannot_be_are_told_with_their_file(call, tmp_path, old, new, words):
    servers, _ = blocks_of(Path(__file__).resolve().parents[2] / "docs" / "balancing.md")
    assert old in servers
    (tmp_path / "lab.toml").write_text(servers.replace(old, new))
    called = call("balance", "compare", "--servers", "lab.toml", "--policies", "c3")
    assert called.code not in (0, 1)
    assert words in called.error
    assert "lab" in called.error


def test_profiles_that_ask_for_other_models_are_refused_with_the_ones_that_there_are(call, tmp_path):
    servers, _ = blocks_of(Path(__file__).resolve().parents[2] / "docs" / "balancing.md")
    (tmp_path / "lab.toml").write_text(servers)
    called = call("balance", "compare", "--servers", "lab.toml")
    assert "It has detector, segmenter" in called.error
