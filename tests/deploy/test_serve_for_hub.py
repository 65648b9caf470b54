"""``rilaas serve --hub``: a whole server, filled by a hub, asked over gRPC."""

import os
import signal
import sys
import time
import urllib.request

import grpc
import numpy as np
import pytest

from rilaas.core import Unavailable
from rilaas.deploy import ServiceProcess
from rilaas.wire import SERVICE, decode_response, encode_request
from tests.deploy.fake_hub import TOKEN
from tests.processes import processes_of


def until(holds):
    while not holds():
        time.sleep(0.02)


def ask(address, version="", model="alice/m"):
    body = encode_request(model, version, {"x": np.ones((1, 3), np.float32)})
    with grpc.insecure_channel(address) as channel:
        reply = channel.unary_unary(f"/{SERVICE}/ModelInfer")(body, timeout=30)
    return float(decode_response(reply).tensors["y"][0, 0])


@pytest.fixture
def server(hub, tmp_path):
    """Makes ``rilaas serve`` for the hub, with a home of its own; it is ended after the test."""
    made = []
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "tmp").mkdir()

    def make(*more, url="", name="edge-1"):
        argv = [sys.executable, "-m", "rilaas.cli", "serve", "--hub", url or hub.url, "--name", name, "--insecure"]
        argv += ["--listen", "127.0.0.1:0", "--token-file", str(tmp_path / "token"), "--home", str(tmp_path / "home")]
        argv += ["--metrics", "127.0.0.1:0", "--ready", "-", *more]
        env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
        made.append(ServiceProcess("serve", argv, tmp_path / "serve.log", env, restart=False))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_a_server_is_up_at_once_and_filled_by_the_hub(hub, server, affine, tmp_path):
    serve = server("--kind", "cloud", "--added-delay", "0.02")
    ready = serve.start()
    assert ready["models"] == []
    with pytest.raises(grpc.RpcError, match="No model 'alice/m' is served here"):
        ask(ready["address"])
    hub.want(("alice/m:1", hub.keep(affine(2))), ("alice/m:2", hub.keep(affine(3))))
    until(lambda: hub.is_told("alice/m:1", "ready") and hub.is_told("alice/m:2", "ready"))
    assert [ask(ready["address"], version) for version in ("1", "2")] == [3.0, 4.0]
    told = {key: value for key, value in hub.reports[-1].items() if key != "placements"}
    assert told == {
        "address": ready["address"],
        "insecure": True,
        "metrics": ready["metrics"],
        "kind": "cloud",
        "added_delay_s": 0.02,
    }
    with urllib.request.urlopen(f"http://{ready['metrics']}/metrics") as answer:
        assert 'rilaas_serve_model_ready{model="alice/m",version="2"} 1' in answer.read().decode()
    serve.stop()  # in the middle of a question that the hub holds
    assert serve.exit_code == 0
    assert not processes_of(tmp_path / "home")
    assert not list((tmp_path / "tmp").glob("rilaas-*")), "its sockets' folder is left"


def test_a_server_that_is_killed_leaves_nobody_and_starts_again_without_the_hub(hub, server, affine, tmp_path):
    hub.want(("alice/m:1", hub.keep(affine(2))))
    serve = server()
    serve.start()
    until(lambda: hub.is_told("alice/m:1", "ready"))
    hub.stop()
    os.kill(serve.pid, signal.SIGKILL)
    until(lambda: not processes_of(tmp_path / "home"))
    ready = server().start()

    def answers():
        try:
            return ask(ready["address"], "1") == 3.0
        except grpc.RpcError:
            return False

    until(answers)
    hub.start()
    hub.reports.clear()
    until(lambda: hub.is_told("alice/m:1", "ready"))


def test_a_token_that_is_wrong_is_told_in_the_log_and_can_be_exchanged(hub, server, affine, tmp_path):
    hub.want(("alice/m:1", hub.keep(affine(2))))
    (tmp_path / "token").write_text("rilaas_other")
    serve = server()
    serve.start()
    until(lambda: "Nobody has this token" in serve.log_path.read_text())
    (tmp_path / "token").write_text(TOKEN)
    until(lambda: hub.is_told("alice/m:1", "ready"))
    assert serve.log_path.read_text().count("Nobody has this token") == 1, "a trouble is told once"


def test_a_second_server_of_the_same_name_ends_and_says_why(hub, server):
    server().start()
    second = server()
    second.start()
    until(lambda: second.exit_code is not None)
    assert second.exit_code == 8
    with pytest.raises(Unavailable, match="Another server runs with the folder .*edge-1"):
        second.check()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["models/a"], "serves model FOLDERs, or what a --hub wants"),
        (["--name", "Edge/1"], "'Edge/1' is not a server's name"),
        (["--token-file", "nosuch"], "The token file nosuch cannot be read"),
        (["--hub", "ftp://x"], "is not the URL of a hub"),
        (["--hub", ""], "serves model FOLDERs, or what a --hub wants"),
        (["--name", ""], "needs a name and a token"),
    ],
    ids=str,
)
def test_what_is_wrong_on_the_command_line_is_told(server, words, told):
    with pytest.raises(Unavailable, match=told):
        server(*words).start()


def test_a_server_that_listens_everywhere_says_how_it_is_reached(server, tmp_path):
    with pytest.raises(Unavailable, match="cannot tell interceptors to go to 0.0.0.0:0"):
        server("--listen", "0.0.0.0:0", "--tls", str(tmp_path / "tls")).start()
