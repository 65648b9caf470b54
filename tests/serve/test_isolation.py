import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency, ModelFailed
from rilaas.serve import bubblewrap
from rilaas.serve.isolation import describe, environment_of, launch, reachable
from rilaas.store import Limits
from tests.model_folders import write_affine_model, write_python_model
from tests.replica_client import ReplicaClient

# A model that evaluates the Python expression it is sent: what an attacker's model would try.
HOSTILE = """
    import ctypes, os, resource, socket, subprocess, sys
    import numpy as np

    def attempt(action):
        try:
            return action()
        except BaseException as error:
            return type(error).__name__

    class Model:
        def __init__(self, folder, session):
            self.folder = folder
        def predict(self, inputs):
            text = inputs["expression"][0].decode()
            answer = eval(text, globals(), {"folder": self.folder}) if text else None
            return {"answer": np.array([repr(answer).encode()], object)}
"""
TOML = """
    name = "hostile"
    task = "test"
    backend = "python"
    hooks = "hooks.py"
    [inputs.expression]
    datatype = "BYTES"
    shape = [1]
    [outputs.answer]
    datatype = "BYTES"
    shape = [1]
"""
MIB = 2**20
UNREACHABLE = ("OSError", "ConnectionRefusedError", "PermissionError")
_ETC = ["alternatives", "ld.so.cache", "localtime"]  # what of /etc a sandbox shows


def write_hostile_model(folder):
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(textwrap.dedent(TOML))
    (folder / "hooks.py").write_text(textwrap.dedent(HOSTILE))
    return folder


class Hostile:
    """A hostile model in a replica, and the socket to it."""

    def __init__(self, tmp_path, kind, **options):
        self.folder = write_hostile_model(tmp_path / "model" / "hostile")
        self.replica = launch(self.folder, tmp_path / "hostile.sock", isolation=kind, **options)
        self.client = ReplicaClient(self.replica.socket_path)

    def __call__(self, expression):
        answer = self.client.predict({"expression": np.array([expression.encode()], object)})
        return ast.literal_eval(answer.tensors["answer"][0].decode())

    def close(self):
        self.client.sock.close()
        self.replica.stop()


@pytest.fixture(scope="session")
def sandbox():
    """Bubblewrap, installed where that is possible."""
    if bubblewrap.why_not() and not shutil.which("bwrap") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-qq", "-y", "bubblewrap"], capture_output=True, check=False)
        bubblewrap._flags.cache_clear()
    if why := bubblewrap.why_not():
        pytest.skip(f"{why}; on Debian: apt-get install bubblewrap")


@pytest.fixture(params=["bwrap", "process"])
def kind(request):
    if request.param == "bwrap":
        request.getfixturevalue("sandbox")
    return request.param


@pytest.fixture
def hostile(tmp_path, kind):
    model = Hostile(tmp_path, kind, limits=Limits(memory_bytes=512 * MIB, cpus=1))
    yield model
    model.close()


@pytest.fixture
def sandboxed(tmp_path, sandbox):
    model = Hostile(tmp_path, "bwrap")
    yield model
    model.close()


def test_a_replica_reaches_no_network(hostile):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):  # from here it is there
            pass
        connect = f'attempt(lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))'
        assert hostile(connect) in UNREACHABLE
        assert hostile('attempt(lambda: socket.getaddrinfo("example.org", 80))') == "gaierror"
        assert [name for _, name in hostile("socket.if_nameindex()")] == ["lo"]
    assert "no network" in hostile.replica.isolation


def test_abstract_sockets_of_the_machine_are_out_of_reach(hostile):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("\0rilaas-test-abstract")
        server.listen()
        connect = 'attempt(lambda: socket.socket(socket.AF_UNIX).connect("\\0rilaas-test-abstract"))'
        assert hostile(connect) in UNREACHABLE


def test_the_memory_limit_holds_and_the_replica_goes_on(hostile):
    assert hostile(f"attempt(lambda: len(bytearray({256 * MIB})))") == 256 * MIB
    assert hostile(f"attempt(lambda: len(bytearray({600 * MIB})))") == "MemoryError"
    raised = f"resource.setrlimit(resource.RLIMIT_AS, ({2**40}, {2**40}))"
    assert hostile(f"attempt(lambda: {raised})") in ("ValueError", "PermissionError")
    assert hostile("1 + 1") == 2
    assert "512 MiB of memory" in hostile.replica.isolation


