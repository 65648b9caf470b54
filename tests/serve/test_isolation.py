"""What a model's code cannot reach from its replica, and which isolation is taken."""

import ast
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput, MissingDependency
from rilaas.serve import bubblewrap
from rilaas.serve.isolation import describe, environment_of, launch, reachable
from tests.model_folders import write_affine_model
from tests.replica_client import ReplicaClient
from tests.serve.hostile import MIB, Hostile, write_hostile_model

UNREACHABLE = ("OSError", "ConnectionRefusedError", "PermissionError")
_ETC = ["alternatives", "ld.so.cache", "localtime"]  # what of /etc a sandbox shows


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
