"""What a robot's page says is pasted on a robot: a real hub, a real server, a real interceptor answer it."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time

import pytest

from rilaas.store import pack
from rilaas.wire import ensure_authority
from tests.hub_process import HubProcess
from tests.model_folders import write_affine_model


@contextlib.contextmanager
def running(folder, *words, **env):
    """A verb of rilaas that serves, until the end of the ``with``; gives what it said when it was ready."""
    with (folder / "out.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rilaas.cli", *words, "--ready", "-"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **env},
        )
    try:
        line = process.stdout.readline()
        assert line, (folder / "out.log").read_text()
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def machine_options(hub, api, folder, scope, name):
    """What every machine is started with; its token is made."""
    path = folder / f"{name}.token"
    path.touch(0o600)
    path.write_text(api.post("/api/v1/tokens", {"name": name, "scopes": [scope], "subject": name})["token"])
    home = ["--home", str(folder / name)]
    return ["--hub", hub.url, "--name", name, "--token-file", str(path), "--listen", "127.0.0.1:0", *home]


def push(api, folder):
    """A model becomes version 1 of local/affine."""
    archive = pack(write_affine_model(folder / "affine"), folder / "affine.tar.gz").read_bytes()
    sha256 = hashlib.sha256(archive).hexdigest()
    api.put(f"/api/v1/uploads/{sha256}", archive, size_bytes=len(archive))
    api.post("/api/v1/models/local/affine/versions", {"sha256": sha256, "size_bytes": len(archive)})


def paste(folder, shell, python=""):
    """What a person does with the page's two snippets, in a home folder of its own; nothing is installed again."""
    home, programs = folder / "robot", folder / "programs"
    for path in (home, programs):
        path.mkdir(exist_ok=True)
    (programs / "python3").write_text('#!/bin/sh\ntest "$*" = "-m pip install rilaas"\n')
    (programs / "python3").chmod(0o755)
    env = {**os.environ, "HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-e"], input=shell, text=True, capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    if not python:
        return done.stdout
    done = subprocess.run([sys.executable, "-"], input=python, text=True, capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(240)
def test_the_set_up_works_as_pasted(tmp_path):
    home = tmp_path / "home"
    tls = ensure_authority(home / "tls")
    with contextlib.ExitStack() as running_all:
        hub = running_all.enter_context(HubProcess(home))
        api = running_all.enter_context(hub.connect())
        push(api, tmp_path)
        robot = api.post("/api/v1/robots", {"name": "lab-1"})
        edge = machine_options(hub, api, tmp_path, "server", "edge-1")
        running_all.enter_context(running(tmp_path, "serve", *edge, "--insecure"))
        route = machine_options(hub, api, tmp_path, "interceptor", "route-1")
        running_all.enter_context(running(tmp_path, "route", *route, "--tls", str(home / "tls")))
        until(lambda: len(api.get("/api/v1/machines")["servers"]) == 1, hub, tmp_path)
        until(lambda: len(api.get("/api/v1/machines")["interceptors"]) == 1, hub, tmp_path)
        api.post("/api/v1/deployments/local/affine")
        until(lambda: api.get("/api/v1/deployments/local/affine")["state"] == "ready", hub, tmp_path)
        before = api.get("/api/v1/robots/local/lab-1/set-up")
        public = paste(tmp_path, before["shell"]).splitlines()[-1]
        assert (tmp_path / "robot/.rilaas/ca.pem").read_text() == tls.cert_path.read_text()
        api.post("/api/v1/robots/local/lab-1/keys", {"keys": public})
        api.put("/api/v1/robots/local/lab-1/models/local/affine", json.dumps({}).encode())
        after = api.get("/api/v1/robots/local/lab-1/set-up")
        said = paste(tmp_path, after["shell"], after["python"])
        assert "x: FP32 [-1, 3]" in said
        assert "'y': (1, 3)" in said
        until(lambda: api.get("/api/v1/robots/local/lab-1")["state"] == "online", hub, tmp_path)
        assert robot["state"] == "awaiting set-up"


def until(condition, hub, folder):
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end, hub.log + (folder / "out.log").read_text()
        time.sleep(0.1)
