"""The hub as a process of its own, for tests that need a real one."""

import http.cookiejar
import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from rilaas.wire import HubConnection

OPEN = {"RILAAS_DATABASE_URL": "", "RILAAS_REDIS_URL": "", "RILAAS_PROMETHEUS_URL": ""}


class HubProcess:
    """``rilaas hub`` on a free port; use it in a ``with``, ``kill`` and ``start`` it again as a test needs.

    Args:
        home: Its home folder.
        env: Variables besides this process's.
    """

    def __init__(self, home, **env):
        self.home, self._env = Path(home), env
        self.process, self.port = None, 0

    def start(self):
        """Start it, on the port that it had before; returns itself when it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "rilaas.cli", "hub", "--listen", f"127.0.0.1:{self.port}"]
        with (self.home / "hub.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--home", str(self.home), "--ready", "-"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **OPEN, **self._env},
            )
        line = self.process.stdout.readline()
        assert line, self.log
        self.ready = json.loads(line)
        self.url = self.ready["url"]
        self.port = urllib.parse.urlsplit(self.url).port
        self.token = Path(self.ready["token_file"]).read_text().strip()
        return self

    @property
    def log(self):
        """What it wrote."""
        return (self.home / "hub.log").read_text()

    def connect(self, token=None):
        """A connection as the person who runs the hub, or with another token; close it."""
        return HubConnection(self.url, self.token if token is None else token)

    def kill(self):
        """End it the hard way."""
        self._end(signal.SIGKILL)

    def stop(self):
        """End it as a person would."""
        self._end(signal.SIGTERM)

    def _end(self, how):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process.stdout.close()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Visitor:
    """A person's browser without JavaScript: cookies, and forms with their CSRF token."""

    def __init__(self, url):
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, path):
        """A page's text."""
        with self._opener.open(urllib.parse.urljoin(self.url, path), timeout=30) as answer:
            return answer.read().decode()

    def post(self, path, **form):
        """Send a form of the page; returns the text of the page that it leads to."""
        token = self.get(path).split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        body = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token}, doseq=True).encode()
        with self._opener.open(urllib.parse.urljoin(self.url, path), body, timeout=30) as answer:
            return answer.read().decode()