def test_the_environment_is_empty_but_for_what_a_replica_needs(tmp_path, kind, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    model = Hostile(tmp_path, kind)
    try:
        environment = model("dict(os.environ)")
        names = model('subprocess.run(["env"], capture_output=True).stdout')
    finally:
        model.close()
    assert set(environment) - {"PWD", "LC_CTYPE"} == {*environment_of(1), "RILAAS_ISOLATION"}
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert b"secret" not in names


def test_it_has_no_capabilities_and_gains_none(hostile):
    status = hostile(
        'dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)'
    )
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0


def test_it_stays_on_its_processors(hostile):
    allowed = len(os.sched_getaffinity(0))
    assert hostile("len(os.sched_getaffinity(0))") == 1
    assert ("1 CPU" in hostile.replica.isolation) == (allowed > 1)


def test_it_leaves_no_core_dump(hostile):
    assert hostile("resource.getrlimit(resource.RLIMIT_CORE)") == (0, 0)


def test_no_file_is_seen_but_the_models_and_the_programs(hostile, tmp_path):
    (tmp_path / "model" / "neighbour").write_text("another model")
    unreadable = ("FileNotFoundError", "PermissionError")
    with tempfile.NamedTemporaryFile("w", dir=Path.home(), prefix=".rilaas-test-") as secret:
        secret.write("private key")
        secret.flush()
        for path in ("/etc/passwd", str(tmp_path / "model" / "neighbour"), secret.name):
            assert Path(path).read_text()  # from here it is there
            assert hostile(f"attempt(lambda: open({path!r}).read())") in unreadable, path
    for path in ("/etc", "/home", "/var", "/run", "/boot", "/mnt", str(tmp_path)):
        assert hostile(f"attempt(lambda: sorted(os.listdir({path!r})))") in (*unreadable, ["model"], _ETC), path
    assert hostile("sorted(os.listdir(folder))") == ["hooks.py", "model.toml"]
    assert "no files but the model's and the program's" in hostile.replica.isolation


def test_no_file_of_the_machine_can_be_written_or_removed(hostile, tmp_path):
    refused = ("OSError", "PermissionError", "FileNotFoundError")
    program = str(Path(bubblewrap.__file__).resolve().parent)
    for folder in (str(hostile.folder), program, sys.prefix, "/", "/usr", "/dev", "/etc"):
        assert hostile(f'attempt(lambda: open("{folder}/evil", "w").write("x"))') in refused, folder
    hooks = repr(str(hostile.folder / "hooks.py"))
    for change in (f'open({hooks}, "a")', f"os.unlink({hooks})", f"os.truncate({hooks}, 0)"):
        assert hostile(f"attempt(lambda: {change})") in refused, change
    hostile(f'attempt(lambda: open("{tmp_path}/evil", "w").write("x"))')  # in a sandbox that is its own /tmp
    assert not (tmp_path / "evil").exists()
    assert hostile('open("/dev/null", "w").write("x")') == 1
    assert sorted(path.name for path in hostile.folder.iterdir()) == ["hooks.py", "model.toml"]


def test_a_sandbox_has_small_scratch_folders_that_vanish(sandboxed):
    for folder in ("/tmp", "/dev/shm"):
        assert sandboxed(f'attempt(lambda: open("{folder}/scratch", "w").write("x"))') == 1
        assert sandboxed(f'attempt(lambda: open("{folder}/big", "wb").write(bytes({80 * MIB})))') == "OSError"
        assert not Path(folder, "scratch").exists()


def test_a_sandbox_sees_no_other_process(sandboxed):
    seen = [int(name) for name in sandboxed('os.listdir("/proc")') if name.isdigit()]
    assert seen == [1]
    assert sandboxed(f"attempt(lambda: os.kill({os.getpid()}, 0))") == "ProcessLookupError"


def test_a_sandbox_cannot_be_left_by_new_namespaces(sandboxed):
    unshare = "ctypes.CDLL(None, use_errno=True).unshare"
    assert sandboxed(f"{unshare}(0x00020000)") == -1  # CLONE_NEWNS
    if "--disable-userns" in bubblewrap._flags():
        assert sandboxed(f"{unshare}(0x10000000)") == -1  # CLONE_NEWUSER


def test_where_the_kernel_cannot_hide_files_it_is_said(tmp_path, monkeypatch):
    from rilaas.serve import landlock

    monkeypatch.setattr(landlock, "_CREATE_RULESET", 100_000)  # a system call that there is not
    assert landlock.hide_all_but([]) is False


def test_weights_in_onnx_are_computed_inside_too(tmp_path, kind):
    replica = launch(write_affine_model(tmp_path / "m"), tmp_path / "s.sock", isolation=kind, threads=2)
    try:
        with ReplicaClient(replica.socket_path) as client:
            x = np.ones((2, 3), np.float32)
            assert client.predict({"x": x}).tensors["y"].tolist() == [[3.0] * 3] * 2
        assert "no network" in replica.isolation
        assert [line for line in replica.log_tail if "rror" in line or "arning" in line] == []
    finally:
        assert replica.stop() == 0


def gone(pid):
    """Whether a process ends (a zombie has ended) within some seconds."""
    until = time.monotonic() + 20.0
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


PARENT = """
import sys, time
from rilaas.serve.isolation import launch
replica = launch(sys.argv[1], sys.argv[2], isolation=sys.argv[3])
print(replica.pid, replica.process.pid, flush=True)
time.sleep(600)
"""


def test_a_replica_dies_with_its_parent_even_in_the_middle_of_work(tmp_path, kind):
    folder = write_hostile_model(tmp_path / "m")
    command = [sys.executable, "-c", PARENT, str(folder), str(tmp_path / "s.sock"), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        with ReplicaClient(tmp_path / "s.sock") as client:
            from rilaas.wire import encode_request

            busy = np.array([b'__import__("time").sleep(600)'], object)
            client.send(encode_request("m", "", {"expression": busy}))
            parent.kill()
            parent.wait()
            assert all(gone(pid) for pid in pids)


def test_a_replica_outlives_the_thread_that_launched_it(tmp_path, kind):
    folder, launched = write_hostile_model(tmp_path / "m"), []
    thread = threading.Thread(target=lambda: launched.append(launch(folder, tmp_path / "s.sock", isolation=kind)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    try:
        with ReplicaClient(tmp_path / "s.sock") as client:
            answer = client.predict({"expression": np.array([b"6 * 7"], object)})
            assert answer.tensors["answer"].tolist() == [b"42"]
    finally:
        assert launched[0].stop() == 0


def test_sigterm_reaches_the_replica_through_the_sandbox(tmp_path, kind):
    source = """
        import time
        class Model:
            def __init__(self, folder, session): pass
            def predict(self, inputs):
                time.sleep(0.1)
                return {"y": inputs["x"]}
    """
    replica = launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation=kind)
    with ReplicaClient(replica.socket_path) as client:
        from rilaas.wire import FrameKind, encode_request

        for _ in range(3):
            client.send(encode_request("m", "", {"x": np.ones((1, 3), np.float32)}))
        client.receive()
        assert replica.stop(10.0) == 0
        assert [frame.kind for frame in client.frames(2)] == [FrameKind.OK] * 2


def test_a_crash_is_seen_from_outside(tmp_path, kind):
    model = Hostile(tmp_path, kind)
    try:
        with pytest.raises(ConnectionError):
            model("ctypes.string_at(0)")
        assert model.replica.process.wait(10) in (-signal.SIGSEGV, 128 + signal.SIGSEGV)
        model.replica.stop()
        assert any("Segmentation fault" in line for line in model.replica.log_tail)
    finally:
        model.close()


def test_a_model_that_cannot_load_gives_its_own_reason(tmp_path, kind):
    folder = write_affine_model(tmp_path / "m")
    (folder / "weights.onnx").unlink()
    with pytest.raises(InvalidModelFolder, match=r"there is no file 'weights\.onnx'"):
        launch(folder, tmp_path / "s.sock", isolation=kind)
    assert not (tmp_path / "s.sock").exists()


def test_a_replica_that_dies_while_loading_tells_its_last_words_and_its_limit(tmp_path, kind):
    source = "import sys, os\nprint('my last words', flush=True)\nos.kill(os.getpid(), 9) or os._exit(7)\n"
    with pytest.raises(ModelFailed, match="died while it loaded its model") as caught:
        launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation=kind)
    assert "my last words" in caught.value.hint
    assert "2048 MiB of memory" in caught.value.hint
    assert not (tmp_path / "s.sock").exists()


def test_too_little_memory_to_start_is_told_as_such(tmp_path, kind):
    limits = Limits(memory_bytes=16 * MIB)
    with pytest.raises(ModelFailed, match="died while it loaded its model") as caught:
        launch(write_affine_model(tmp_path / "m"), tmp_path / "s.sock", isolation=kind, limits=limits)
    assert "It may use 16 MiB of memory" in caught.value.hint


def test_a_replica_that_is_not_ready_in_time_is_killed(tmp_path, kind):
    source = "import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(600)\n"
    with pytest.raises(ModelFailed, match="was not ready within 0.7 s"):
        launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation=kind, timeout_s=0.7)
    assert not (tmp_path / "s.sock").exists()


def test_a_model_cannot_say_in_place_of_the_replica_that_it_is_ready(tmp_path):
    source = "import os\nfor n in range(3, 20):\n  try: os.write(n, b'[1]\\n')\n  except OSError: pass\n"
    with pytest.raises(ModelFailed, match="said something that is not readable"):
        launch(write_python_model(tmp_path / "m", source), tmp_path / "s.sock", isolation="process")


def test_the_socket_is_for_its_owner_only_and_an_old_one_is_replaced(tmp_path, kind):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    replica = launch(write_affine_model(tmp_path / "m"), path, isolation=kind)
    try:
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        replica.stop()
    assert not path.exists()
    replica.stop()  # a second time is harmless


def test_a_socket_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="at most 107 bytes"):
        launch(tmp_path, tmp_path / ("long" * 40))


