"""Service processes: started, watched, started anew, ended in order, and never left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rilaas.core import Unavailable
from rilaas.deploy import Processes, ServiceProcess, service_process
from tests.processes import processes_of

# Says that it is ready, and then what the arguments want; the folder names it in the list of processes.
SERVICE = """
import json, os, signal, sys, time
folder, name, todo = sys.argv[1:4]
starts = folder + "/" + name + ".starts"
with open(starts, "a") as file:
    file.write(str(os.getpid()) + chr(10))
number = len(open(starts).read().split())
def stop(*_):
    with open(folder + "/ended", "a") as file:
        file.write(name + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if todo == "stubborn" else stop)
if todo == "refuse" or (todo == "once" and number == 2):
    sys.exit("error: The port is taken." + chr(10) + "hint: Choose another port.")
if todo == "babble":
    print("hello there")
if todo != "silent":
    print(json.dumps({"address": "127.0.0.1:" + str(number), "color": os.environ.get("COLOR", "")}), flush=True)
    print("x" * 1_000_000, flush=True)
print("I am there", file=sys.stderr, flush=True)
if todo == "crash" and number <= 2:
    os._exit(3)
while True:
    time.sleep(3600)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(service_process, "FIRST_PAUSE_S", 0.02)


@pytest.fixture
def service(tmp_path):
    """Makes service processes, and ends them."""
    made = []

    def make(todo="stay", name="hub", **more):
        argv = [sys.executable, "-c", SERVICE, str(tmp_path), name, todo]
        made.append(ServiceProcess(name, argv, tmp_path / "logs" / f"{name}.log", **more))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def until(holds):
    """Wait for what has to come; the test's own time limit ends a wait in vain."""
    while not holds():
        time.sleep(0.01)


def test_a_process_says_when_it_is_ready_and_ends_when_it_is_told(service, tmp_path):
    hub = service(env={**os.environ, "COLOR": "green"})
    assert hub.start() == hub.ready == {"address": "127.0.0.1:1", "color": "green"}
    assert hub.pid in processes_of(tmp_path)
    hub.check()
    until(lambda: hub.log_path.read_text().count("x") >= 1_000_000)  # what it prints later goes to its log as well
    until(lambda: "I am there" in hub.log_path.read_text())
    hub.stop()
    assert hub.pid == 0
    assert (tmp_path / "ended").read_text() == "hub "
    hub.stop()  # a second time is harmless


def test_a_process_that_does_not_start_is_told_in_its_own_words(service, tmp_path):
    hub = service("refuse")
    with pytest.raises(Unavailable, match=r"hub did not start: The port is taken\. Choose another port\. Its log is"):
        hub.start()
    assert not processes_of(tmp_path)
    with pytest.raises(Unavailable, match="nowhere cannot be started"):
        ServiceProcess("nowhere", ["nowhere"], tmp_path / "log").start()


@pytest.mark.parametrize(("todo", "told"), [("silent", "was not ready within 0.3 s"), ("babble", "not readable")])
def test_a_process_that_does_not_say_that_it_is_ready_is_ended(service, tmp_path, todo, told):
    timeout_s = 0.3 if todo == "silent" else 60.0
    with pytest.raises(Unavailable, match=told):
        service(todo, ready_timeout_s=timeout_s).start()
    assert not processes_of(tmp_path)


def test_a_process_that_dies_is_started_anew_until_it_stays(service):
    hub = service("crash")
    hub.start()
    until(lambda: hub.restarts == 2 and hub.ready["address"].endswith(":3") and hub.pid)
    hub.check()
    assert hub.reason == ""


def test_a_start_anew_that_fails_is_tried_again(service):
    hub = service("once")
    hub.start()
    os.kill(hub.pid, signal.SIGKILL)
    until(lambda: hub.ready["address"].endswith(":3"))
    until(lambda: hub.reason == "")


def test_a_process_that_is_down_says_why_and_can_be_stopped_meanwhile(service, monkeypatch):
    monkeypatch.setattr(service_process, "FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(service_process, "LAST_PAUSE_S", 3600.0)
    hub = service()
    hub.start()
    os.kill(hub.pid, signal.SIGKILL)
    until(lambda: hub.reason)
    assert hub.reason == "hub ended: it was ended by signal 9."
    hub.check()
    hub.stop()


def test_a_process_that_is_not_to_be_started_anew_is_missed(service):
    hub = service(restart=False)
    hub.start()
    os.kill(hub.pid, signal.SIGKILL)
    until(lambda: not hub.pid)
    with pytest.raises(Unavailable, match=r"hub ended: it was ended by signal 9\. Its log is "):
        hub.check()
    assert hub.restarts == 0


def test_a_process_that_does_not_end_is_killed(service, tmp_path):
    hub = service("stubborn")
    hub.start()
    hub.stop(0.2)
    assert not processes_of(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other systems")
def test_limits_are_those_that_were_given(service):
    hub = service(memory_bytes=2**30, cpus=[min(os.sched_getaffinity(0))])
    hub.start()
    assert os.sched_getaffinity(hub.pid) == {min(os.sched_getaffinity(0))}
    limits = Path(f"/proc/{hub.pid}/limits").read_text()
    assert f"Max address space         {2**30}" in limits


def test_several_end_in_the_opposite_order(service, tmp_path):
    with Processes() as processes:
        for name in ("hub", "serve", "route"):
            assert processes.start(service(name=name))["address"] == "127.0.0.1:1"
        processes.check()
        assert processes["serve"].pid
        with pytest.raises(ValueError, match="already"):
            processes.start(service(name="route"))
    assert (tmp_path / "ended").read_text() == "route serve hub "
    assert not processes_of(tmp_path)


PARENT = """
import json, sys, threading, time
from pathlib import Path
from rilaas.deploy import ServiceProcess
services = [ServiceProcess(name, [*json.loads(sys.argv[1]), name, "stay"], Path(sys.argv[2]) / name) for name in "ab"]
thread = threading.Thread(target=lambda: [service.start() for service in services])
thread.start()
thread.join()
time.sleep(0.2)  # a thread that has ended takes nothing with it
print(*(service.pid for service in services), flush=True)
time.sleep(3600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are tied to their parent on Linux")
def test_when_the_parent_is_killed_nobody_is_left(tmp_path):
    words = json.dumps([sys.executable, "-c", SERVICE, str(tmp_path)])
    with subprocess.Popen([sys.executable, "-c", PARENT, words, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert set(pids) < set(processes_of(tmp_path))
        parent.kill()
    try:
        until(lambda: not processes_of(tmp_path))
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_what_it_writes_is_for_its_user_alone(service, tmp_path):
    mine = service()
    (tmp_path / "logs").mkdir()
    mine.log_path.write_text("of an earlier version")
    mine.log_path.chmod(0o644)
    mine.start()
    assert mine.log_path.stat().st_mode & 0o777 == 0o600
    other = ServiceProcess("other", mine._argv, tmp_path / "fresh" / "other.log")
    other.start()
    other.stop()
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o700
