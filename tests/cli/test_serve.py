"""Servers that do not come up, or are ended before they are; those that do are in tests/end_to_end."""

import os
import signal
import socket

import pytest

from rilaas.serve.isolation import READY_S

LESS_THAN_LOADING_MAY_TAKE_S = READY_S - 10.0


@pytest.fixture
def endless(model):
    """A model folder that is never done with loading."""
    hooks = model / "hooks.py"
    hooks.write_text("print('loading', flush=True)\nwhile True: pass\n" + hooks.read_text())
    return model


def until_loading(process):
    while "loading" not in (line := process.stderr.readline()):
        assert line, "it ended early"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_server_whose_model_is_still_loading(start, endless, tmp_path, number):
    process = start("serve", endless, "--insecure", "--listen", "127.0.0.1:0", env=own_temporary(tmp_path))
    until_loading(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=LESS_THAN_LOADING_MAY_TAKE_S)
    assert process.returncode == 130
    assert err.endswith("interrupted\n")
    assert not list(tmp_path.glob("rilaas-*")), "its sockets' folder is left"


def own_temporary(tmp_path):
    return {**os.environ, "TMPDIR": str(tmp_path)}


def test_when_one_model_cannot_load_the_server_does_not_wait_for_the_others(start, endless, make_model, tmp_path):
    broken = make_model(tmp_path / "broken", "broken")
    (broken / "hooks.py").write_text("1 / 0\n")
    process = start("serve", endless, broken, "--insecure", "--listen", "127.0.0.1:0")
    _, err = process.communicate(timeout=LESS_THAN_LOADING_MAY_TAKE_S)
    assert process.returncode == 9
    assert "ZeroDivisionError" in err


@pytest.mark.parametrize("port", ["\u00b2", "65536", "-1", ""])
def test_a_port_that_is_none_is_told(call, model, port):
    done = call("serve", model, "--insecure", "--listen", f"127.0.0.1:{port}")
    assert done.code == 2
    assert "is not an address" in done.error
    assert "hint: Write HOST:PORT" in done.error


def test_a_port_that_is_taken_is_told(start, model):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        process = start("serve", model, "--insecure", "--listen", address)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 8
    assert f"error: Cannot listen on {address}." in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("flag", "word"), [("--suite", "There is no suite"), ("--balancer", "no balancing policy")])
def test_a_demo_tells_a_wrong_name_before_it_starts_anything(call, tmp_path, flag, word):
    done = call("up", "--demo", flag, "nosuch")
    assert done.code in (2, 3)
    assert word in done.error
    assert not (tmp_path / "out").exists()


def test_an_evaluation_tells_a_wrong_latency_before_it_loads_the_model(call, tmp_path):
    done = call("evaluate", tmp_path / "no-such-folder", "--suite", "quick-look", "--latency", "late")
    assert done.code == 2
    assert "'late' is not a latency" in done.error
