import os
import subprocess
import sys

import pytest

from rilaas.cli import backend_checkup
from rilaas.cli.backend_checkup import check_backends
from rilaas.core.toml import read_toml
from rilaas.infer.backends import backend_named, backend_names
from rilaas.store import BACKENDS
from tests.cli.test_doctor import ROOT


def found():
    return {check.name.removeprefix("backend "): check for check in check_backends()}


def test_every_backend_and_the_processor_have_a_row():
    assert set(found()) == {"processor", *BACKENDS} - {"python"}


@pytest.mark.parametrize("name", backend_names())
def test_a_row_agrees_with_the_backend_itself(name):
    check = found()[name]
    assert (check.state == "ok") == (not backend_named(name).missing())
    assert check.hint or check.state == "ok"


def test_the_extras_exist():
    extras = read_toml(ROOT / "pyproject.toml")["project"]["optional-dependencies"]
    assert {extra for _, extra in backend_checkup._PACKAGES.values()} <= set(extras)


def test_what_is_missing_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(backend_checkup, "_version", lambda _: "")
    rows = found()
    assert rows["openvino"].found == "missing: openvino"
    assert "rilaas[openvino]" in rows["openvino"].hint
    assert {check.state for name, check in rows.items() if name != "processor"} == {"absent"}


def test_cards_drivers_and_compilers_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(backend_checkup, "_version", lambda _: "1.0")
    monkeypatch.setattr(backend_checkup, "_DRIVER", tmp_path / "version")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(backend_checkup, "processor_features", lambda: ())
    rows = found()
    assert rows["tensorrt"].found == "tensorrt 1.0; no NVIDIA driver"
    assert rows["torch-compile"].found == "torch 1.0; no C++ compiler"
    assert rows["processor"].state == "absent"
    (tmp_path / "version").write_text("")
    compiler = tmp_path / "g++"
    compiler.write_text("")
    compiler.chmod(0o755)
    assert {name for name, check in found().items() if check.state == "absent"} == {"processor"}


def test_no_runtime_is_loaded_for_it():
    code = (
        "import sys; from rilaas.cli.backend_checkup import check_backends; list(check_backends());"
        "print(sorted({'onnxruntime', 'openvino', 'torch', 'onnx', 'ai_edge_litert'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert said.stdout.strip() == "[]"
