"""Load balancing on real servers: the document's load profiles, replayed; and whether the simulator tells the truth.

    python benchmarks/balancing_real.py [--quick] [--repetitions N] [--policies a,b,...] [--json PATH] [--write]

Two servers, edge and cloud, each a ``rilaas serve`` with replicas of an object recognition and of a grasp planner:
real networks on a processor, then a wait until the time is over that the document's Table I gives, for where there is
no GPU. A relay holds all bytes back for as long as the servers are apart in Table I. In front of them a fresh
``rilaas route`` for each policy, or nginx (Debian's nginx-light) with round robin or least_conn; one client sends the
arrivals of a profile, whatever becomes of those before, and the same arrivals to each of them.

So that it takes minutes, time goes ``--speed`` times faster than in the document: all durations are divided by that,
all rates are multiplied.

What the simulator needs (inference and network, as distributions) is measured first, with requests that meet no
other. Then it is given the very same arrivals and the same policies, and its means are compared with the measured.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from balancing_replayed.agreement import agreement
from balancing_replayed.contender import contender, contenders
from balancing_replayed.experiment import Plan, measured_comparison, run_real, simulated_comparison
from balancing_replayed.fleet import Fleet
from balancing_replayed.load import FIVE, load_of
from balancing_replayed.nginx import program
from balancing_replayed.place import Place
from balancing_replayed.told import agreement_text, calibration_table, load_table, markdown, policy_table
from balancing_replayed.training import train

from rilaas.balance.comparison.table import standings_table
from rilaas.report import grid

PAGE = Path(__file__).resolve().parents[1] / "docs" / "balancing.md"
BEGIN, END = "<!-- table real -->", "<!-- end -->"


def main():
    options = _options()
    if program() is None:
        print("without nginx; scripts/install_packages.sh nginx-light", file=sys.stderr)
    named = options.policies.split(",") if options.policies else []
    chosen = tuple(contender(each) for each in named) or tuple(contenders(program() is not None))
    names = options.profiles.split(",") if options.profiles else FIVE[:1] if options.quick else FIVE
    loads = tuple(load_of(name, options.duration, options.speed) for name in names)
    plan = Plan(loads, chosen, options.repetitions, options.luck)
    begun, load_before = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        plan, found = _real(Path(temporary), plan, options)
        clusters = {through: _cluster(found.calibration, options, through) for through in {c.through for c in chosen}}
        clusters.setdefault("route", _cluster(found.calibration, options, "route"))
        real = measured_comparison(found, plan, clusters["route"])
        simulated = simulated_comparison(plan, clusters)
    agreed = agreement(real, simulated)
    circumstances = _circumstances(options, plan, found, load_before, time.monotonic() - begun)
    tables = (
        policy_table(real, simulated, agreed),
        load_table(real, simulated, agreed),
        calibration_table(found.calibration),
    )
    for table in (standings_table(real), *tables):
        _show(table)
    print(f"\n{circumstances}\n{agreement_text(agreed)}")
    text = _page(tables, circumstances, agreed)
    if options.markdown:
        options.markdown.write_text(text)
    if options.write:
        _write(text)
    if options.json:
        options.json.write_text(json.dumps(_document(real, simulated, agreed, found, circumstances), indent=1))


def _real(folder, plan, options):
    """Start everything, run it, end it; returns the plan as it was run, and what was found."""
    needs_nginx = any(each.is_nginx for each in plan.contenders)

    def prepare(calibration):
        cluster = _cluster(calibration, options, "route")
        trained = (train(each, cluster, options.speed, options.training, folder) for each in plan.contenders)
        return replace(plan, contenders=tuple(trained))

    with contextlib.ExitStack() as stack:
        fleets = [Fleet(folder / f"lane-{lane}", _places(options), lane) for lane in range(options.lanes)]
        with ThreadPoolExecutor(len(fleets)) as pool:
            list(pool.map(stack.enter_context, fleets))
        how = {"has_nginx": needs_nginx, "count": options.calibration, "per_s": options.speed}
        return run_real(fleets, plan, how, prepare, _progress(time.monotonic()))


def _places(options):
    kinds = zip(("edge", "cloud"), options.slots, strict=True)
    return [Place(kind, kind, slots, options.speed) for kind, slots in kinds]


def _cluster(calibration, options, through):
    return calibration.cluster(_places(options), through)


def _circumstances(options, plan, found, load_before, seconds):
    edge, cloud = options.slots
    lag_s = np.concatenate([each.lag_s for each in found.answers.values()])
    return (
        f"Edge with {edge} replicas of each model, cloud with {cloud}; time {options.speed:g} times faster than in "
        f"the document; {options.duration:g} s of each profile (the document's seconds), {plan.repetitions} "
        f"repetitions, {len(lag_s)} requests, on {options.lanes} fleets at the same time. Each policy begins with "
        f"nothing. Processors busy {100 * found.busy.mean():.0f} % of the time (at most "
        f"{100 * found.busy.max():.0f} %); load average before {load_before:.1f}; requests sent "
        f"{1e3 * np.quantile(lag_s, 0.99):.1f} ms late (p99). {seconds / 60:.0f} minutes in all."
    )


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="uniform-8 alone")
    parser.add_argument(
        "--profiles", default="", help=f"of the document's 13, with commas (default {','.join(FIVE)})"
    )
    parser.add_argument("--policies", default="", help="with commas (default: all that there are, and nginx)")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--duration", type=float, default=24.0, help="of a profile, in the document's seconds")
    parser.add_argument("--speed", type=float, default=4.0, help="how many times faster time goes")
    parser.add_argument("--slots", type=int, nargs=2, default=(4, 8), metavar=("EDGE", "CLOUD"), help="replicas")
    parser.add_argument("--lanes", type=int, default=3, help="fleets that are asked at the same time")
    parser.add_argument("--calibration", type=int, default=8, help="requests of each model, server, way, lane, time")
    parser.add_argument("--training", type=float, default=0.5, metavar="MIN", help="of q_learning in simulation")
    parser.add_argument("--luck", type=int, default=10, help="simulations of each repetition")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="where the tables go as Markdown")
    parser.add_argument("--write", action="store_true", help=f"replace them in docs/{PAGE.name}")
    return parser.parse_args()


def _progress(begun):
    """Tells on standard error where it is and how long it still takes."""
    first = []

    def told(done, total):
        first.append(time.monotonic())
        each_s = (first[-1] - first[0]) / max(1, len(first) - 1)
        line = f"{done}/{total} replayed, {(time.monotonic() - begun) / 60:.1f} min"
        line += f", {each_s * (total - done) / 60:.1f} left" if len(first) > 1 else ""
        print(f"\r{line:<60}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return told


def _show(table):
    print(f"\n{table.title}")
    print("\n".join(grid(table.columns, [["" if cell is None else str(cell) for cell in row] for row in table.rows])))
    if table.note:
        print(table.note)


def _page(tables, circumstances, agreed):
    parts = [circumstances, *(f"{table.title}:\n\n{markdown(table)}\n\n{table.note}".rstrip() for table in tables)]
    return "\n\n".join([*parts, agreement_text(agreed)]) + "\n"


def _write(text):
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} has no lines {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _document(real, simulated, agreed, found, circumstances):
    def told(metric):
        return {"mean": metric.mean, "low": metric.low, "high": metric.high, "n": metric.n}

    cells = [
        {
            "load": load,
            "policy": policy,
            "model": model or "mean of both",
            "real_s": told(real.mean(load, policy, real.cluster.models.index(model) if model else None)),
            "simulated_s": told(simulated.mean(load, policy, real.cluster.models.index(model) if model else None)),
            "ratios": values.tolist(),
        }
        for (load, policy, model), values in agreed.ratios.items()
    ]
    measured = [
        dict(zip(("server", "model", "what", "mean_s", "std_s", "n"), row, strict=True))
        for row in found.calibration.rows()
    ]
    orders = {name or "all": value for name, value in agreed.orders.items()}
    return {"about": circumstances, "cells": cells, "rank_correlation": orders, "calibration": measured}


if __name__ == "__main__":
    main()
