"""A worker ends with its hub, whatever it does just then."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hub_process import HubProcess

ENDING = """
import sys
from rilaas.hub.worker.ending import Ending
ending = Ending()
print("ready", flush=True)
while not ending.wait(0.0001):  # again and again between waiting and not
    pass
print("ended", flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_heard_at_every_moment(how):
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", ENDING], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(how)
        out, _ = process.communicate(timeout=20)
        assert out == "ended\n"
        assert process.returncode == 0


def test_no_worker_outlives_a_hub_that_is_killed(tmp_path):
    homes = [tmp_path / str(n) for n in range(5)]
    for n, home in enumerate(homes):
        hub = HubProcess(home).start()
        time.sleep(0.2 * n)  # the worker starts, loads, works
        hub.kill()
    until = time.monotonic() + 60
    while any(is_worker(pid, homes) for pid in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_worker(process, homes):
    """Whether it is a worker of one of these homes."""
    try:
        environment = (process / "environ").read_bytes().split(b"\0")
        return b"rilaas.hub.worker" in (process / "cmdline").read_bytes() and any(
            f"RILAAS_HOME={home}".encode() in environment for home in homes
        )
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_hub_that_is_ended_ends_what_runs_beside_it_first(tmp_path, how):
    hub = HubProcess(tmp_path / "home").start()
    with hub.connect() as connection:
        connection.post("/api/v1/metrics/samples", {"samples": [{"name": "battery", "unit": "V", "value": 11.9}]})
        hub.process.send_signal(how)
        assert hub.process.wait(60) == 0  # its own end, not the signal's: the sample is written, the worker has ended
    hub.process.stdout.close()
    hub.process = None
    with hub, hub.connect() as connection:
        assert "battery" in str(connection.get("/api/v1/metrics"))
