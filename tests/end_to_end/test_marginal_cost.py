"""The learned policy in real processes: two servers with two models each, an interceptor that starts again."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from rilaas.client import RobotClient
from rilaas.core import DeadlineExceeded
from rilaas.wire import ensure_authority, generate_key
from tests.model_folders import write_python_model
from tests.route.fake_hub import eventually

SLEEPY = """
import time
class Model:
    def __init__(self, folder, session): pass
    def predict(self, inputs):
        time.sleep({seconds})
        return {{"y": inputs["x"]}}
    def reset(self): pass
"""
X = {"x": np.ones((1, 3), np.float32)}
REPLICAS = {"edge-1": 2, "cloud-1": 1}
MODELS = {"short": 0.01, "long": 0.4}
ROUTE = """
listen = "127.0.0.1:0"
metrics = "127.0.0.1:0"
balancer = "marginal_cost"
access = "access.toml"
[tls]
authority = "tls"
[balancing]
state = "state"
[models.long]
shed = true
"""


@contextlib.contextmanager
def running(folder, *arguments):
    """A verb that runs; gives what it says when it is ready."""
    command = [sys.executable, "-m", "rilaas.cli", *arguments, "--ready", "-"]
    with (folder / f"{arguments[0]}.log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@pytest.fixture
def servers(tmp_path):
    """Two servers, and all that an interceptor before them needs."""
    ensure_authority(tmp_path / "tls")
    key = generate_key(tmp_path / "id").public
    grants = "".join(f'[robots.r.models."{name}"]\nrate_per_s = 1000\nburst = 100\n' for name in MODELS)
    (tmp_path / "access.toml").write_text(f'[robots.r]\nkeys = ["{key.line}"]\n{grants}')
    with contextlib.ExitStack() as stack:
        rows = [ROUTE]
        models = [
            write_python_model(tmp_path / name, SLEEPY.format(seconds=seconds), name=name)
            for name, seconds in MODELS.items()
        ]
        for name, replicas in REPLICAS.items():
            flags = ["--listen", "127.0.0.1:0", "--insecure", "--replicas", str(replicas)]
            said = stack.enter_context(running(tmp_path, "serve", *map(str, models), *flags))
            rows.append(f'[[servers]]\nname = "{name}"\nkind = "{name[:-2]}"\naddress = "{said["address"]}"\n')
            rows.append("insecure = true\n")
        (tmp_path / "route.toml").write_text("".join(rows))
        yield tmp_path


class Routed:
    """A running interceptor, and a robot's client for each model."""

    def __init__(self, folder, said, stack):
        self._metrics = said["metrics"]
        self._log = folder / "route.log"
        files = folder / "id", folder / "tls" / "ca.pem"
        self.robots = {name: stack.enter_context(RobotClient(said["address"], name, "", *files)) for name in MODELS}

    def get(self, path):
        with urllib.request.urlopen(f"http://{self._metrics}{path}", timeout=20) as answer:
            return answer.read().decode()

    def decisions(self, model):
        return json.loads(self.get(f"/decisions?last=100&model={model}"))["decisions"]

    def guard(self):
        """The guard's figures in the metrics, by name."""
        row = r'rilaas_route_balancer_guard\{balancer="marginal_cost",figure="(.*)"\} (.*)'
        return {name: float(value) for name, value in re.findall(row, self.get("/metrics"))}

    def log_has(self, words, count=1):
        return self._log.read_text().count(words) >= count


@contextlib.contextmanager
def routed(folder):
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(running(folder, "route", "--config", "route.toml"))
        yield Routed(folder, said, stack)


def test_it_routes_tells_why_sheds_and_goes_on_after_a_restart(servers):
    with routed(servers) as route:
        eventually(lambda: route.log_has(" answers in ", len(MODELS) * len(REPLICAS)))
        with pytest.raises(DeadlineExceeded, match=r"No server can answer 'long' within .* would be the first"):
            route.robots["long"].predict(X, deadline_s=0.1)
        asked = [route.robots[name].submit(X) for _ in range(6) for name in MODELS]
        for future in asked:
            assert np.array_equal(future.result(30)["y"], X["x"])
        answered = [each for name in MODELS for each in route.decisions(name) if each["outcome"] == "ok"]
        assert len(answered) == len(asked)
        assert {each["server"] for each in answered} == set(REPLICAS)
        for each in answered:
            (attempt,) = each["attempts"]
            own_s, price_s = attempt["figures"]["own_s"], attempt["figures"]["price_s"]
            assert attempt["is_fallback"] is False
            totals = {name: own + price for name, own, price in zip(attempt["servers"], own_s, price_s, strict=True)}
            assert each["server"] == min(totals, key=totals.get)
        assert any(price_s for each in answered for price_s in each["attempts"][0]["figures"]["price_s"])
        eventually(lambda: route.guard().keys() == {"fallback", "prediction_error"})
        assert 'rilaas_route_shed_total{model="long"} 1' in route.get("/metrics")
    (file,) = (servers / "state").iterdir()
    known = json.loads(file.read_bytes().partition(b"\n")[2])["servers"]
    for name, replicas in REPLICAS.items():
        assert known[name]["slots"] == dict.fromkeys(MODELS, replicas), "as the server itself says, for each model"
        for model, seconds in MODELS.items():
            assert known[name]["models"][model]["service_s"]["mean"] >= seconds
    with routed(servers) as route:
        assert route.log_has("marginal_cost goes on from its state")
        with pytest.raises(DeadlineExceeded, match="No server can answer 'long'"):
            route.robots["long"].predict(X, deadline_s=0.1)
