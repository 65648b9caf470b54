"""The tables of a comparison."""

from __future__ import annotations

import math

from rilaas.balance.comparison.result import SAME_WITHIN, Comparison, differs
from rilaas.report import Cell, Metric, Table, percent_text

_BESIDE = 3  # policies beside the reference in the table by load: what a terminal has room for


def standings_table(comparison: Comparison) -> Table:
    """A row per policy, the best first: its mean over all loads, and how far it is from the reference."""
    rows: list[tuple[Cell, ...]] = []
    for name in comparison.standings():
        mean, difference = comparison.mean(None, name), comparison.difference(None, name)
        shares = [_share(comparison, name, kind) for kind in comparison.kinds]
        over = sum(comparison.overloads(load.name, name) for load in comparison.loads)
        failed = sum(comparison.failed(load.name, name) for load in comparison.loads)
        decision_us = round(1e6 * comparison.decision_s(name), 1)
        own = "reference" if name == comparison.reference else percent_text(difference)
        rows.append((name, _ms(mean), own, *shares, over, failed, decision_us))
    columns: tuple[str, ...] = ("policy", "mean [ms]", f"against {comparison.reference}")
    columns += tuple(f"{kind} [%]" for kind in comparison.kinds)
    columns += ("overloads", "failed", "decision [us]")
    note = (
        "Mean latency: of each model, then over the models, then over the loads. Overloads: loads in which it sends "
        "a server more than that can do; such a mean grows with the length of the run. Failed: requests."
    )
    return Table("Policies over all loads", columns, tuple(rows), note)


def load_table(comparison: Comparison, focus: str) -> Table:
    """A row per load: the reference's mean, and those of the policies that are best over all, in percent of it.

    Args:
        comparison: What was run.
        focus: The policy that stands first beside the reference.
    """
    reference = comparison.reference
    others = [name for name in comparison.standings() if name not in (reference, focus)]
    shown = [*([focus] if focus != reference else []), *others][:_BESIDE]
    rows: list[tuple[Cell, ...]] = []
    for load in comparison.loads:
        row: list[Cell] = [load.name, round(100.0 * comparison.offered(load))]
        row.append(_star(comparison, load.name, reference, _mean(comparison.mean(load.name, reference))))
        for name in shown:
            mean, difference = comparison.mean(load.name, name), comparison.difference(load.name, name)
            told = f"{_mean(mean)} {100 * difference.mean:+.1f} %" if difference.n else "-"
            row.append(_star(comparison, load.name, name, told if differs(difference) else f"({told})"))
        rows.append(tuple(row))
    note = f"Mean over the models, and its difference from {reference}; in brackets where that is chance or below "
    note += f"{100 * SAME_WITHIN:g} %. Load: what the requests need of the slots at best."
    if any("*" in str(cell) for row in rows for cell in row):
        note += " *: it overloads a server, and the mean grows with the length of the run."
    if left := len(others) + (focus != reference) - len(shown):
        policies = "policy is" if left == 1 else "policies are"
        note += f" {left} more {policies} in 'Every load, policy and model' of --report and --json."
    columns = ("load", "load [%]", f"{reference} [ms]", *(f"{name} [ms]" for name in shown))
    return Table("By load", columns, tuple(rows), note)


def every_table(comparison: Comparison) -> Table:
    """A row per load, policy and model, with intervals and percentiles."""
    rows: list[tuple[Cell, ...]] = []
    order = comparison.standings()
    for load in comparison.loads:
        for name in order:
            parts: list[tuple[str, int | None]] = [*comparison.models_of(load)]
            for model, k in [*parts, *([("all models", None)] if len(parts) > 1 else [])]:
                rows.append(_row(comparison, load.name, name, model, k))
    columns: tuple[str, ...] = (
        "load",
        "policy",
        "model",
        "mean [ms]",
        "low",
        "high",
        f"against {comparison.reference}",
    )
    columns += ("p50 [ms]", "p95 [ms]", "p99 [ms]", *(f"{kind} [%]" for kind in comparison.kinds), "busiest [%]")
    note = (
        "Low and high: the 95 % interval over seeds. Percentiles are of all seeds together. All models: the mean of "
        "the models' means. Busiest: how much of what it can do the busiest server was asked for; well above "
        "100 % its queue grew until the end."
    )
    return Table("Every load, policy and model", columns, tuple(rows), note, is_detail=True)


def server_table(comparison: Comparison) -> Table:
    """Which share of the answers came from which server, by load and policy."""
    names, order = [server.name for server in comparison.cluster.servers], comparison.standings()
    rows = tuple(
        (load.name, policy, *(_percent(comparison.share(load.name, policy, [i])) for i in range(len(names))))
        for load in comparison.loads
        for policy in order
    )
    return Table(
        "Shares of the servers", ("load", "policy", *(f"{name} [%]" for name in names)), rows, is_detail=True
    )


def same_table(comparison: Comparison, focus: str) -> Table:
    """Where policies do not differ: by load, those whose mean is the focus's but for chance or ``SAME_WITHIN``.

    Args:
        comparison: What was run.
        focus: Whose differences are told.
    """
    others = [name for name in comparison.standings() if name != focus]
    rows: list[tuple[Cell, ...]] = []
    for load in comparison.loads:
        against = {name: comparison.difference(load.name, name, to=focus) for name in others}
        known = {name: each for name, each in against.items() if each.n}
        alike = [name for name, each in known.items() if not differs(each)]
        ahead = [name for name, each in known.items() if differs(each) and each.mean < 0]
        rows.append((load.name, ", ".join(alike) or "nobody", ", ".join(ahead) or "nobody", len(known)))
    columns = ("load", f"no different from {focus}", f"measurably faster than {focus}", "compared")
    note = f"No different: the interval of the difference holds 0, or it is below {100 * SAME_WITHIN:g} %."
    return Table("Where policies do not differ", columns, tuple(rows), note, is_detail=True)


def _row(comparison: Comparison, load: str, name: str, model: str, k: int | None) -> tuple[Cell, ...]:
    mean, difference = comparison.mean(load, name, k), comparison.difference(load, name, k)
    parts: tuple[Cell, ...] = (None, None, None)
    if k is not None:
        p = comparison.percentiles(load, name, k)
        parts = tuple(round(1e3 * v, 1) if math.isfinite(v) else None for v in (p.p50, p.p95, p.p99))
    own = "reference" if name == comparison.reference else percent_text(difference)
    ends = (round(1e3 * mean.low, 1), round(1e3 * mean.high, 1)) if mean.n else (None, None)
    shares = [_percent(comparison.share(load, name, comparison.servers_of(kind), k)) for kind in comparison.kinds]
    return load, name, model, _ms(mean), *ends, own, *parts, *shares, _percent(comparison.busiest(load, name))


def _share(comparison: Comparison, policy: str, kind: str) -> Cell:
    """Mean over the loads of the share of a kind of server."""
    shares = [comparison.share(load.name, policy, comparison.servers_of(kind)) for load in comparison.loads]
    known = [share for share in shares if math.isfinite(share)]
    return _percent(sum(known) / len(known)) if known else None


def _percent(share: float) -> Cell:
    return round(100.0 * share) if math.isfinite(share) else None


def _ms(metric: Metric) -> Cell:
    return round(1e3 * metric.mean, 1) if metric.n else None


def _mean(metric: Metric) -> str:
    return f"{1e3 * metric.mean:.0f}" if metric.n else "-"


def _star(comparison: Comparison, load: str, policy: str, told: str) -> str:
    return f"{told}*" if comparison.overloads(load, policy) else told
