"""The hub under load: machines that report and wait for news, and people who read pages, at once.

    python benchmarks/hub_load.py [--machines N] [--people N] [--seconds S] [--postgresql URL] [--json PATH]

100 servers and 100 interceptors report every 2 s, each on its own connection, and wait for news on another one, with
the database of ``hub.py``; 50 people open a page every 10 s. Counted: times of pages and of reports, answers that are
no success, memory of the hub's process.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from hub_process import Browser, Hub, fill

REPORT_EVERY_S, READ_EVERY_S = 2.0, 10.0
KEPT_S = 4.0  # a hub keeps an idle connection for five seconds
PAGES = (
    "/",
    "/models",
    "/models/local/model-0",
    "/datasets/local/rows",
    "/deployments",
    "/robots",
    "/metrics",
    "/evaluations/1",
    "/jobs",
    "/runs/1",
)


class Caller:
    """One kept HTTP/1.1 connection: a few lines, so that 450 of them leave the processors to the hub."""

    def __init__(self, port, head):
        self._port, self._head, self._streams = port, head, None

    async def ask(self, method, path, body=None):
        """Status, seconds, and the body."""
        start = time.perf_counter()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        data = json.dumps(body).encode() if body is not None else b""
        kind = "Content-Type: application/json\r\n" if data else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._head}\r\n{kind}"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        content = await reader.readexactly(length)
        if "connection: close" in lines:
            self.close()
        return int(lines[0].split()[1]), time.perf_counter() - start, content

    def close(self):
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """What is asked, and what came of it."""

    def __init__(self, hub, cookie, seconds):
        self.port = int(hub.url.rpartition(":")[2])
        self.machine, self.person = f"Authorization: Bearer {hub.token}", f"Cookie: {cookie}"
        self.seconds, self.processor_s = seconds, hub.processor_s
        self.times = {"page": [], "report": []}
        self.failed, self.news = [], []

    async def repeat(self, kind, every_s, caller, method, path, body=None):
        """Ask every few seconds, beginning at a moment of its own."""
        await asyncio.sleep(random.uniform(0.0, every_s))
        with contextlib.closing(caller):
            while time.monotonic() < self.end:
                start = time.monotonic()
                try:
                    status, took, _ = await caller.ask(method, path() if callable(path) else path, body)
                except (OSError, asyncio.IncompleteReadError) as error:
                    status, took = repr(error), 0.0
                    caller.close()
                self.times[kind].append(took)
                if every_s > KEPT_S:
                    caller.close()
                if status != 200:
                    self.failed.append((kind, status))
                await asyncio.sleep(max(0.0, start + every_s - time.monotonic()))

    async def wait(self, caller, path, number, known):
        """Wait for news, again and again."""
        with contextlib.closing(caller):
            while True:
                start = time.perf_counter()
                status, _, content = await caller.ask(
                    "GET", f"{path}after={known}&wait_s={random.uniform(10, 20):.1f}"
                )
                if status != 200:
                    self.failed.append(("news", status))
                    return
                known = json.loads(content)[number]
                self.news.append((known, time.perf_counter() - start, len(content)))

    async def run(self, machines, people):
        """All of them until the end."""
        named = [
            ("servers", f"server-{i // 2}") if i % 2 else ("interceptors", f"route-{i // 2}") for i in range(machines)
        ]
        reports = {f"/api/v1/{kind}/{name}": {"address": f"127.0.0.1:{i}"} for i, (kind, name) in enumerate(named)}
        with contextlib.closing(Caller(self.port, self.machine)) as first:
            for path, body in reports.items():  # all are known before: the routing table stays as it is
                await first.ask("POST", path, body)
            _, self.whole_s, content = await first.ask("GET", "/api/v1/policy?interceptor=route-0&after=-1")
        epoch, self.whole_bytes = json.loads(content)["epoch"], len(content)
        waiting, asking = [], []
        for (kind, name), (path, body) in zip(named, reports.items(), strict=True):
            asking.append(self.repeat("report", REPORT_EVERY_S, Caller(self.port, self.machine), "POST", path, body))
            news = (f"{path}/placements?", "generation", -1)
            if kind == "interceptors":
                news = (f"/api/v1/policy?interceptor={name}&", "epoch", epoch)
            waiting.append(asyncio.ensure_future(self.wait(Caller(self.port, self.machine), *news)))
        browsers = [Caller(self.port, self.person) for _ in range(people)]
        asking += [self.repeat("page", READ_EVERY_S, each, "GET", lambda: random.choice(PAGES)) for each in browsers]
        await asyncio.sleep(3.0)  # until all of them wait
        self.end = time.monotonic() + self.seconds
        self.before_s = self.processor_s()
        await asyncio.gather(*asking)
        self.used_s = self.processor_s() - self.before_s
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def cookie_of(browser):
    """What a browser sends that has signed in."""
    return "; ".join(f"{each.name}={each.value}" for each in browser.cookies)


def measure(place, args, **env):
    """Rows of what was measured."""
    said = fill(place, 1000, 1000, 10_000, **env)
    with Hub(place, **env) as hub:
        browser = Browser(hub.url, hub.ready["entry"])
        while json.loads(browser.get(f"/jobs/{said['job']}.json")[1])["state"] != "done":
            time.sleep(0.2)
        before_mb = hub.memory_mb()
        load = Load(hub, cookie_of(browser), args.seconds)
        asyncio.run(load.run(args.machines, args.people))
        rows = {"whole policy [ms]": 1e3 * load.whole_s, "whole policy [kB]": load.whole_bytes / 1e3}
        for kind, times in load.times.items():
            ordered = sorted(times)
            rows |= {f"{kind}s": len(ordered), f"{kind} p50 [ms]": 1e3 * statistics.median(ordered)}
            rows |= {
                f"{kind} p95 [ms]": 1e3 * ordered[int(0.95 * len(ordered))],
                f"{kind} worst [ms]": 1e3 * ordered[-1],
            }
        rows |= {"answers with news": len(load.news), "no success": len(load.failed)}
        rows |= {"processor, of one [%]": 100 * load.used_s / args.seconds}
        return rows | {"memory before [MB]": before_mb, "memory after [MB]": hub.memory_mb()}, load.failed[:5]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--postgresql", metavar="URL", default="", help="An empty database, in place of SQLite.")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        rows, failed = measure(Path(folder), args, RILAAS_DATABASE_URL=args.postgresql)
    for name, value in rows.items():
        print(f"{name:<24}{value:>12,.1f}")
    if failed:
        print(failed)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
