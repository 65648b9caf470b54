"""A fleet on this machine: alone in its folder, watched, started again where a process ends."""

import json
import os
import signal
import time
import urllib.request

from tests.processes import processes_of


def address(process, word):
    """What a line of ``rilaas up`` says after its first word; the lines before it are read."""
    while not (line := process.stderr.readline()).startswith(word):
        assert line, "it ended early"
    return line.split()[1].rstrip(",")


def until_up(process):
    """Read until everything runs; returns the hub's URL."""
    url = address(process, "hub")
    while "Ctrl-C ends it" not in (line := process.stderr.readline()):
        assert line, "it ended early"
    return url


def up(start, home, *arguments):
    return start("up", *arguments, "--home", home, "--listen", "127.0.0.1:0", "--hub-listen", "127.0.0.1:0")


def test_a_model_is_pushed_deployed_and_may_be_asked_by_a_robot_of_its_own(call, start, model, tmp_path):
    process = up(start, tmp_path / "fleet", model)
    url = address(process, "hub")
    route = address(process, "route")
    assert route == "interceptor"
    while not (line := process.stderr.readline()).startswith("rc = RobotClient("):
        assert line, "it ended early"
    target, name, _, key, ca = (word.strip('"') for word in line[len("rc = RobotClient(") : -2].split(", "))
    done = call("evaluate", name, "--target", target, "--key", key, "--ca", ca, "--suite", "nothing")
    assert "nothing" in done.err  # the suite, not the model
    assert urllib.request.urlopen(f"{url}/sign-in").status == 200
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert processes_of(tmp_path) == {}


def test_an_empty_fleet_needs_no_model(start, tmp_path):
    process = up(start, tmp_path / "fleet")
    until_up(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert processes_of(tmp_path) == {}


def test_a_second_fleet_in_the_same_folder_is_told(call, start, tmp_path):
    process = up(start, tmp_path / "fleet")
    until_up(process)
    done = call("up", "--home", tmp_path / "fleet", "--listen", "127.0.0.1:0", "--hub-listen", "127.0.0.1:0")
    assert done.code == 8
    assert f"Another fleet is running in {tmp_path / 'fleet'}." in done.error
    assert "--home" in done.err
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def test_a_process_that_is_killed_is_started_again_at_its_address(start, tmp_path):
    process = up(start, tmp_path / "fleet")
    url = until_up(process)
    (hub,) = (pid for pid, words in processes_of(tmp_path).items() if words[3:4] == ["hub"])
    os.kill(hub, signal.SIGKILL)
    until = time.monotonic() + 60
    while True:
        try:
            told = json.loads(urllib.request.urlopen(f"{url}/api/v1/openapi.json", timeout=5).read())
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert told["info"]["title"] == "rilaas hub"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert processes_of(tmp_path) == {}


def test_a_hub_that_cannot_listen_is_told_with_its_reason(call, start, tmp_path):
    process = up(start, tmp_path / "one")
    taken = until_up(process).removeprefix("http://")
    done = call("up", "--home", tmp_path / "two", "--listen", "127.0.0.1:0", "--hub-listen", taken)
    assert done.code == 8
    assert f"Cannot listen on {taken}" in done.error
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
