"""The hub's pages with a full database, measured: time and size of each, as HTML and as JSON.

    python benchmarks/hub.py [--models N] [--robots N] [--episodes N] [--requests N] [--json PATH]

Fills a database of its own with 1,000 models (one with 200 versions on 48 servers), 10,000 episodes, 1,000 robots,
300 deployments, 300 datasets, 1,200 jobs, 200 runs, 100,000 samples; starts the hub as a process on it beside an
endpoint of 9,900 series of metrics, and asks for every page, one request at a time, as who runs the hub and as
somebody who owns little. The floor of the same run is the style sheet: the same server without a database. The limits
are 200 ms (95th percentile) and 150 kB a page. Also measured: an empty home to the first page, five times.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from hub_metrics import many_series

from hub_process import Browser, Hub, fill

LIMIT_MS, LIMIT_KB = 200.0, 150.0
FLOOR = "/static/style.css"
# By a page's address: what is asked for; {run}, {job} are numbers and {me} is who asks.
PATHS = {
    "": ("/",),
    "models": ("/models", "/models?page=20", "/models?q=7"),
    "models/new": ("/models/new",),
    "models/<part:owner>/<part:name>": (
        "/models/local/model-0",
        "/models/local/model-0?revision=1&page=4",
        "/models/local/scale",
    ),
    "models/<part:owner>/<part:name>/new": ("/models/local/model-0/new",),
    "models/<part:owner>/<part:name>/try": ("/models/local/model-0/try",),
    "models/<part:owner>/<part:name>/runs": ("/models/local/scale/runs",),
    "datasets": ("/datasets", "/datasets?q=7"),
    "datasets/new": ("/datasets/new",),
    "datasets/<part:owner>/<part:name>": ("/datasets/local/rows",),
    "datasets/<part:owner>/<part:name>/versions/<int:number>/samples/<int:index>": (
        "/datasets/local/rows/versions/1/samples/7",
    ),
    "deployments": ("/deployments", "/deployments?page=6"),
    "deployments/<part:owner>/<part:name>": ("/deployments/local/model-0",),
    "robots": ("/robots", "/robots?state=online&q=7"),
    "robots/<part:owner>/<part:name>": ("/robots/{me}/robot-0",),
    "metrics": ("/metrics", "/metrics?group=robot&range=5m", "/metrics?group=server&range=1d"),
    "evaluations": ("/evaluations", "/evaluations?suite=lf&page=2"),
    "evaluations/compare": ("/evaluations/compare?a=1&b=3",),
    "evaluations/<int:evaluation_id>": ("/evaluations/1",),
    "evaluations/<int:evaluation_id>/episodes/<int:index>": ("/evaluations/1/episodes/7",),
    "events": ("/events", "/events?act=pushed&page=50"),
    "jobs": ("/jobs", "/jobs?everyone=1"),
    "jobs/<int:job_id>": ("/jobs/{job}",),
    "people": ("/people",),
    "account": ("/account",),
    "runs/<int:run_id>": ("/runs/{run}", "/runs/{run}?order=number&page=100"),
    "runs/<int:run_id>/samples/<int:index>": ("/runs/{run}/samples/7",),
}
OPEN = {"sign-in", "enter/<str:text>"}  # before anybody has signed in: no data
NOT_FOR_ALL = ("/people", "/events", "everyone=1")


def twin(path):
    """The address of the same as JSON."""
    place, mark, query = path.partition("?")
    return f"{'/home' if place == '/' else place}.json{mark}{query}"


def measure(browser, paths, requests):
    """Rows: page, median [ms], 95th percentile [ms], size [kB]; ends the program where a page is not there."""
    rows = []
    for path in paths:
        times = []
        for _ in range(requests + 2):
            start = time.perf_counter()
            status, body = browser.get(path)
            times.append(1e3 * (time.perf_counter() - start))
            if status != 200:
                raise SystemExit(f"{path} answers {status}: {body[-300:].decode()}")
        times = sorted(times[2:])
        rows.append((path, statistics.median(times), times[int(0.95 * (len(times) - 1))], len(body) / 1e3))
    return rows


def first_page_of_hub_s():
    """Seconds from ``rilaas hub`` to the first page, on an empty home."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        start = time.perf_counter()
        with Hub(Path(folder)) as hub:
            Browser(hub.url, hub.ready["entry"]).get("/")
            return time.perf_counter() - start


