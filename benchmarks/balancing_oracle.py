"""How far balancing policies are from the best that is possible: excess over the exact optimum of small cases.

    python benchmarks/balancing_oracle.py [--policies a,b] [--seeds 20] [--requests 20000] [--network none] [--json P]

One model, Poisson arrivals, exponential service, an edge and a cloud server: grasp planning of the RILaaS document's
Table I, mean inference 1.38695 s and 1.50161 s, the rest of the round trip constant. The optimum is solved exactly as
a Markov decision process (``rilaas.balance.oracle``): it knows the rates and what is on each server at that moment.
Policies know neither; they start with nothing but one warm-up inference. The network lies after the server here, so
that no policy whatever can be better than the optimum in the mean.

A policy's excess is its mean latency less that of the optimum, played on the same requests with the same luck, over
the exact mean of the optimum: in pairs, so that most of the queues' noise cancels. Intervals are 95 % over seeds.
Beside them stand exact figures without simulation: least connections with ties drawn, and the smallest expected delay
with known rates (JSED). ``oracle`` plays the exact table but counts what is in flight, as an interceptor does: what
it loses is the price of not knowing who is still on the wire.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from rilaas.balance import BALANCERS, make_balancer
from rilaas.balance.oracle import (
    OraclePolicy,
    SmallCase,
    Station,
    cluster_of,
    evaluate_policy,
    least_connections,
    load_of,
    shortest_expected_delay,
    solve_optimum,
)
from rilaas.balance.simulation import Stepwise, simulate
from rilaas.core import RilaasError

SLOTS = ((4, 8), (8, 4), (2, 6), (1, 1))
LOADS = (0.3, 0.5, 0.7, 0.9)
SERVICE_S = {"edge": 1.38695, "cloud": 1.50161}
NETWORK_S = {"edge": 1.51559 - 1.38695, "cloud": 2.05148 - 1.50161}
USUAL = ("least_connections", "peak_ewma", "c3", "prequal", "shortest_expected_delay", "marginal_cost")
EXACT = {"exact: least_connections": least_connections(), "exact: JSED, known rates": shortest_expected_delay()}


def case_of(slots, load, network):
    stations = [
        Station(count, SERVICE_S[name], NETWORK_S[name] if network == "table" else 0.0, name)
        for name, count in zip(("edge", "cloud"), slots, strict=True)
    ]
    return SmallCase.at_load(load, stations)


def optimum_played_s(optimum, requests, seed):
    """Latencies under the optimal table, which is told what is on the servers at that moment (N,) [s]."""
    case, last = optimum.case, [size - 2 for size in optimum.policy.shape]
    steps = Stepwise(cluster_of(case), load_of(case, requests), seed, lambda outcome: None)
    while steps.question is not None:
        on_servers = steps.on_servers()
        state = tuple(min(on_servers[name], most) for name, most in zip(case.names, last, strict=True))
        steps.answer(case.names[optimum.policy[state]])
    return steps.run().latency_s


def policy_s(spec, optimum, requests, seed):
    """Latencies under a policy (N,) [s]."""
    case = optimum.case

    def make(index):
        return OraclePolicy(optimum) if spec == "oracle" else make_balancer(spec, seed=1000 * seed + index)

    return simulate(cluster_of(case), load_of(case, requests), make, seed).latency_s


def interval(values):
    """Mean and half of the 95 % interval (Student's t by its expansion; to 1 % from 5 seeds on)."""
    values = np.asarray(values)
    freedom, z = len(values) - 1, 1.959964
    if not freedom:
        return float(values[0]), math.nan
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return float(values.mean()), float(t * values.std(ddof=1) / math.sqrt(len(values)))


def measure(slots, load, arguments, say):
    """One case: exact figures, and each policy's excess in percent with its interval."""
    optimum = solve_optimum(case_of(slots, load, arguments.network))
    best_s = optimum.mean_latency_s
    exact = {
        name: 100 * (evaluate_policy(optimum.case, rule).mean_latency_s / best_s - 1) for name, rule in EXACT.items()
    }
    excess = {name: [] for name in arguments.policies}
    played = []
    for seed in range(arguments.seeds):
        reference_s = optimum_played_s(optimum, arguments.requests, seed).mean()
        played.append(100 * (reference_s / best_s - 1))
        for name in arguments.policies:
            mean_s = policy_s(name, optimum, arguments.requests, seed).mean()
            excess[name].append(100 * (mean_s - reference_s) / best_s)
        say(f"{slots[0]}+{slots[1]} load {load:g}: seed {seed + 1} of {arguments.seeds}")
    return {
        "slots": slots,
        "load": load,
        "optimum_s": best_s,
        "optimum_played_percent": interval(played),
        "exact_percent": exact,
        "excess_percent": {name: interval(values) for name, values in excess.items()},
        "excess_percent_by_seed": excess,
    }


def table(rows, policies):
    """Markdown: a block per pair of slots, a line per policy, a column per load."""
    lines = []
    for slots in dict.fromkeys(tuple(row["slots"]) for row in rows):
        block = [row for row in rows if tuple(row["slots"]) == slots]
        loads = " | ".join(f"load {row['load']:g}" for row in block)
        lines += [f"| edge {slots[0]}, cloud {slots[1]} | {loads} |", "| --- |" + " ---: |" * len(block)]
        lines.append("| optimum, exact | " + " | ".join(f"{row['optimum_s']:.4f} s" for row in block) + " |")
        played = (f"{mean:+.1f} ± {half:.1f} %" for mean, half in (row["optimum_played_percent"] for row in block))
        lines.append("| the same, simulated | " + " | ".join(played) + " |")
        for name in EXACT:
            lines.append(f"| {name} | " + " | ".join(f"{row['exact_percent'][name]:.1f} %" for row in block) + " |")
        for name in policies:
            cells = (f"{mean:.1f} ± {half:.1f} %" for mean, half in (row["excess_percent"][name] for row in block))
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ",".join([name for name in USUAL if name in BALANCERS] + ["oracle"])
    parser.add_argument("--policies", default=default, help="NAME or NAME=FILE, and 'oracle'; commas between")
    parser.add_argument("--seeds", type=int, default=3, help="20 or more for figures (default 3: a look)")
    parser.add_argument("--requests", type=int, default=4000, help="per run (default 4000; 20000 for figures)")
    parser.add_argument("--slots", default="", help="only these, as 4+8,1+1")
    parser.add_argument("--loads", default=",".join(map(str, LOADS)))
    parser.add_argument("--network", choices=("table", "none"), default="table", help="Table I's, or no network")
    parser.add_argument("--json", type=Path, help="also write every number here")
    arguments = parser.parse_args()
    arguments.policies = [name for name in arguments.policies.split(",") if name]
    arguments.loads = [float(load) for load in arguments.loads.split(",")]
    pairs = [tuple(int(part) for part in pair.split("+")) for pair in arguments.slots.split(",") if pair]
    arguments.slots = pairs or list(SLOTS)
    if arguments.seeds < 1 or arguments.requests < 1:
        parser.error("there is at least 1 seed and 1 request")
    try:
        for name in arguments.policies:
            _ = name == "oracle" or make_balancer(name, seed=0)
    except RilaasError as error:
        parser.error(str(error))
    return arguments


def main():
    arguments = parse()
    began, rows = time.monotonic(), []
    cases = [(slots, load) for slots in arguments.slots for load in arguments.loads]
    for number, (slots, load) in enumerate(cases):

        def say(what, number=number):
            text = f"{what}; case {number + 1} of {len(cases)}, {time.monotonic() - began:.0f} s "
            print(f"\r{text}", end="", file=sys.stderr, flush=True)

        rows.append(measure(slots, load, arguments, say))
    print(file=sys.stderr)
    print(f"Excess over the exact optimum, {arguments.seeds} seeds, {arguments.requests:,} requests each\n")
    print(table(rows, arguments.policies))
    if arguments.json:
        told = {key: getattr(arguments, key) for key in ("policies", "seeds", "requests", "network")}
        arguments.json.write_text(json.dumps({**told, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
