"""Small model folders, and the command line called as a user calls it."""

import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from rilaas.cli import main
from tests.wheels_manifest import wheels_manifest

DRIVER = """
import numpy as np


class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        wheels = np.array([[{left}, {right}]], np.float32)
        return {{"wheels": wheels.repeat(len(inputs["image"]), axis=0)}}

    def reset(self):
        pass
"""
SUITE = """
name = "short"
[world]
duration_s = 1.0
[[scenarios]]
map = "oval"
seeds = [1, 2]
[[thresholds]]
metric = "survival_s"
at_least = {at_least}
"""


@dataclass
class Called:
    code: int
    out: str
    err: str

    @property
    def error(self):
        """What a person reads; there must be no traceback in it."""
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Call the command line in this process, with a home of its own and nothing set."""
    for name in list(os.environ):
        if name.startswith("RILAAS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RILAAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def make_model():
    """Make a model folder that always gives the same command."""

    def make(folder, name, left=0.2, right=0.2):
        folder.mkdir()
        (folder / "model.toml").write_text(wheels_manifest(name))
        (folder / "hooks.py").write_text(DRIVER.format(left=left, right=right))
        return folder

    return make


@pytest.fixture
def model(tmp_path, make_model):
    """A model folder that drives straight on."""
    return make_model(tmp_path / "straight", "straight")


@pytest.fixture
def frame(tmp_path):
    path = tmp_path / "frame.npz"
    np.savez(path, image=np.zeros((1, 120, 160, 3), np.uint8))
    return path


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(SUITE.format(at_least=0.5))
    return path


@pytest.fixture
def start():
    """Start the command line as a process of its own."""
    processes = []

    def run(*arguments, **options):
        command = [sys.executable, "-m", "rilaas.cli", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        processes.append(subprocess.Popen(command, **pipes))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()
