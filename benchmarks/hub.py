"""The hub's pages with a full database, measured: time and size of each.

    python benchmarks/hub.py [--models N] [--robots N] [--episodes N] [--requests N] [--json PATH]

Fills a database of its own with 1,000 models (3 versions each), 10,000 episodes, 1,000 robots, 300 deployments,
300 datasets and 1,000 jobs, starts the hub as a process on it, signs in and asks for every page, one request at a
time. The floor of the same run is the style sheet: the same server without a database. Medians and 95th percentiles.
The limits are 200 ms and 150 kB a page. Also measured: an empty home to the first page, five times.
"""

import argparse
import http.cookiejar
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

PAGES = (
    "/static/style.css",
    "/",
    "/models",
    "/models?page=20",
    "/models?q=7",
    "/models/local/model-0",
    "/datasets",
    "/datasets/local/dataset-0",
    "/deployments",
    "/deployments/local/model-0",
    "/robots",
    "/robots/local/robot-0",
    "/metrics",
    "/evaluations",
    "/evaluations/1",
    "/evaluations/1/episodes/0",
    "/jobs",
    "/jobs/1",
    "/people",
    "/account",
    "/models.json",
    "/robots.json",
)


class Hub:
    """A hub process on a home, and a person's browser."""

    def __init__(self, home):
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "rilaas.cli",
                "hub",
                "--listen",
                "127.0.0.1:0",
                "--home",
                str(home),
                "--ready",
                "-",
            ],
            stdout=subprocess.PIPE,
            stderr=(home / "hub.log").open("w"),
            text=True,
        )
        ready = self._process.stdout.readline()
        if not ready:
            raise SystemExit((home / "hub.log").read_text())
        self.ready = json.loads(ready)
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, path):
        with self._browser.open(self.ready["url"] + path, timeout=30) as answer:
            return answer.read()

    def sign_in(self):
        page = self._browser.open(self.ready["entry"]).read().decode()
        token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = urllib.parse.urlencode({"act": "enter", "csrfmiddlewaretoken": token}).encode()
        self._browser.open(self.ready["entry"], form).read()

    def stop(self):
        self._process.terminate()
        self._process.wait(30)
        self._process.stdout.close()


def fill(home, models, robots, episodes):
    """Fill the database, in a process of its own: settings are read once."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("hub_filling.py")),
        str(models),
        str(robots),
        str(episodes),
    ]
    subprocess.run(command, check=True, env={**os.environ, "RILAAS_HOME": str(home)})


def measure(hub, requests):
    """Rows: page, median [ms], 95th percentile [ms], size [kB]."""
    rows = []
    for path in PAGES:
        times = []
        for _ in range(requests + 2):
            start = time.perf_counter()
            body = hub.get(path)
            times.append(1e3 * (time.perf_counter() - start))
        times = sorted(times[2:])
        rows.append((path, statistics.median(times), times[int(0.95 * (len(times) - 1))], len(body) / 1e3))
    return rows


def first_page_s():
    """Seconds from the command to the first page, on an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        hub = Hub(Path(folder))
        try:
            hub.sign_in()
            hub.get("/")
            return time.perf_counter() - start
        finally:
            hub.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--robots", type=int, default=1000)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    firsts = sorted(first_page_s() for _ in range(5))
    print(f"empty home to first page: {statistics.median(firsts):.2f} s (worst of 5: {firsts[-1]:.2f} s)")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home, args.models, args.robots, args.episodes)
        hub = Hub(home)
        try:
            hub.sign_in()
            rows = measure(hub, args.requests)
        finally:
            hub.stop()
    print(f"{'page':<32} {'p50 [ms]':>9} {'p95 [ms]':>9} {'size [kB]':>10}")
    for path, median, high, size in rows:
        mark = "" if high <= 200 and size <= 150 else "  over the limit"
        print(f"{path:<32} {median:>9.1f} {high:>9.1f} {size:>10.1f}{mark}")
    if args.json:
        names = ("page", "p50_ms", "p95_ms", "size_kb")
        pages = [dict(zip(names, row, strict=True)) for row in rows]
        args.json.write_text(json.dumps({"first_page_s": firsts, "pages": pages}, indent=2) + "\n")


if __name__ == "__main__":
    main()
