"""The house rules that a program can check: sizes, room cards, import weight, names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "rilaas"
GENERATED = {SOURCE / "wire" / "inference_pb2.py"}
MIGRATIONS = SOURCE / "hub" / "migrations"  # generated too
FILES = sorted(path for path in SOURCE.rglob("*.py") if path not in GENERATED and path.parent != MIGRATIONS)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
ROOMS = sorted(path.parent for path in SOURCE.glob("*/__init__.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager", "factory"}


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_has_at_most_400_lines_and_its_functions_at_most_50(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 1
            assert lines <= 50, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_a_file_of_tests_has_at_most_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_says_what_it_is_and_has_a_telling_name(path):
    assert path.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(path.read_text())), "a file begins with a docstring"


@pytest.mark.parametrize("room", ROOMS, ids=relative)
def test_a_rooms_card_has_at_most_five_lines(room):
    card = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    assert card
    assert len([line for line in card.splitlines() if line.strip()]) <= 5


THIN = ("core", "wire", "observe", "balance", "serve.front", "route", "client")
HEAVY = {"torch", "onnxruntime", "onnx", "django", "cv2", "gymnasium", "scipy", "yaml"}


@pytest.mark.parametrize("room", THIN)
def test_the_robots_side_and_the_data_plane_load_nothing_heavy(room):
    code = f"import sys, rilaas.{room}; print(' '.join(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(loaded.split())


def test_no_tracked_file_names_a_path_of_somebodys_machine():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in files.split():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".json", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            assert str(ROOT) + "/" not in text, name
