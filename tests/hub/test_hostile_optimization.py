"""Models whose own code means ill while the hub optimizes them: it runs in a box, and nobody believes it."""

import os
import socket

import pytest

from rilaas.core import InvalidInput, ModelFailed
from rilaas.hub.blob_store import home
from rilaas.hub.models import Variant
from rilaas.hub.worker import box as worker_box
from rilaas.hub.worker import optimization as worker_optimization
from rilaas.hub.worker.box import fetch, folder_bytes
from rilaas.serve import bubblewrap
from tests.hub.optimization_parts import fresh, push_dense, quick, started

pytestmark = pytest.mark.django_db
pytest.importorskip("onnx")
KINDS = ["process", pytest.param("bwrap", marks=pytest.mark.skipif(bool(bubblewrap.why_not()), reason="no bwrap"))]
PREPROCESS = """
import os, sys, socket
{first}

def preprocess(inputs):
{body}
    return inputs
"""


def hooks(body, first=""):
    return PREPROCESS.format(first=first, body="\n".join(f"    {line}" for line in body.splitlines()))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    quick(monkeypatch)


def done(alice, tmp_path, worker, code, toml=None):
    push_dense(alice, tmp_path, code)
    evaluation = started(alice, toml)
    worker.do_all()
    return fresh(evaluation)


TRIES = """
said = []
try:
    open({secret!r}).read()
    said.append("read")
except OSError:
    pass
try:
    open({elsewhere!r}, "w").write("x")  # in a sandbox it may think that it did
except OSError:
    pass
try:
    socket.create_connection(("127.0.0.1", {port}), 2.0)
    said.append("reached")
except OSError:
    pass
if os.environ.get("RILAAS_SECRET"):
    said.append("environment")
if said:
    raise ValueError("it " + " and ".join(said))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_models_code_reads_and_writes_no_file_and_reaches_no_network(alice, tmp_path, worker, monkeypatch, kind):
    monkeypatch.setattr(worker_box, "reachable", lambda wish: kind)
    monkeypatch.setenv("RILAAS_SECRET", "x")
    secret, elsewhere = home() / "secret", home() / "elsewhere"
    secret.write_text("of the hub")
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = TRIES.format(secret=str(secret), elsewhere=str(elsewhere), port=server.getsockname()[1])
        found = done(alice, tmp_path, worker, hooks(body))
    assert found.job.state == "done", (found.job.error, found.job.log)
    assert f"Isolation: {'bubblewrap' if kind == 'bwrap' else 'process'}" in found.job.log
    assert not elsewhere.exists()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("os._exit(7)", "ended with 7"),
        ("raise ValueError('seven is too many')", "ValueError: seven is too many (in hooks.py, line 6)"),
        ("x = bytearray(100 * 2**30)", "memory"),
        ("sys.exit(0)", ""),
    ],
    ids=["exit", "error", "memory", "leave"],
)
def test_a_model_whose_code_fails_ends_its_own_job_with_the_reason(alice, tmp_path, worker, body, told):
    found = done(alice, tmp_path, worker, hooks(body))
    assert found.job.state == "failed"
    assert told.lower() in (found.job.error["message"] + found.job.error["hint"]).lower()
    assert not Variant.objects.exclude(name="").exists()
    assert not (home() / "optimized" / str(found.job_id)).exists()


def test_a_model_that_hangs_is_cancelled_within_a_moment(alice, tmp_path, worker, browser):
    push_dense(alice, tmp_path, hooks("while True: pass"))
    evaluation = started(alice)
    worker.between = lambda work: browser(alice).post(f"/evaluations/{evaluation.pk}", {"act": "cancel"})
    worker.do_all()
    assert fresh(evaluation).job.state == "cancelled"


def test_a_model_that_works_too_long_is_ended(alice, tmp_path, worker, monkeypatch):
    monkeypatch.setattr(worker_optimization, "MAX_WORKED_S", 0.0)  # a second is left
    found = done(alice, tmp_path, worker, hooks("import time\ntime.sleep(60)"))
    assert (found.job.state, "it was not done" in found.job.error["message"]) == ("failed", True)


def test_a_model_that_fills_the_disk_is_ended(alice, tmp_path, worker, monkeypatch):
    monkeypatch.setattr(worker_optimization, "DISK_BYTES", 2**20)
    monkeypatch.setattr(worker_box, "_SIZE_EVERY_S", 0.0)
    body = "import time\nopen(os.environ['TMPDIR'] + '/large', 'wb').write(bytes(2**21))\ntime.sleep(60)"
    found = done(alice, tmp_path, worker, hooks(body))
    assert (found.job.state, "written more than" in found.job.error["message"]) == ("failed", True)


FORGED = """
import json
made = b'{"made": [{"name": "../../x"}, {"name": "other"}, 7], "share": "much", "line": 3}'
for handle in range(3, 64):
    try:
        os.write(handle, made + b"\\n[1]\\n\\xff\\n")
    except OSError:
        pass
print('{"failed": {"code": "x"}}')
"""


def test_what_a_models_code_writes_to_the_worker_makes_nothing_up(alice, tmp_path, worker):
    found = done(alice, tmp_path, worker, hooks(FORGED))
    assert found.job.state == "done", (found.job.error, found.job.log)
    assert list(Variant.objects.exclude(name="").values_list("name", flat=True)) == ["mine"]


LINKS = """
import atexit, shutil
place = os.path.dirname(os.environ["TMPDIR"])  # the job's own folder
def swap():
    for name in os.listdir(place + "/out"):
        os.remove(place + "/out/" + name)
        os.symlink({target!r}, place + "/out/" + name)
atexit.register(swap)
"""


def test_a_link_in_the_place_of_a_result_is_not_followed(alice, tmp_path, worker):
    (home() / "secret").write_text("{}")
    code = hooks("pass", LINKS.format(target=str(home() / "secret")))
    found = done(alice, tmp_path, worker, code)
    assert (found.job.state, "made no file out/report.json" in found.job.error["message"]) == ("failed", True)
    assert not Variant.objects.exclude(name="").exists()


def test_only_a_regular_file_of_a_bearable_size_is_fetched(tmp_path):
    place = tmp_path / "place"
    (place / "out").mkdir(parents=True)
    (place / "out" / "good").write_bytes(b"12345")
    (place / "out" / "folder").mkdir()
    os.mkfifo(place / "out" / "pipe")
    (tmp_path / "secret").write_text("x")
    (place / "link").symlink_to(tmp_path)
    assert fetch(place, "out/good", tmp_path / "to" / "good", 5).read_bytes() == b"12345"
    for name in ("out/folder", "out/pipe", "link/secret", "out/gone", "gone/x"):
        with pytest.raises(InvalidInput, match="made no file"):
            fetch(place, name, tmp_path / "to" / name.replace("/", "-"), 5)
    with pytest.raises(InvalidInput, match="larger than 4 bytes"):
        fetch(place, "out/good", tmp_path / "to" / "again", 4)
    assert folder_bytes(place) < 2**16


def test_a_box_that_cannot_start_says_so(alice, tmp_path, worker, monkeypatch):
    monkeypatch.setattr(worker_box.box_inside, "__file__", str(tmp_path / "gone.py"))
    found = done(alice, tmp_path, worker, hooks("pass"))
    assert (found.job.state, found.job.error["code"]) == ("failed", ModelFailed.code)
