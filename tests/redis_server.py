"""A real Redis server of a test's own: on a unix socket in a folder, without persistence unless asked for."""

import shutil
import socket
import subprocess
import time

import pytest


class RedisServer:
    """Debian's ``redis-server``; ``kill`` and ``start`` again as a test needs it.

    Attributes:
        url: For ``RILAAS_REDIS_URL`` and ``redis.from_url``.
    """

    def __init__(self, folder, *, persistent=False):
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed; scripts/install_packages.sh redis-server")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.persistent = folder, persistent
        self.path = folder / "redis.sock"
        self.url = f"unix://{self.path}"
        self.process = None

    def start(self):
        """Start it and wait until it answers."""
        self.path.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", str(self.path), "--dir", str(self.folder), "--save", ""]
        options += ["--appendonly", "yes" if self.persistent else "no"]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60.0
        while not self._answers():
            assert self.process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.01)
        return self

    def kill(self):
        """End it the hard way."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self):
        """A client; close it."""
        redis = pytest.importorskip("redis")
        return redis.Redis.from_url(self.url, socket_timeout=20.0)

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def __enter__(self):
        return self.start()

    def __exit__(self, *args):
        self.kill()
