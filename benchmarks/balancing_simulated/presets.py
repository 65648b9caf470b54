"""The document's profiles on four clusters of its Table I: who is how much faster, on what, and where nobody is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from balancing_simulated.bench import OURS, PER_MODEL, REFERENCE, SHARED, Bench, bold_best, markdown, ms, percent
from rilaas.balance.comparison import Comparison
from rilaas.balance.simulation import PROFILES, read_cluster

PRESETS = ("rilaas-4-8", "rilaas-8-4", "rilaas-2-6", "rilaas-8-2")
_LONGER_S, _LONGER_SEEDS = 480.0, 5
_BY_PROFILE = (REFERENCE, PER_MODEL, "round_robin", "least_model_time", "prequal", "shortest_expected_delay")


def run(bench: Bench) -> dict[str, str]:
    """Tables by name."""
    found = {name: bench.run("presets", read_cluster(name), list(PROFILES.values())) for name in PRESETS}
    tables = {"presets": _means(found, REFERENCE), "presets-per-model": _differences(found, PER_MODEL)}
    tables["document"] = _document(found)
    for name, each in found.items():
        tables[f"models-{name}"] = _models(each)
        tables[f"profiles-{name}"] = _profiles(each)
    tables["overload"] = _overload(bench, found)
    return tables


def _policies(found: dict[str, Comparison]) -> list[str]:
    """All, by the mean over the clusters of their means."""
    every = dict.fromkeys(policy for each in found.values() for policy in each.policies)

    def mean(policy: str) -> float:
        return float(np.mean([e.mean(None, policy).mean if policy in e.policies else np.inf for e in found.values()]))

    return sorted(every, key=mean)


def _means(found: dict[str, Comparison], reference: str) -> str:
    rows = []
    for policy in _policies(found):
        cells = [policy]
        for each in found.values():
            if policy not in each.policies:
                cells += ["-", "-"]
                continue
            over = any(each.overloads(load.name, policy) for load in each.loads)
            cells.append(ms(each.mean(None, policy)) + (" *" if over else ""))
            cells.append("reference" if policy == reference else percent(each.difference(None, policy, to=reference)))
        rows.append(cells)
    return markdown(["policy", *(word for name in found for word in (f"{name} [ms]", "difference"))], rows)


def _differences(found: dict[str, Comparison], reference: str) -> str:
    rows = []
    for policy in _policies(found):
        cells = [
            percent(each.difference(None, policy, to=reference)) if {policy, reference} <= set(each.policies) else "-"
            for each in found.values()
        ]
        rows.append([policy, *(["reference"] * len(cells) if policy == reference else cells)])
    return markdown(["policy", *found], rows)


def _document(found: dict[str, Comparison]) -> str:
    """What the document reports, by model, for ours and for Q-learning, against both readings of both baselines."""
    baselines = (REFERENCE, PER_MODEL, "round_robin", SHARED)
    rows = []
    for name, each in found.items():
        ours = next((p for p in (OURS, "shortest_expected_delay") if p in each.policies), "")
        for policy in (ours, "q_learning (trained)"):
            if policy not in each.policies:
                continue
            cells = []
            for to in baselines:
                if to not in each.policies:
                    cells.append("-")
                    continue
                by_model = [100 * each.difference(None, policy, k, to=to).mean for k in range(2)]
                over = any(each.overloads(load.name, to) for load in each.loads)
                cells.append(f"{by_model[0]:+.1f} / {by_model[1]:+.1f} %" + (" *" if over else ""))
            rows.append([name, policy, *cells])
    rows.append(["the document", "Q-learning", "-15.76 / -12.32 %", "", "-70.7 / -65.91 %", ""])
    return markdown(["servers", "policy", *(f"against {to}" for to in baselines)], rows)


def _models(found: Comparison) -> str:
    rows = []
    for policy in found.standings():
        cells = [policy]
        for k in range(2):
            latency = np.concatenate(
                [d.latency_s[k] for load in found.loads for d in found.digests[load.name, policy]]
            )
            parts = np.nanpercentile(latency, (50, 95, 99)) * 1e3
            cells += [ms(found.mean(None, policy, k)), " / ".join(f"{value:.0f}" for value in parts)]
        edge = np.mean([found.share(load.name, policy, found.servers_of("edge")) for load in found.loads])
        rows.append([*cells, f"{100 * edge:.0f} %", percent(found.difference(None, policy))])
    columns = [
        "policy",
        "recognition [ms]",
        "p50 / p95 / p99",
        "grasps [ms]",
        "p50 / p95 / p99",
        "edge",
        "difference",
    ]
    return markdown(columns, rows)


def _profiles(found: Comparison) -> str:
    names = [name for name in (*_BY_PROFILE, "q_learning (trained)", OURS) if name in found.policies]
    rows = []
    for load in found.loads:
        means = {name: found.mean(load.name, name) for name in names}
        cells = {}
        for name, mean in means.items():
            over = "*" if found.overloads(load.name, name) else ""
            difference = found.difference(load.name, name)
            told = f" {100 * difference.mean:+.1f} %" if name != REFERENCE else ""
            cells[name] = f"{1e3 * mean.mean:.0f}{over}{told}"
        cells = bold_best(cells, {name: mean.mean for name, mean in means.items()})
        rows.append([load.name, f"{100 * found.offered(load):.0f} %", *cells.values()])
    return markdown(["profile", "load", *names], rows)


def _overload(bench: Bench, found: dict[str, Comparison]) -> str:
    """What overloads a server, for how long it runs: its mean is a figure of the run's length."""
    rows = []
    for name, each in found.items():
        cases = [
            (load, policy)
            for load in each.loads
            for policy in each.standings()
            if each.overloads(load.name, policy) and "(trained)" not in policy
        ]
        for load in dict.fromkeys(load for load, _ in cases):
            policies = [policy for one, policy in cases if one is load]
            longer = replace(load, duration_s=_LONGER_S)  # type: ignore[type-var]
            again = bench.run("overload", each.cluster, [longer], [*policies, REFERENCE], seeds=_LONGER_SEEDS)
            rows += [
                [
                    name,
                    load.name,
                    policy,
                    f"{100 * each.busiest(load.name, policy):.0f} %",
                    f"{1e3 * each.mean(load.name, policy).mean:.0f}",
                    f"{1e3 * again.mean(load.name, policy).mean:.0f}",
                    percent(each.difference(load.name, policy)),
                ]
                for policy in policies
            ]
    columns = ["servers", "profile", "policy", "busiest server", "mean over 120 s [ms]", "over 480 s [ms]"]
    return markdown([*columns, "difference over 120 s"], rows)
