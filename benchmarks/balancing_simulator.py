"""How many requests a second the balancing simulator gets through, besides the policy.

    python benchmarks/balancing_simulator.py [--requests 40000] [--rounds 5] [--json PATH]

Each number is the least processor time a request of some rounds: other work on the machine adds to it, nothing takes
from it. The policy is a rotation that costs 0.1 microseconds; ``least_connections`` stands below for comparison.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import replace
from pathlib import Path

from rilaas.balance import make_balancer
from rilaas.balance.simulation import read_cluster, read_load, simulate

FLEET = "rilaas-8x8-8x8"
CASES = {
    "2 servers": ("rilaas-4-8", "poisson-8", {}),
    "16 servers": (FLEET, "poisson-64", {}),
    "16 servers, 300 robots": (FLEET, "robots-300", {}),
    "16 servers, 10 interceptors": (FLEET, "poisson-64", {"interceptors": 10}),
    "the same, reports every 100 ms": (FLEET, "poisson-64", {"interceptors": 10, "report_interval_s": 0.1}),
    "the same, a ledger 50 ms late": (FLEET, "poisson-64", {"interceptors": 10, "ledger_delay_s": 0.05}),
    "2 servers, least_connections": ("rilaas-4-8", "poisson-8", {"policy": "least_connections"}),
}


class Rotation:
    """The cheapest policy there is: the next server after each round of both models."""

    def __init__(self):
        self.turn = 0

    def choose(self, request, servers):
        self.turn += 1
        return servers[self.turn // 2 % len(servers)].name

    def observe(self, outcome):
        pass

    def weighing(self):
        return None


def measured(cluster, load, requests, rounds, *, policy=None, **options):
    """Processor seconds a request, the least of some rounds."""
    cluster, load = read_cluster(cluster), read_load(load)
    per_s = load.count * 0.2 if load.name.startswith("robots") else load.rate.expected(1.0)
    load = replace(load, duration_s=requests / per_s)
    best = float("inf")
    for seed in range(rounds):
        start = time.process_time()
        run = simulate(
            cluster, load, lambda k: make_balancer(policy, seed=k) if policy else Rotation(), seed, **options
        )
        best = min(best, (time.process_time() - start) / len(run))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=40_000, help="in each run, about")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    results = {}
    print(f"{'':<34}{'us a request':>14}{'requests/s':>14}")
    for name, (cluster, load, options) in CASES.items():
        spent_s = measured(cluster, load, arguments.requests, arguments.rounds, **options)
        results[name] = {"request_s": spent_s, "requests_per_s": 1 / spent_s}
        print(f"{name:<34}{spent_s * 1e6:>14.1f}{1 / spent_s:>14,.0f}")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"python": platform.python_version(), "results": results}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
