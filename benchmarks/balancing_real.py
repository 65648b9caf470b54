"""Load balancing on real servers: the document's load profiles, replayed; and whether the simulator tells the truth.

    python benchmarks/balancing_real.py [--quick] [--repetitions N] [--policies a,b,...] [--json PATH] [--write]

Two servers, edge and cloud, each a ``rilaas serve`` with replicas of an object recognition and of a grasp planner:
real networks on a processor, then a wait until the time is over that the document's Table I gives, for where there is
no GPU. A relay holds all bytes back for as long as the servers are apart in Table I. In front of them a fresh
``rilaas route`` for each policy, or nginx (Debian's nginx-light) with round robin or least_conn; one client sends the
arrivals of a profile, whatever becomes of those before, and the same arrivals to each of them.

So that it takes minutes, time goes ``--speed`` times faster than in the document: all durations are divided by that,
all rates are multiplied.

What the simulator needs (inference and network, mean and deviation) is measured first, with requests that meet no
other. Then it is given the very same arrivals and the same policies, and its means are compared with the measured.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from balancing_replayed.agreement import agreement
from balancing_replayed.calibration import calibrate
from balancing_replayed.contender import contender, contenders
from balancing_replayed.experiment import SETTLE_S, Plan, run_real, run_simulated
from balancing_replayed.fleet import Fleet
from balancing_replayed.load import FIVE, load_of
from balancing_replayed.nginx import program
from balancing_replayed.place import Place
from balancing_replayed.told import agreement_text, calibration_table, load_table, markdown, policy_table

from rilaas.balance.comparison.table import standings_table
from rilaas.report import grid

PAGE = Path(__file__).resolve().parents[1] / "docs" / "balancing.md"
BEGIN, END = "<!-- table real -->", "<!-- end real -->"


def main():
    options = _options()
    chosen = [contender(each) for each in options.policies.split(",")] if options.policies else None
    chosen = chosen or contenders(program() is not None)
    if program() is None:
        print("without nginx; scripts/install_packages.sh nginx-light", file=sys.stderr)
    names = (FIVE[:1] if options.quick else FIVE) if not options.profiles else options.profiles.split(",")
    loads = tuple(load_of(name, options.duration, options.speed) for name in names)
    plan = Plan(loads, tuple(chosen), options.repetitions, options.luck)
    edge, cloud = options.slots
    places = [Place("edge", "edge", edge, options.speed), Place("cloud", "cloud", cloud, options.speed)]
    begun = time.monotonic()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder) / "fleet", places) as fleet:
        needs_nginx = any(each.is_nginx for each in chosen)
        calibration = calibrate(fleet, needs_nginx, options.calibration, options.speed)
        clusters = {through: calibration.cluster(places, through) for through in {each.through for each in chosen}}
        clusters.setdefault("route", calibration.cluster(places, "route"))
        real, busy = run_real(fleet, plan, clusters["route"], _progress(plan, begun))
    simulated = run_simulated(plan, clusters)
    found = agreement(real, simulated)
    tables = (
        policy_table(real, simulated, found),
        load_table(real, simulated, found),
        calibration_table(calibration),
    )
    circumstances = (
        f"Edge with {edge} replicas of each model, cloud with {cloud}; time {options.speed:g} times faster than in "
        f"the document; {options.duration:g} s of each profile (the document's seconds), {plan.repetitions} "
        f"repetitions. Processors busy {100 * busy.mean():.0f} % of the time (at most {100 * busy.max():.0f} %); "
        f"load average before {load_before:.1f}. {(time.monotonic() - begun) / 60:.0f} minutes in all."
    )
    for table in (standings_table(real), *tables):
        _show(table)
    print(f"\n{circumstances}\n{agreement_text(found)}")
    text = _page(tables, circumstances, found)
    if options.markdown:
        options.markdown.write_text(text)
    if options.write:
        _write(text)
    if options.json:
        options.json.write_text(json.dumps(_document(real, simulated, found, calibration, circumstances), indent=1))


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
    parser.add_argument("--calibration", type=int, default=24, help="requests of each model, server and way")
    parser.add_argument("--luck", type=int, default=10, help="simulations of each repetition")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="where the tables go as Markdown")
    parser.add_argument("--write", action="store_true", help=f"replace them in docs/{PAGE.name}")
    return parser.parse_args()


def _progress(plan, begun):
    """Tells on standard error where it is and how long it still takes."""
    total = len(list(plan.cells()))
    first = []

    def told(seed, load, each):
        first.append(time.monotonic())
        done = len(first) - 1
        each_s = (first[-1] - first[0]) / done if done else load.duration_s + 3 * SETTLE_S
        minutes, left = (time.monotonic() - begun) / 60, each_s * (total - done) / 60
        where = f"{done + 1}/{total} repetition {seed + 1}, {load.name}, {each.name}"
        line = f"{where}; {minutes:.1f} min, {left:.1f} left"
        print(f"\r{line:<100}", end="\n" if done + 1 == total else "", file=sys.stderr, flush=True)

    return told


def _show(table):
    print(f"\n{table.title}")
    print("\n".join(grid(table.columns, [["" if cell is None else str(cell) for cell in row] for row in table.rows])))
    if table.note:
        print(table.note)


def _page(tables, circumstances, found):
    parts = [circumstances, *(f"{table.title}:\n\n{markdown(table)}\n\n{table.note}".rstrip() for table in tables)]
    return "\n\n".join([*parts, agreement_text(found)]) + "\n"


def _write(text):
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} has no lines {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _document(real, simulated, found, calibration, circumstances):
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
        for (load, policy, model), values in found.ratios.items()
    ]
    measured = [
        dict(zip(("server", "model", "what", "mean_s", "std_s", "n"), row, strict=True)) for row in calibration.rows()
    ]
    orders = {name or "all": value for name, value in found.orders.items()}
    return {"about": circumstances, "cells": cells, "rank_correlation": orders, "calibration": measured}


if __name__ == "__main__":
    main()
