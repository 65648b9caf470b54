"""A fleet on this machine: alone in its folder, and ended when one of its processes is."""

import os
import signal

import pytest

from rilaas.cli.fleet import Fleet, FleetServer
from rilaas.core import InvalidInput, Unavailable
from tests.processes import processes_of

EDGE = (FleetServer("edge-1", "edge"),)


def test_a_second_fleet_in_the_same_folder_is_told_and_the_first_keeps_its_key(call, model, tmp_path):
    with Fleet(tmp_path / "fleet", model, "straight", EDGE) as first:
        key = first.key_path.read_bytes()
        done = call("up", model, "--out", tmp_path / "fleet", "--listen", "127.0.0.1:0")
        assert done.code == 8
        assert f"Another fleet is running in {tmp_path / 'fleet'}." in done.error
        assert "--out" in done.err
        assert first.key_path.read_bytes() == key
        first.check()
    with Fleet(tmp_path / "fleet", model, "straight", EDGE) as second:
        assert second.key_path.read_bytes() != key


def test_a_fleet_that_could_not_start_leaves_its_folder_to_the_next(model, tmp_path):
    (tmp_path / "fleet" / "tls").mkdir(parents=True)
    (tmp_path / "fleet" / "tls" / "ca.pem").mkdir()
    with pytest.raises(InvalidInput, match="ca.key"), Fleet(tmp_path / "fleet", model, "straight", EDGE):
        pass
    (tmp_path / "fleet" / "tls" / "ca.pem").rmdir()
    with Fleet(tmp_path / "fleet", model, "straight", EDGE) as fleet:
        fleet.check()


def test_a_fleet_tells_which_of_its_processes_ended_and_how(model, tmp_path):
    with Fleet(tmp_path / "fleet", model, "straight", EDGE) as fleet:
        fleet.processes["edge-1"].kill()
        fleet.processes["edge-1"].wait(20)
        with pytest.raises(Unavailable, match=r"edge-1 ended: it was ended by signal 9\. Its log is .*edge-1\.log"):
            fleet.check()
        with (fleet.folder / "edge-1.log").open("a") as log:
            log.write("error: Something broke.\nhint: Mend it.\n")
        with pytest.raises(Unavailable, match=r"edge-1 ended: Something broke\. Mend it\. Its log is"):
            fleet.check()


def test_up_ends_with_an_error_when_its_interceptor_is_gone(start, model, tmp_path):
    process = start("up", model, "--out", tmp_path / "fleet", "--listen", "127.0.0.1:0")
    while "Ctrl-C ends it" not in (line := process.stderr.readline()):
        assert line, "it ended early"
    (route,) = (pid for pid, words in processes_of(tmp_path).items() if "route" in words)
    os.kill(route, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 8
    assert "error: route ended: it was ended by signal 9." in err
    assert "route.log" in err
    assert "Traceback" not in err
    assert processes_of(tmp_path) == {}