def test_an_unknown_isolation_is_refused_by_name(tmp_path):
    with pytest.raises(InvalidInput, match="There is no isolation 'bwarp'. Did you mean 'bwrap'?"):
        launch(tmp_path, tmp_path / "s.sock", isolation="bwarp")


def test_without_bubblewrap_a_plain_process_is_taken_and_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert reachable("auto") == "process"
    assert describe().endswith("bubblewrap is not installed")
    with pytest.raises(MissingDependency, match="apt-get install bubblewrap"):
        launch(tmp_path, tmp_path / "s.sock", isolation="bwrap")
    replica = launch(write_affine_model(tmp_path / "m"), tmp_path / "s.sock")
    try:
        assert replica.isolation.startswith("process: ")
    finally:
        replica.stop()


def test_with_bubblewrap_auto_takes_it(sandbox):
    assert reachable("auto") == "bwrap"
    assert describe().startswith("bubblewrap: no network")


def test_neighbours_get_different_processors(tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one processor")
    models = [Hostile(tmp_path / str(n), "process") for n in range(2) if (tmp_path / str(n)).mkdir() is None]
    try:
        one, two = (model("sorted(os.sched_getaffinity(0))") for model in models)
        assert one != two
    finally:
        for model in models:
            model.close()


AS_USER = """
import sys
from rilaas.serve.isolation import launch
from tests.replica_client import ReplicaClient
import numpy as np
replica = launch(sys.argv[1], sys.argv[2], isolation=sys.argv[3])
with ReplicaClient(sys.argv[2]) as client:
    for expression in sys.argv[4:]:
        answer = client.predict({"expression": np.array([expression.encode()], object)})
        print(answer.tensors["answer"][0].decode())
print(replica.isolation)
print(replica.stop())
"""


def test_an_ordinary_user_gets_the_same_isolation_as_root(kind):
    if os.geteuid() != 0:
        pytest.skip("all these tests run as an ordinary user already")
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"  # ours may lie in root's home
    if not Path(python).exists():
        pytest.skip(f"there is no {python}, which an ordinary user can run")
    network = 'attempt(lambda: socket.create_connection(("127.0.0.1", {}), timeout=2))'
    memory = f"attempt(lambda: bytearray({3 * 2**30}))"
    home = "attempt(lambda: open('/etc/passwd').read())"
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as server:
        network = network.format(server.getsockname()[1])
        Path(name).chmod(0o777)
        folder = write_hostile_model(Path(name, "hostile"))
        path = os.pathsep.join([*map(str, bubblewrap.import_roots()), str(Path(__file__).parents[2])])
        done = subprocess.run(
            [python, "-c", AS_USER, str(folder), f"{name}/s.sock", kind, network, memory, home],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    reached, allocated, sees_system, isolation, code = done.stdout.splitlines()
    assert ast.literal_eval(reached) in UNREACHABLE
    assert allocated == "'MemoryError'"
    assert sees_system in ("'FileNotFoundError'", "'PermissionError'")
    assert "no network" in isolation
    assert "2048 MiB of memory" in isolation
    assert code == "0"