def first_page_of_up_s():
    """Seconds from ``rilaas up`` to the first page, and to all of it being up, on an empty home."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = ["up", "--listen", "127.0.0.1:0", "--hub-listen", "127.0.0.1:0", "--home", folder]
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "rilaas.cli", *words], stderr=subprocess.PIPE, text=True)
        try:
            entry = next(line.split()[-1] for line in process.stderr if "sign in" in line)
            with urllib.request.urlopen(entry, timeout=30) as answer:
                answer.read()
            first = time.perf_counter() - start
            next(line for line in process.stderr if line.startswith("The pages are on"))
            return first, time.perf_counter() - start
        finally:
            process.terminate()
            process.communicate(timeout=60)


def wait_until_done(hub, browser, job):
    """The worker has done a job, and the window of metrics knows growth."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        state = json.loads(browser.get(f"/jobs/{job}.json")[1])["state"]
        total = json.loads(browser.get("/metrics.json")[1])["total"]["sent"]
        if state in ("failed", "cancelled"):
            raise SystemExit(f"the job is {state}")
        if state == "done" and total:
            return
        time.sleep(0.5)
    raise SystemExit(f"the run is not done after two minutes: {state}")


def measured_pages(args):
    """Rows of all pages as those who may see them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, many_series() as metrics:
        said = fill(Path(folder), args.models, args.robots, args.episodes, metrics)
        if missing := set(said["addresses"]) - set(PATHS) - OPEN:
            raise SystemExit(f"not measured: {', '.join(sorted(missing))}")
        with Hub(Path(folder)) as hub:
            staff = Browser(hub.url, hub.ready["entry"])
            plain = Browser(hub.url, said["plain_entry"])
            wait_until_done(hub, staff, said["job"])
            rows = []
            for who, browser, me, job in (
                ("staff", staff, "local", said["job"]),
                ("plain", plain, "erin", said["plain_job"]),
            ):
                paths = [path.format(me=me, run=said["run"], job=job) for each in PATHS.values() for path in each]
                if who == "plain":
                    paths = [path for path in paths if not any(word in path for word in NOT_FOR_ALL)]
                asked = [FLOOR, *paths, *map(twin, paths)]
                rows += [(who, *row) for row in measure(browser, asked, args.requests)]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--robots", type=int, default=1000)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    firsts = sorted(first_page_of_hub_s() for _ in range(5))
    print(f"rilaas hub, empty home to first page: {statistics.median(firsts):.2f} s (worst of 5: {firsts[-1]:.2f} s)")
    ups = [first_page_of_up_s() for _ in range(5)]
    for what, times in (("first page", [up[0] for up in ups]), ("all is up", [up[1] for up in ups])):
        print(f"rilaas up, empty home to {what}: {statistics.median(times):.2f} s (worst of 5: {max(times):.2f} s)")
    rows = measured_pages(args)
    print(f"{'':<6} {'page':<58} {'p50 [ms]':>9} {'p95 [ms]':>9} {'size [kB]':>10}")
    for who, path, median, high, size in rows:
        mark = "" if high <= LIMIT_MS and size <= LIMIT_KB else "  over the limit"
        print(f"{who:<6} {path:<58} {median:>9.1f} {high:>9.1f} {size:>10.1f}{mark}")
    slowest, largest = (max(rows, key=lambda row: row[column])[:2] for column in (3, 4))
    print(f"of {len(rows)} the slowest is {' '.join(slowest)}, the largest {' '.join(largest)}")
    if args.json:
        names = ("who", "page", "p50_ms", "p95_ms", "size_kb")
        pages = [dict(zip(names, row, strict=True)) for row in rows]
        found = {"hub_first_page_s": firsts, "up_first_page_s": ups, "pages": pages}
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
