"""Fleets: robots in closed loop, several interceptors, more servers; edge and cloud mixed, small and large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from balancing_simulated.bench import FIELD, REFERENCE, Bench, bold_best, markdown
from rilaas.balance.comparison import Comparison, Conditions, offered_load
from rilaas.balance.simulation import Cluster
from rilaas.balance.simulation.document import cluster, poisson, robots

ROBOTS = ((1, 2, 600.0), (10, 2, 240.0), (30, 2, 120.0), (100, 6, 120.0), (300, 16, 60.0), (1000, 48, 30.0))
"""Robots, servers, and how long the run is [s]: the fewer robots, the longer, so that all have many requests."""

INTERCEPTORS = (
    (100, 6, 10, 60.0),
    (100, 6, 100, 60.0),
    (300, 16, 10, 40.0),
    (1000, 48, 10, 30.0),
    (1000, 48, 100, 30.0),
)
"""Robots, servers, interceptors, and how long the run is [s]."""

_MOST_REPORTED = 10_000  # robots times interceptors: above it the reports take more time than the requests
SERVERS, LOADS = (2, 4, 8, 16), (0.7, 0.85)
_OPEN_S = {2: 120.0, 4: 90.0, 8: 60.0, 16: 40.0}


def mixed(count: int) -> Cluster:
    """Half of the servers at the edge with 2 or 4 slots, half in the cloud with 6 or 4: 4 slots each on average."""
    edge, cloud = [(2, 4)[i % 2] for i in range(count // 2)], [(6, 4)[i % 2] for i in range(count // 2)]
    return cluster(f"mixed-{count}", edge, cloud)


def run_robots(bench: Bench) -> dict[str, str]:
    """Robots that wait for their answers, one interceptor."""
    rows = []
    for count, servers, duration_s in ROBOTS:
        load = replace(robots(count), duration_s=duration_s)
        found = bench.run("robots", mixed(servers), [load], FIELD)
        rows.append([str(count), str(servers), _load(found), *_cells(found).values()])
    return {"robots": markdown(["robots", "servers", "load", *_names(bench)], rows)}


def run_interceptors(bench: Bench) -> dict[str, str]:
    """The same robots behind several interceptors, each of which sees its own requests and what servers say."""
    rows = []
    for count, servers, interceptors, duration_s in INTERCEPTORS:
        load = replace(robots(count), duration_s=duration_s)
        for words, report_interval_s in (("with answers", None), ("every 0.1 s", 0.1)):
            if report_interval_s is not None and count * interceptors > _MOST_REPORTED:
                continue
            conditions = Conditions(interceptors, report_interval_s)
            found = bench.run("interceptors", mixed(servers), [load], FIELD, conditions)
            rows.append([str(count), str(servers), str(interceptors), words, *_cells(found).values()])
    return {"interceptors": markdown(["robots", "servers", "interceptors", "servers tell", *_names(bench)], rows)}


def run_servers(bench: Bench) -> dict[str, str]:
    """Requests that come whatever happens, at a given share of what the servers can do at best."""
    rows = []
    for count in SERVERS:
        servers = mixed(count)
        unit = offered_load(servers, dict.fromkeys(servers.models, 0.5))
        for share in LOADS:
            per_s = share / unit
            load = replace(poisson(per_s), name=f"poisson-{per_s:.1f}", duration_s=_OPEN_S[count])
            found = bench.run("servers", servers, [load], FIELD)
            rows.append([str(count), f"{100 * share:.0f} %", f"{per_s:.1f}", *_cells(found).values()])
    return {"servers": markdown(["servers", "load", "requests/s", *_names(bench)], rows)}


def _names(bench: Bench) -> list[str]:
    return [each.name for each in bench.policies(mixed(2), FIELD)]


def _load(found: Comparison) -> str:
    return f"{100 * found.offered(found.loads[0]):.0f} %"


def _cells(found: Comparison) -> dict[str, str]:
    """``938 -10.6 % (2212)``: mean of both [ms], difference from least connections, p99 over all requests [ms]."""
    load, cells, means = found.loads[0].name, {}, {}
    for policy in found.policies:
        mean, difference = found.mean(load, policy), found.difference(load, policy)
        every = np.concatenate([values for digest in found.digests[load, policy] for values in digest.latency_s])
        over = "*" if found.overloads(load, policy) else ""
        told = f" {100 * difference.mean:+.1f} %" if policy != REFERENCE else ""
        means[policy] = mean.mean
        cells[policy] = f"{1e3 * mean.mean:.0f}{over}{told} ({1e3 * np.nanpercentile(every, 99):.0f})"
    return bold_best(cells, means)
