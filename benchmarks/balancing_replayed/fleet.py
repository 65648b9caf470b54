"""Servers, links, interceptors and nginx as processes on loopback; only what was started here is ended."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from rilaas.wire import audience, generate_key, load_private_key, sign_token

from .nginx import Nginx
from .place import UPLOAD_SHARE, write_models
from .replay import Client, Way

STOP_S = 30.0
ROBOT = "fleet"


class Fleet:
    """The servers behind their distances, and a client; starts on ``with``, ends after it.

    Args:
        folder: For everything that is written; made here.
        places: What to start.
        seed: Of the distances.

    Attributes:
        client: Sends requests.
    """

    def __init__(self, folder, places, seed=0):
        self._folder, self.places, self._seed = Path(folder), places, seed
        self._stack = contextlib.ExitStack()
        self._links = {}  # name -> host:port of the link to it
        self._routes = 0

    def __enter__(self):
        self._folder.mkdir(parents=True)
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *error):
        self._stack.close()

    @contextlib.contextmanager
    def interceptor(self, balancer, names=None):
        """A fresh ``rilaas route`` to these servers, all of them where None; yields the ``Way`` to it."""
        self._routes += 1
        path = self._folder / f"route-{self._routes}.toml"
        path.write_text(self._route(balancer, names))
        with self._process(["route", "--config", str(path)], f"route-{self._routes}") as process:
            address = self._ready(process, f"route-{self._routes}")["address"]
            token = sign_token(load_private_key(self._folder / "robot"), audience("127.0.0.1"), lifetime_s=300)
            yield Way(address, {"authorization": f"Bearer {token}"}, {})

    @contextlib.contextmanager
    def nginx(self, method, names=None):
        """A fresh nginx before these servers, all of them where None; yields the ``Way`` to it."""
        self._routes += 1
        links = {name: address for name, address in self._links.items() if names is None or name in names}
        with Nginx(self._folder / f"nginx-{self._routes}", method, list(links.values())) as running:
            yield Way(running.address, {}, {address: name for name, address in links.items()})

    def _start(self):
        self.client = self._stack.enter_context(Client())
        key = generate_key(self._folder / "robot").public
        grant = f'[robots.{ROBOT}.models."*"]\nrate_per_s = 1000000\nburst = 100000\n'
        (self._folder / "access.toml").write_text(f'[robots.{ROBOT}]\nkeys = ["{key.line}"]\n{grant}')
        running = []
        for place in self.places:
            folders = [str(path) for path in write_models(self._folder, place)]
            listening = ["--listen", "127.0.0.1:0", "--insecure", "--replicas", str(place.slots)]
            process = self._stack.enter_context(self._process(["serve", *folders, *listening], place.name))
            running.append((place, process))
        links = []
        for index, (place, process) in enumerate(running):
            port = int(self._ready(process, place.name)["address"].rpartition(":")[2])
            mean_s, std_s = place.network_s()
            shares = {"up_s": UPLOAD_SHARE, "down_s": 1.0 - UPLOAD_SHARE}
            link = {key: (share * mean_s, share * std_s) for key, share in shares.items()}
            links.append({**link, "to": port, "seed": 1000 * self._seed + index})
        relay = [sys.executable, str(Path(__file__).parent / "relay.py"), json.dumps(links)]
        process = self._stack.enter_context(self._process(relay, "relay"))
        ports = self._ready(process, "relay")
        self._links = {place.name: f"127.0.0.1:{port}" for place, port in zip(self.places, ports, strict=True)}

    def _route(self, balancer, names):
        lines = ['listen = "127.0.0.1:0"', f'balancer = "{balancer}"', 'access = "access.toml"']
        lines += ["[balancing]", "state = false", "warm_up = false"]  # each one begins with nothing
        for place in self.places:
            if names is None or place.name in names:
                lines += ["[[servers]]", f'name = "{place.name}"', f'kind = "{place.kind}"', "insecure = true"]
                lines += [f'address = "{self._links[place.name]}"']
        return "\n".join(lines) + "\n"

    @contextlib.contextmanager
    def _process(self, command, name):
        """Start a verb of ``rilaas``, or any command whose first word is a program; end it."""
        if command[0] in ("serve", "route"):
            command = [sys.executable, "-m", "rilaas.cli", *command, "--ready", "-", "-q"]
        with (self._folder / f"{name}.log").open("w") as log:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, env=environment
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()

    def _ready(self, process, name):
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} did not start: {(self._folder / f'{name}.log').read_text()}")
        return json.loads(line)
