"""What one decision of each balancing policy costs.

Run: python benchmarks/balance.py
"""

import statistics
import time

from rilaas.balance import BALANCERS, NEEDS_FILE, Request, ServerView, make_balancer

CALLS = 20_000
SERVERS = (2, 8, 48)


def median_s(name, count):
    balancer, request = make_balancer(name, seed=0), Request("m")
    servers = [ServerView(f"s{i}", in_flight=i % 3) for i in range(count)]
    spent = []
    for _ in range(CALLS):
        start = time.perf_counter()
        balancer.choose(request, servers)
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


if __name__ == "__main__":
    print(f"{'median per decision [us]':<26}" + "".join(f"{f'{n} servers':>12}" for n in SERVERS))
    for name in sorted(set(BALANCERS) - NEEDS_FILE):
        print(f"{name:<26}" + "".join(f"{median_s(name, n) * 1e6:>12.2f}" for n in SERVERS))
