"""How experiments run policies, show how far they are, and keep their numbers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rilaas.balance.comparison import (
    Comparison,
    Conditions,
    Contender,
    Progress,
    compare,
    contenders_of,
    differs,
    without_file,
)
from rilaas.balance.registry import LEARNED
from rilaas.balance.simulation import Cluster, Load
from rilaas.report import Metric

OURS = "marginal_cost"
REFERENCE, PER_MODEL = "least_connections", "least_connections_per_model"
SHARED = "round_robin_shared"
ALONE = Conditions()
FIELD = (
    OURS,
    "shortest_expected_delay",
    "prequal",
    "c3",
    "peak_ewma",
    "power_of_two_choices",
    REFERENCE,
    PER_MODEL,
    "round_robin",
)
"""The policies of the larger experiments, those of them that are registered."""


@dataclass
class Bench:
    """What all experiments share.

    Attributes:
        seeds: How many.
        only: Names of policies that may run; all where empty.
        trained: Folder with files of trained policies, ``NAME-CLUSTER.EXTENSION``; None for none.
        workers: Processes.
        rows: What was measured, for --json.
        spent_s: Wall clock by experiment.
    """

    seeds: int
    only: Sequence[str] = ()
    trained: Path | None = None
    workers: int = 1
    rows: list[dict[str, object]] = field(default_factory=list)
    spent_s: dict[str, float] = field(default_factory=dict)

    def policies(self, cluster: Cluster, names: Sequence[str] = ()) -> tuple[Contender, ...]:
        """Those that may run of some names, of all without a file where none are given; and trained ones."""
        known = without_file()
        specs = [name for name in dict.fromkeys(names or known) if name in known]
        specs = [name for name in specs if not self.only or name in self.only]
        if not names:
            specs += [f"{name}={path}" for name, path in self._trained(cluster).items()]
        found = contenders_of(specs)
        return tuple(Contender(_shown(each.name), each.make) for each in found)

    def _trained(self, cluster: Cluster) -> dict[str, Path]:
        if self.trained is None:
            return {}
        files = {name: sorted(self.trained.glob(f"{name}-{cluster.name}.*")) for name in sorted(LEARNED)}
        return {name: found[0] for name, found in files.items() if found and (not self.only or name in self.only)}

    def run(
        self,
        experiment: str,
        cluster: Cluster,
        loads: Sequence[Load],
        names: Sequence[str] = (),
        conditions: Conditions = ALONE,
        seeds: int = 0,
    ) -> Comparison:
        """Compare policies, and keep the numbers."""
        start = time.monotonic()
        title = f"{experiment}: {cluster.name}, {', '.join(load.name for load in loads)}"
        many = f", {conditions.interceptors} interceptors" if conditions.interceptors > 1 else ""
        found = compare(
            cluster,
            loads,
            self.policies(cluster, names),
            range(seeds or self.seeds),
            reference=REFERENCE,
            conditions=conditions,
            workers=self.workers,
            on_run=_line(title[:60] + many),
        )
        spent_s = time.monotonic() - start
        self.spent_s[experiment] = self.spent_s.get(experiment, 0.0) + spent_s
        _say(f"{title[:90]}{many}: {spent_s:.0f} s")
        if not found.is_whole:
            raise KeyboardInterrupt
        self.rows += _rows(experiment, found)
        return found


def _shown(name: str) -> str:
    kind, has_file, _ = name.partition("=")
    return f"{kind} (trained)" if has_file else name


def _line(title: str) -> Callable[[Progress], None]:
    start, due = time.monotonic(), [0.0]

    def show(progress: Progress) -> None:
        now = time.monotonic()
        if not sys.stderr.isatty() or now < due[0]:
            return
        due[0] = now + 0.2
        left_s = (now - start) / progress.done * (progress.total - progress.done)
        sys.stderr.write(f"\r{title}: {progress.done}/{progress.total} runs, {left_s:.0f} s left\x1b[K")

    return show


def _say(text: str) -> None:
    sys.stderr.write(("\r\x1b[K" if sys.stderr.isatty() else "") + text + "\n")
    sys.stderr.flush()


def _rows(experiment: str, found: Comparison) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for load in found.loads:
        for policy in found.policies:
            row: dict[str, object] = {"experiment": experiment, "servers": found.cluster.name, "load": load.name}
            row |= {"interceptors": found.interceptors, "policy": policy, "seeds": len(found.seeds)}
            row |= _numbers("mean", found.mean(load.name, policy), "_s")
            row |= _numbers("difference", found.difference(load.name, policy), "_share")
            for name, k in found.models_of(load):
                percentiles = found.percentiles(load.name, policy, k)
                row |= _numbers(f"{name}.mean", found.mean(load.name, policy, k), "_s")
                row |= {f"{name}.p{q}_s": getattr(percentiles, f"p{q}") for q in (50, 95, 99)}
            row |= {"busiest_share": found.busiest(load.name, policy), "failed": found.failed(load.name, policy)}
            rows.append(row)
    return rows


def _numbers(name: str, metric: Metric, unit: str) -> dict[str, object]:
    return {f"{name}{unit}": metric.mean, f"{name}_low{unit}": metric.low, f"{name}_high{unit}": metric.high}


def ms(metric: Metric) -> str:
    """``896 ± 1``: mean and half the interval [ms]."""
    return f"{1e3 * metric.mean:.0f} ± {1e3 * (metric.high - metric.low) / 2:.0f}" if metric.n else "-"


def percent(metric: Metric) -> str:
    """``-13.7 ± 0.1 %``; in brackets where it is chance or below 1 %."""
    if not metric.n:
        return "-"
    half = 100 * (metric.high - metric.low) / 2
    told = f"{100 * metric.mean:+.1f} ± {half:.1f} %"
    return told if differs(metric) else f"({told})"


def bold_best(cells: dict[str, str], values: dict[str, float]) -> dict[str, str]:
    """The cell of the smallest value in bold."""
    best = min(values, key=lambda name: values[name])
    return {name: f"**{cell}**" if name == best else cell for name, cell in cells.items()}


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
