"""The hub is killed in the middle of deployments: what it acknowledged comes true, and robots are answered."""

import contextlib
import hashlib
import threading
import time

import numpy as np
import pytest

from rilaas.client import RobotClient
from rilaas.core import RilaasError
from rilaas.store import pack
from rilaas.wire import ensure_authority, generate_key
from tests.hub.test_robot_set_up import machine_options, running
from tests.hub_process import HubProcess
from tests.model_folders import write_affine_model

DEPLOYMENT, ALIAS = "/api/v1/deployments/local/affine", "/api/v1/models/local/affine/aliases/prod"


class Robot:
    """Asks without a pause, and counts its answers by what the version adds; it notes what was refused."""

    def __init__(self, address, key, ca):
        self._client = RobotClient(address, "affine", "", key, ca)
        self.answers, self.refusals = [], []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self):
        while not self._over.wait(0.005):
            try:
                outputs = self._client.predict({"x": np.zeros((1, 3), np.float32)})
                self.answers.append(float(outputs["y"].flat[0]))
            except RilaasError as error:
                self.refusals.append(error)

    def newest(self, count=20):
        """The values of the next answers."""
        begin = len(self.answers)
        until(lambda: len(self.answers) >= begin + count)
        return set(self.answers[begin:])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._client.close()


def until(condition, what=lambda: "it never happened"):
    end = time.monotonic() + 90.0
    while not (value := condition()):
        assert time.monotonic() < end, what()
        time.sleep(0.05)
    return value


class Fleet:
    """A hub that can be killed, one server, one interceptor."""

    def __init__(self, folder, stack):
        self.folder, self.home = folder, folder / "home"
        self.ca = ensure_authority(self.home / "tls").cert_path
        self.hub = stack.enter_context(HubProcess(self.home))
        with self.hub.connect() as api:
            server = machine_options(self.hub, api, folder, "server", "edge-1")
            route = machine_options(self.hub, api, folder, "interceptor", "route-1")
        stack.enter_context(running(folder, "serve", *server, "--insecure"))
        told = stack.enter_context(running(folder, "route", *route, "--tls", str(self.home / "tls")))
        self.address = told["address"]

    def call(self, method, *args, **query):
        with self.hub.connect() as api:
            return getattr(api, method)(*args, **query)

    def push(self, added):
        """A version of which every answer is ``added``."""
        folder = write_affine_model(self.folder / f"affine-{added}", b=float(added))
        archive = pack(folder, self.folder / f"{added}.tar.gz").read_bytes()
        sha256 = hashlib.sha256(archive).hexdigest()
        self.call("put", f"/api/v1/uploads/{sha256}", archive, size_bytes=len(archive))
        self.call("post", "/api/v1/models/local/affine/versions", {"sha256": sha256, "size_bytes": len(archive)})

    def acknowledged_then_killed(self, method, *args, **query):
        """The act is answered; the hub is killed at once, is away for a while, and comes back."""
        self.call(method, *args, **query)
        self.hub.kill()
        time.sleep(0.5)
        self.hub.start()

    def until_it_is(self, **wanted):
        def is_so():
            now = self.call("get", DEPLOYMENT)
            return all(now[name] == value for name, value in wanted.items()) and now

        return until(is_so, lambda: f"{self.call('get', DEPLOYMENT)} {self.hub.log}"[-4000:])

    def promote(self, revision):
        now = self.call("get", "/api/v1/models/local/affine/aliases")[0]
        return "put_json", ALIAS, {"revision": revision, "generation": now["generation"]}


@pytest.mark.timeout(300)
def test_a_hub_that_is_killed_during_deployments_loses_nothing_and_robots_are_answered_throughout(tmp_path):
    with contextlib.ExitStack() as stack:
        fleet = Fleet(tmp_path, stack)
        fleet.push(1)
        fleet.push(2)
        key = generate_key(tmp_path / "id")
        fleet.call("post", "/api/v1/robots", {"name": "lab", "keys": key.public.line})
        fleet.call("put_json", "/api/v1/robots/local/lab/models/local/affine", {"rate_per_s": None})
        until(lambda: fleet.call("get", "/api/v1/machines")["servers"])
        fleet.call("put_json", ALIAS, {"revision": "1", "generation": 0})
        fleet.acknowledged_then_killed("post", DEPLOYMENT)
        fleet.until_it_is(state="ready", serving="1")
        until(lambda: fleet.call("get", "/api/v1/machines")["interceptors"][0]["behind"] == 0)

        robot = stack.enter_context(Robot(fleet.address, tmp_path / "id", fleet.ca))
        assert robot.newest() == {1.0}
        fleet.acknowledged_then_killed(*fleet.promote("2"))
        fleet.until_it_is(state="ready", serving="2", previous="1")
        until(lambda: robot.newest() == {2.0})

        now = fleet.call("get", DEPLOYMENT)
        canary = {"revision": "1", "share": 0.5, "generation": now["generation"]}
        fleet.acknowledged_then_killed("put_json", f"{DEPLOYMENT}/canary", canary)
        until(lambda: robot.newest(60) == {1.0, 2.0})

        now = fleet.call("get", DEPLOYMENT)
        wanted = {"servers": ["edge-1"], "replicas": 2, "generation": now["generation"]}
        fleet.acknowledged_then_killed("put_json", DEPLOYMENT, wanted)
        now = fleet.until_it_is(state="ready", canary=None)
        assert {row["replicas_ready"] for row in now["placements"] if row["role"] == "serving"} == {2}
        until(lambda: robot.newest() == {2.0})
        assert robot.refusals == []

        kid = fleet.call("get", "/api/v1/robots/local/lab")["keys"][0]["kid"]
        fleet.acknowledged_then_killed("delete", "/api/v1/robots/local/lab/keys", kid=kid)
        until(lambda: robot.refusals)
        begin = len(robot.answers)
        until(lambda: len(robot.refusals) > 20)
        assert len(robot.answers) == begin, "a key that is revoked stays so"
