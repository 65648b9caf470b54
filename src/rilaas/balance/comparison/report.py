"""A comparison as a report: who is how much faster on what, and how it comes about."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from rilaas.balance.comparison.digest import BINS
from rilaas.balance.comparison.result import Comparison, differs
from rilaas.balance.comparison.table import every_table, load_table, same_table, server_table, standings_table
from rilaas.balance.simulation import Load
from rilaas.report import (
    Cell,
    Figure,
    Metric,
    ModelTimeline,
    Report,
    Table,
    allocation_chart,
    difference_chart,
    percent_text,
    provenance,
)
from rilaas.report.svg import SERIES

OURS = "marginal_cost"
PUBLISHED = ("q_learning", "least_model_time", "round_robin")
"""The policies of the RILaaS document beside least connections; drawn where they are compared."""


def build_report(
    comparison: Comparison,
    *,
    focus: str = "",
    figures: bool = True,
    command: Sequence[str] | None = None,
) -> Report:
    """A report from what was run.

    Args:
        comparison: What was run.
        focus: The policy that stands in front, and whose choices are drawn beside the reference's; ours where it is
            compared, else the one with the lowest mean.
        figures: Whether charts are drawn; not needed at a terminal.
        command: The command line; ``sys.argv`` where None.
    """
    focus = focus or focus_of(comparison)
    drawn: list[Figure] = []
    if figures:
        drawn.append(_differences(comparison))
        drawn += [load_figure(comparison, load, focus) for load in comparison.loads]
    tables = [standings_table(comparison), load_table(comparison, focus), same_table(comparison, focus)]
    tables += [every_table(comparison), server_table(comparison), _conditions(comparison)]
    return Report(
        kind="balancing",
        verdict="measured",
        summary=_summary(comparison, focus),
        metrics=_metrics(comparison, focus),
        tables=tuple(tables),
        figures=tuple(drawn),
        provenance=provenance(comparison.seeds, command=command),
    )


def focus_of(comparison: Comparison) -> str:
    """The policy that a report puts in front where nobody says which."""
    if OURS in comparison.policies:
        return OURS
    return next((name for name in comparison.standings() if name != comparison.reference), comparison.reference)


def load_figure(comparison: Comparison, load: Load, focus: str) -> Figure:
    """The document's Fig. 6 for one load.

    Args:
        comparison: What was run.
        load: One of its loads.
        focus: The policy whose choices are drawn beside the reference's.
    """
    policies = _drawn(comparison, focus)
    two = list(dict.fromkeys([focus, comparison.reference]))
    timelines = []
    for model, k in comparison.models_of(load):
        over_time = {name: comparison.over_time(load.name, name, k) for name in policies}
        latency_s = {name: latency for name, (latency, _) in over_time.items()}
        shares = {name: over_time[name][1] for name in two}
        timelines.append(ModelTimeline(model, latency_s, shares, comparison.rate_over_time(load, k)))
    edges_s = np.linspace(0.0, load.duration_s, BINS + 1)
    count = len(comparison.seeds)
    caption = (
        f"Requests are sorted by when they came, into parts of {load.duration_s / BINS:g} s; mean over "
        f"{count} seed{'s' if count > 1 else ''}."
    )
    left = len(comparison.policies) - len(policies)
    caption += f" {left} more policies are in the tables." if left else ""
    return allocation_chart(timelines, edges_s, title=f"Load {load.name}", caption=caption)


def _drawn(comparison: Comparison, focus: str) -> list[str]:
    """As many policies as have colours: the focus, the reference, the document's, then as they were named."""
    published = [n for p in PUBLISHED for n in comparison.policies if n.partition("=")[0] == p]
    return list(dict.fromkeys([focus, comparison.reference, *published, *comparison.policies]))[:SERIES]


def _differences(comparison: Comparison) -> Figure:
    others = [name for name in comparison.standings() if name != comparison.reference] or [comparison.reference]
    return difference_chart(
        {name: comparison.difference(None, name) for name in others},
        reference=comparison.reference,
        title="Mean latency over all loads",
        caption=f"Difference from {comparison.reference} in percent of it; left is faster. 95 % intervals over "
        "seeds; with a seed all policies meet the same requests and the same service and network times.",
    )


def _metrics(comparison: Comparison, focus: str) -> dict[str, Metric]:
    """Means of the focus and of the reference, and their difference."""
    short = {name: name.partition("=")[0] for name in (focus, comparison.reference)}
    if len(set(short.values())) < len(short):  # two files of one policy
        short = {name: name for name in short}
    metrics = {f"{_word(short[focus])}_latency_s": comparison.mean(None, focus)}
    if focus != comparison.reference:
        metrics[f"{_word(short[comparison.reference])}_latency_s"] = comparison.mean(None, comparison.reference)
        metrics["difference_share"] = comparison.difference(None, focus)
    return {name: metric for name, metric in metrics.items() if metric.n}


def _word(name: str) -> str:
    return re.sub(r"\W+", "_", name)


def _summary(comparison: Comparison, focus: str) -> str:
    seeds = len(comparison.seeds)
    words = [
        f"{len(comparison.policies)} {'policies' if len(comparison.policies) > 1 else 'policy'} on "
        f"{len(comparison.loads)} load{'s' if len(comparison.loads) > 1 else ''} of {comparison.cluster.name}, "
        f"{seeds} seed{'s' if seeds > 1 else ''}"
    ]
    if comparison.interceptors > 1:
        words[0] += f", {comparison.interceptors} interceptors"
    words[0] += "." if comparison.is_whole else ", interrupted: what was run until then."
    difference = comparison.difference(None, focus)
    if focus != comparison.reference and difference.n:
        what = "is no different from" if not differs(difference) else "against"
        words.append(f"{focus} {what} {comparison.reference}: {percent_text(difference)} mean latency.")
    if over := [load.name for load in comparison.loads if comparison.offered(load) > 1.0]:
        words.append(f"{', '.join(over)}: more than the servers can do, so no policy is stable there.")
    same = [
        load.name
        for load in comparison.loads
        if (each := comparison.difference(load.name, focus)).n and not differs(each)
    ]
    if focus != comparison.reference and same and len(same) < len(comparison.loads):
        words.append(f"They do not differ on {', '.join(same)}.")
    return " ".join(words)


def _conditions(comparison: Comparison) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for server in comparison.cluster.servers:
        slots = ", ".join(f"{pool or 'all models'}: {count}" for pool, count in server.slots_by_model.items())
        for model in comparison.cluster.models:
            service, network = server.service[model], server.network[model]
            times = (1e3 * service.mean_s, 1e3 * service.std_s, 1e3 * network.mean_s, 1e3 * network.std_s)
            rows.append((server.name, server.kind, slots, model, *(round(each, 1) for each in times)))
    columns = ("server", "kind", "slots", "model", "service [ms]", "std [ms]", "network [ms]", "std [ms]")
    befalls = "; ".join(
        f"{d.server} {d.kind} {d.value:g} from {d.at_s:g} until {d.until_s:g} s"
        for d in comparison.cluster.disturbances
    )
    note = "Simulated, with a queue in order of arrival." + (f" Disturbances: {befalls}." if befalls else "")
    return Table(f"Servers of {comparison.cluster.name}", columns, tuple(rows), note, is_detail=True)
