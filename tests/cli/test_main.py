"""Help, errors, interruption: what every verb has in common."""

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rilaas.cli import main
from rilaas.cli.verb import VERBS
from rilaas.core import ERROR_TABLE

COMMANDS = {verb: importlib.import_module(f"rilaas.cli.{verb}").command for verb in VERBS}


def test_help_is_answered_without_loading_anything_heavy():
    code = (
        "import sys; from rilaas.cli import main; main(['--help'])\n"
        "print(sorted({'numpy', 'grpc', 'cv2', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_help_and_takes_json_and_q(call, verb):
    done = call(verb, "--help")
    assert (done.code, done.err) == (0, "")
    command = COMMANDS[verb]
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        options = {name for parameter in each.params for name in parameter.opts}
        assert "-q" in options
        assert verb in ("serve", "route") or "--json" in options  # servers have no result


@pytest.mark.parametrize("verb", VERBS)
def test_the_line_in_the_list_of_verbs_begins_the_verbs_own_help_with_the_same_word_or_says_more(verb):
    assert COMMANDS[verb].name == verb
    assert VERBS[verb].endswith(".")
    assert len(VERBS[verb]) <= 72


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_without_a_verb_there_is_help(call, arguments):
    done = call(*arguments)
    assert done.code == 0
    assert "Verbs:" in done.out


def test_the_version_is_printed(call):
    import rilaas

    assert call("--version").out == f"rilaas {rilaas.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["psuh"], "Did you mean 'push'?", "rilaas --help"),
        (["push"], "Missing argument 'FOLDER|STORED'", "rilaas push --help"),
        (["push", "x", "--ot", "y"], "No such option", "rilaas push --help"),
        (["evaluate", "x", "--episodes", "0"], "--episodes", "rilaas evaluate --help"),
        (["--nonsense"], "No such option", "rilaas --help"),
    ],
)
def test_a_wrong_call_is_answered_with_message_hint_and_code_2(call, arguments, message, hint):
    done = call(*arguments)
    assert done.code == 2
    assert done.error.startswith("error: ")
    assert message in done.err
    assert f"hint: See {hint}" in done.err
    assert done.out == ""


@pytest.fixture
def verb_raising(monkeypatch):
    def use(error):
        @click.command("push")
        def command():
            raise error

        monkeypatch.setattr(importlib.import_module("rilaas.cli.push"), "command", command)

    return use


@pytest.mark.parametrize("code", ERROR_TABLE)
def test_every_error_ends_with_its_message_its_hint_and_its_exit_code(call, verb_raising, code):
    row = ERROR_TABLE[code]
    verb_raising(row.error("What happened.", "What to do."))
    done = call("push")
    assert done.code == row.exit_code
    assert done.error == "error: What happened.\nhint: What to do.\n"


def test_an_error_cannot_move_the_cursor_whoever_wrote_its_message(call, verb_raising):
    verb_raising(ERROR_TABLE["not_found"].error("evil\x1b[2J\tname\nsecond line"))
    assert call("push").error == "error: evil [2J name\nsecond line\n"


def test_a_fault_of_ours_is_one_line_and_its_traceback_a_file(call, verb_raising):
    verb_raising(ZeroDivisionError("oops"))
    done = call("push")
    assert done.code == 1
    assert "error: A fault in rilaas: ZeroDivisionError: oops" in done.error
    path = Path(done.err.rpartition(" with ")[2].strip().rstrip("."))
    assert "Traceback" in path.read_text()
    path.unlink()


def test_with_rilaas_debug_the_traceback_is_shown(call, verb_raising, monkeypatch):
    monkeypatch.setenv("RILAAS_DEBUG", "1")
    verb_raising(ERROR_TABLE["not_found"].error("gone"))
    done = call("push")
    assert "Traceback" in done.err
    assert done.code == 3


def test_a_file_that_cannot_be_opened_is_not_a_fault(call, verb_raising):
    verb_raising(PermissionError(13, "Permission denied", "/some/file"))
    done = call("push")
    assert (done.code, done.error) == (2, "error: /some/file: Permission denied.\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_one_line_and_130(call, verb_raising, error):
    verb_raising(error)
    done = call("push")
    assert (done.code, done.err) == (130, "interrupted\n")


def test_ctrl_c_before_the_first_episode_is_over_ends_a_real_run_with_130(start, model, suite):
    suite.write_text(suite.read_text().replace("duration_s = 1.0", "duration_s = 80000.0"))
    slow = "        import time\n        time.sleep(0.05)\n"
    hooks = model / "hooks.py"
    hooks.write_text(hooks.read_text().replace("        wheels", f"{slow}        wheels").replace("0.2", "0.0"))
    process = start("evaluate", model, "--suite", suite)
    assert "drives short" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:  # Python loses one that comes in the middle of a destructor; people press again
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("interrupted\n")


def test_ctrl_c_after_the_first_episode_reports_it_and_ends_with_130(start, model, suite, tmp_path):
    suite.write_text(suite.read_text().replace("seeds = [1, 2]", f"seeds = {list(range(2000))}"))
    process = start(
        "evaluate", model, "--suite", suite, "--json", tmp_path / "r.json", "--report", tmp_path / "r.html"
    )
    while "  2/2000" not in (line := process.stderr.readline()):
        assert line, "it ended early"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    report = json.loads((tmp_path / "r.json").read_text())
    driven = len(report["episodes"])
    assert 2 <= driven < 2000
    assert f"Interrupted after {driven} of 2000 episodes" in report["summary"]
    assert f"Interrupted after {driven} of 2000 episodes" in " ".join(out.split())
    assert (tmp_path / "r.html").exists()


IMPATIENT = """
import os, signal, sys
class Impatient:
    def find_spec(self, name, *others):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Impatient())
from rilaas.cli import main
sys.exit(main(["doctor"]))
"""


@pytest.mark.parametrize("module", ["rilaas.cli.main", "click", "rilaas.cli.verb", "rilaas.cli.doctor", "numpy"])
def test_ctrl_c_while_the_program_is_still_imported_is_one_line_and_130(module):
    code = IMPATIENT.format(module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_a_reader_that_goes_away_is_no_error(start, model, suite):
    read, write = os.pipe()
    os.close(read)
    process = start("evaluate", model, "--suite", suite, "-q", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


def test_colour_is_for_terminals_only(call):
    assert "\x1b" not in call("psuh").err


def test_the_installed_program_is_this_command_line():
    from importlib.metadata import entry_points

    (program,) = entry_points(group="console_scripts", name="rilaas")
    assert program.load() is main
