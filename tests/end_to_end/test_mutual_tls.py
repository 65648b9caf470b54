"""Between machines of a fleet: a server admits only those with a certificate of its own authority."""

import json
import subprocess
import sys

import grpc
import numpy as np
import pytest

from rilaas.client import RobotClient
from rilaas.wire import METHODS, client_credentials, ensure_authority, generate_key
from tests.model_folders import write_affine_model


def start(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "rilaas.cli", *map(str, arguments), "--ready", "-", "-q"],
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, json.loads(process.stdout.readline())["address"]


@pytest.fixture
def secured(tmp_path):
    """A server and an interceptor that talk TLS to each other; yields the folder and both addresses."""
    model = write_affine_model(tmp_path / "affine", name="affine", a=2.0, b=1.0, size=3)
    server, behind = start("serve", model, "--listen", "127.0.0.1:0", "--tls", tmp_path / "tls")
    key = generate_key(tmp_path / "robot").public
    (tmp_path / "access.toml").write_text(f'[robots.r]\nkeys = ["{key.line}"]\n[robots.r.models."*"]\n')
    (tmp_path / "route.toml").write_text(
        'listen = "127.0.0.1:0"\naccess = "access.toml"\n[tls]\nauthority = "tls"\n'
        f'[[servers]]\nname = "far"\nkind = "cloud"\naddress = "{behind}"\n'
    )
    route, front = start("route", "--config", tmp_path / "route.toml")
    yield tmp_path, front, behind
    for process in (route, server):
        process.terminate()
        process.wait(20)
        process.stdout.close()


def ready(address, credentials):
    with grpc.secure_channel(address, credentials) as channel:
        return channel.unary_unary(METHODS["ServerReady"].path)(b"", timeout=5)


def test_a_robot_reaches_a_server_through_both_and_nobody_passes_by_the_interceptor(secured):
    folder, front, behind = secured
    ca = folder / "tls" / "ca.pem"
    with RobotClient(front, "affine", "", folder / "robot", ca) as robot:
        answer = robot.predict({"x": np.ones((1, 3), np.float32)})
        assert np.allclose(answer["y"], 3)
        assert answer.timing.server == "far"
    with pytest.raises(grpc.RpcError):
        ready(behind, client_credentials(ca))  # a robot has no certificate
    other = ensure_authority(folder / "other")
    stranger = other.issue("stranger", hosts=["localhost"], client=True)
    with pytest.raises(grpc.RpcError):
        ready(behind, client_credentials(ca, stranger.cert_path, stranger.key_path))
    mine = ensure_authority(folder / "tls").issue("friend", hosts=["localhost"], client=True)
    assert ready(behind, client_credentials(ca, mine.cert_path, mine.key_path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "0.0.0.0:0", "--insecure"], "loopback only"),
        (["--listen", "127.0.0.1:0"], "needs certificates"),
        (["--listen", "nonsense", "--insecure"], "not an address"),
    ],
)
def test_a_server_in_clear_text_stays_on_loopback(tmp_path, arguments, words):
    model = write_affine_model(tmp_path / "affine", name="affine", a=2.0, b=1.0, size=3)
    command = [sys.executable, "-m", "rilaas.cli", "serve", str(model), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
