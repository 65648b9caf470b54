"""A hub as a process, and people's browsers."""

import http.cookiejar
import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

CLOSED = {"RILAAS_DATABASE_URL": "", "RILAAS_REDIS_URL": "", "RILAAS_PROMETHEUS_URL": ""}


class Hub:
    """``rilaas hub`` on a home; use it in a ``with``.

    Args:
        home: Its folder.
        env: Variables besides this process's.
    """

    def __init__(self, home, **env):
        home.mkdir(parents=True, exist_ok=True)
        words = ["hub", "--listen", "127.0.0.1:0", "--home", str(home), "--ready", "-"]
        with (home / "hub.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rilaas.cli", *words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **CLOSED, **env},
            )
        ready = self.process.stdout.readline()
        if not ready:
            raise SystemExit((home / "hub.log").read_text())
        self.ready = json.loads(ready)
        self.url = self.ready["url"]
        self.token = Path(self.ready["token_file"]).read_text().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()

    def memory_mb(self):
        """Resident memory of the process that answers [MB]; its worker is another one."""
        line = next(
            row for row in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if "VmRSS" in row
        )
        return int(line.split()[1]) * 1024 / 1e6

    def processor_s(self):
        """Processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Browser:
    """A person who has signed in.

    Args:
        url: The hub's.
        entry: The link that signs the person in; the address of the whole, or from ``/enter/`` on.
    """

    def __init__(self, url, entry):
        self.url, self.cookies = url, http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.post(entry, act="enter")

    def get(self, path):
        """Status and body of a page."""
        try:
            with self._opener.open(urllib.parse.urljoin(self.url, path), timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def post(self, path, **form):
        """Send a form of a page."""
        token = self.get(path)[1].decode().split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        body = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token}).encode()
        with self._opener.open(urllib.parse.urljoin(self.url, path), body, timeout=30) as answer:
            return answer.read()


def fill(home, models, robots, episodes, metrics="-", **env):
    """Fill the hub's database in a process of its own, for settings are read once; returns what that said."""
    command = [sys.executable, str(Path(__file__).with_name("hub_filling.py"))]
    command += [str(models), str(robots), str(episodes), metrics]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env={**os.environ, **CLOSED, **env, "RILAAS_HOME": str(home)}
    )
    return json.loads(done.stdout)
