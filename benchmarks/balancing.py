"""Every balancing policy in simulation: the tables of ``docs/balancing.md``, made by one command.

    python benchmarks/balancing.py [--seeds 20] [--only presets,robots] [--policies a,b] [--write] [--json PATH]

Experiments: ``presets`` (four clusters of the RILaaS document's Table I under its thirteen profiles; both readings of
its baselines; what overloads), ``robots`` (1 to 1,000 in closed loop), ``interceptors`` (1 to 100 that do not know of
each other), ``servers`` (2 to 16 near their limit), ``disturbances``. The same seeds give the same tables; with 20
they take about 15 minutes on one core, and --workers divides that. ``--trained FOLDER`` adds policies that were
trained for a cluster, from files called ``NAME-CLUSTER.*`` such as ``q_learning-rilaas-4-8.npz``.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path

from balancing_simulated import disturbances, fleets, presets
from balancing_simulated.bench import Bench

from rilaas.balance.comparison import without_file

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "balancing.md"
EXPERIMENTS = {
    "presets": presets.run,
    "robots": fleets.run_robots,
    "interceptors": fleets.run_interceptors,
    "servers": fleets.run_servers,
    "disturbances": disturbances.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default="", help=f"of {', '.join(EXPERIMENTS)}; commas between")
    parser.add_argument("--policies", default="", help="run these only; commas between")
    parser.add_argument("--trained", type=Path, help="folder of trained policies, NAME-CLUSTER.*")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--json", type=Path, help="write every number here")
    arguments = parser.parse_args()
    wanted = [name for name in arguments.only.split(",") if name] or list(EXPERIMENTS)
    only = [name for name in arguments.policies.split(",") if name]
    for name, valid in [*((n, list(EXPERIMENTS)) for n in wanted), *((n, without_file()) for n in only)]:
        if name not in valid:
            parser.error(f"there is no {name!r}; there are {', '.join(valid)}")
    bench, tables, start = Bench(arguments.seeds, only, arguments.trained, arguments.workers), {}, time.monotonic()
    for name in wanted:
        made = EXPERIMENTS[name](bench)
        tables |= made
        for title, table in made.items():
            print(f"\n## {title}\n\n{table}")
        if arguments.write:
            write(made, arguments.seeds)
    print(
        f"\n{arguments.seeds} seeds, {time.monotonic() - start:.0f} s, {time.process_time():.0f} s of them here: ",
        end="",
    )
    print(", ".join(f"{name} {spent_s:.0f} s" for name, spent_s in bench.spent_s.items()))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(
            json.dumps({"seeds": arguments.seeds, "rows": bench.rows, "tables": tables}, indent=1)
        )


def write(tables: dict[str, str], seeds: int) -> None:
    """Put tables into the page, each between ``<!-- table NAME -->`` and ``<!-- end -->``."""
    page = PAGE.read_text()
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- table {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        if pattern.search(page):
            page = pattern.sub(lambda found, t=table: f"{found[1]}\n{t}\n\n{found[2]}", page)
    page = re.sub(r"<!-- seeds -->\d+<!-- /seeds -->", f"<!-- seeds -->{seeds}<!-- /seeds -->", page)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
