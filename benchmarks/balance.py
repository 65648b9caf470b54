"""What one decision of each balancing policy costs: ``choose``, and the ``observe`` that follows.

The views are those that an interceptor has: half of the servers are near, requests of two models are in flight on
each, and every answer brings a load report.
Policies that need a file are left out unless one is named: NAME=FILE.

Run: python benchmarks/balance.py [--policies a,b=FILE] [--calls N] [--interceptors K] [--json PATH]
"""

import argparse
import json
import random
import statistics
import time
from collections import deque
from pathlib import Path

from rilaas.balance import BALANCERS, NEEDS_FILE, WARM_UP, LoadReport, Outcome, Request, ServerView, make_balancer

SERVERS = (2, 8, 16, 48)
MODELS = {"recognition": (0.036, 0.137), "grasping": (1.387, 0.129)}  # service and network of the document's edge [s]
SLOTS = 4
REQUESTS_PER_SERVER_S = 2.0
IN_FLIGHT_PER_SERVER = 3


class Traffic:
    """Requests that go out and come back in order, with the counts and reports that an interceptor would have."""

    def __init__(self, spec, count, interceptors):
        self.balancer, self.draws = make_balancer(spec, seed=0, interceptors=interceptors), random.Random(1)
        self.interceptors = interceptors
        self.names = [f"edge-{i}" if i < count / 2 else f"cloud-{i}" for i in range(count)]
        self.step_s, self.at_s = 1.0 / (REQUESTS_PER_SERVER_S * count), 0.0
        self.in_flight = {name: dict.fromkeys(MODELS, 0) for name in self.names}
        self.reports, self.out = dict.fromkeys(self.names), deque()
        for name in self.names:
            for model in MODELS:
                self.balancer.observe(self.answer(Request(model, WARM_UP), name))

    def answer(self, request, name):
        """The outcome of a request: the nominal times, some chance, and a wait now and then."""
        service_s, network_s = MODELS[request.model]
        network_s *= self.draws.uniform(0.7, 1.3) + 3.0 * name.startswith("cloud")
        queue_s = self.draws.choice((0.0, 0.0, 0.3)) * service_s
        there = sum(self.in_flight[name].values())
        report = LoadReport(self.at_s, there, {"": SLOTS}, {}, self.interceptors)
        self.reports[name] = report
        latency_s = service_s + network_s + queue_s
        return Outcome(request, name, "ok", latency_s, queue_s, service_s, self.at_s, report)

    def views(self):
        return [
            ServerView(name, name.partition("-")[0], sum(counts.values()), dict(counts), 1.0, self.reports[name])
            for name, counts in self.in_flight.items()
        ]

    def call(self):
        """One request and one answer; seconds spent in ``choose`` and in ``observe``."""
        self.at_s += self.step_s
        request, views = Request(self.draws.choice(tuple(MODELS)), at_s=self.at_s), self.views()
        start = time.perf_counter()
        name = self.balancer.choose(request, views)
        choose_s, observe_s = time.perf_counter() - start, 0.0
        self.in_flight[name][request.model] += 1
        self.out.append((request, name))
        if len(self.out) > IN_FLIGHT_PER_SERVER * len(self.names):
            done, server = self.out.popleft()
            self.in_flight[server][done.model] -= 1
            outcome = self.answer(done, server)
            start = time.perf_counter()
            self.balancer.observe(outcome)
            observe_s = time.perf_counter() - start
        return choose_s, observe_s


def median_us(spec, count, calls, interceptors):
    traffic = Traffic(spec, count, interceptors)
    spent = [traffic.call() for _ in range(calls)][calls // 5 :]
    return tuple(statistics.median(column) * 1e6 for column in zip(*spent, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policies", default=",".join(name for name in BALANCERS if name not in NEEDS_FILE))
    parser.add_argument("--calls", type=int, default=4000, help="decisions behind each median")
    parser.add_argument("--interceptors", type=int, default=1, help="how many ask the same servers")
    parser.add_argument("--json", type=Path, help="where the numbers go")
    arguments, rows = parser.parse_args(), []
    specs = arguments.policies.split(",")
    print(f"{'choose, observe, medians [us]':<32}" + "".join(f"{f'{n} servers':>12}" for n in SERVERS))
    for spec in specs:
        name = spec.partition("=")[0]
        found = {n: median_us(spec, n, arguments.calls, arguments.interceptors) for n in SERVERS}
        print(f"{name:<32}" + "".join(f"{f'{a:.1f} {b:.1f}':>12}" for a, b in found.values()), flush=True)
        rows += [{"policy": name, "servers": n, "choose_us": a, "observe_us": b} for n, (a, b) in found.items()]
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
