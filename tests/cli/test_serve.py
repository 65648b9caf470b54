"""Servers that do not come up, or are ended before they are; those that do are in tests/end_to_end."""

import json
import os
import signal
import socket

import pytest

from rilaas.cli.lifetime import check_free
from rilaas.core import Unavailable
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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(start, endless, tmp_path, host):
    (tmp_path / "access.toml").write_text("[robots]\n")
    route = 'access = "access.toml"\n[[servers]]\nname = "a"\nmodels = ["straight"]\n'
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"{host}:{other.getsockname()[1]}"
        (tmp_path / "route.toml").write_text(f'listen = "{address}"\n{route}')
        for arguments in (("serve", endless, "--insecure", "--listen", address), ("route", "--config", "route.toml")):
            process = start(*arguments, cwd=tmp_path)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 8
            first, second = err.splitlines()
            assert first == f"error: Cannot listen on {address}: Address already in use."
            assert second.startswith("hint: Choose another port")


def test_a_port_that_was_taken_meanwhile_is_told_without_the_raw_words_of_grpc(start, make_model, tmp_path):
    slow = make_model(tmp_path / "slow", "slow")
    (slow / "hooks.py").write_text(
        "import time\nprint('loading', flush=True)\ntime.sleep(1)\n" + (slow / "hooks.py").read_text()
    )
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # until it listens, others may bind too
        other.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{other.getsockname()[1]}"
        process = start("serve", slow, "--insecure", "--listen", address)
        until_loading(process)
        other.listen()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 8
    assert f"error: Cannot listen on {address}." in err
    assert "add_port" not in err


@pytest.mark.parametrize("address", ["192.0.2.1:8001", "no-such-host.invalid:8001"])
def test_a_host_that_is_not_ours_is_told(address):
    with pytest.raises(Unavailable, match=f"Cannot listen on {address}: "):
        check_free(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::]", "0.0.0.0"])
def test_a_free_port_is_not_complained_about(host):
    check_free(f"{host}:0")


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


def test_what_is_stored_is_served_under_the_name_that_it_has_there(call, make_model, tmp_path, start):
    home = tmp_path / "home"
    for name, options in (("straight", ()), ("left", ("--as", "straight:1", "--variant", "small"))):
        folder = make_model(tmp_path / name, "straight", left=0.2 if name == "straight" else 0.1)
        assert call("push", folder, "--home", home, *options).code == 0
    words = ("straight@small", "other:7=straight:1", "--insecure", "--listen", "127.0.0.1:0", "--home", home)
    process = start("serve", *words, "--ready", "-")
    ready = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LESS_THAN_LOADING_MAY_TAKE_S)
    assert sorted(each["ref"] for each in ready["models"]) == ["other:7", "straight:1@small"]


def test_what_is_neither_a_folder_nor_stored_is_told(call, tmp_path):
    done = call("serve", "straight:1@small", "--insecure", "--home", tmp_path / "home")
    assert (done.code, "no model 'straight' in the store" in done.error) == (3, True)
    assert "does not exist" in call("serve", "./gone", "--insecure").error
