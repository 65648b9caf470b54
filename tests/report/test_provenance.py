"""Where numbers come from, and what must not be told."""

import subprocess
from pathlib import Path

import pytest

import rilaas
from rilaas.report import provenance
from rilaas.report.provenance import command_line, commit_of, machine


def test_provenance_names_version_commit_seeds_machine_and_command():
    source = provenance([3, 1], command=["/usr/bin/rilaas", "up", "--demo"])
    assert source.version == rilaas.__version__
    assert source.seeds == (3, 1)
    assert source.command == "rilaas up --demo"
    assert {"cpu", "cores", "os", "python"} <= source.machine.keys()
    assert source.created_utc.endswith("Z")


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path):
    package = tmp_path / "src" / "rilaas"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return package.resolve()


def test_the_commit_is_the_clones_and_says_when_it_was_changed(clone):
    clean = commit_of(clone)
    assert len(clean) == 40
    (clone / "new.txt").write_text("an untracked report is no change")
    assert commit_of(clone) == clean
    (clone / "__init__.py").write_text("x = 1")
    assert commit_of(clone) == f"{clean}-dirty"


def test_a_package_installed_inside_another_clone_has_no_commit(clone):
    installed = clone.parents[1] / ".venv" / "rilaas"
    installed.mkdir(parents=True)
    assert commit_of(installed) == ""


def test_outside_a_clone_there_is_no_commit(tmp_path):
    assert commit_of(tmp_path) == ""


def test_no_home_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.chdir(tmp_path)
    command = command_line(
        [
            "/home/alice/.venv/bin/rilaas",
            "evaluate",
            "/home/alice/models/a b",
            "--key=/Users/bob/key",
            f"{tmp_path}/out.json",
            "/home/alicette/x",
        ]
    )
    assert command == "rilaas evaluate ~/'models/a b' --key=~/key ./out.json ~/x"
    assert "alice" not in command


def test_the_machine_is_described_without_its_name():
    import socket

    assert socket.gethostname() not in str(machine().values()) or len(socket.gethostname()) < 3
    assert int(machine()["cores"]) >= 1


def test_a_module_run_is_written_as_it_is_typed():
    assert command_line([str(Path("x") / "__main__.py"), "doctor"]) == "python -m rilaas.cli doctor"
    assert command_line([]) == ""
