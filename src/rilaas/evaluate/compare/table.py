"""Comparisons and rankings as a report shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rilaas.evaluate.compare.paired import LEAST_PAIRS, Comparison, compare, headline_metric
from rilaas.evaluate.compare.ranking import RULES, rank
from rilaas.report import Cell, Metric, Report, Table, metric_text
from rilaas.report.number import metric_unit


def verdict_text(comparison: Comparison, a: str, b: str) -> str:
    """``driving_score: pilot is better than old by 6.2 [2.1-10.3], n=20``."""
    verdict = comparison.verdict
    what = {"better": f"{a} is better than {b}", "worse": f"{a} is worse than {b}"}.get(
        verdict, f"{a} against {b}: {verdict}"
    )
    few = f" (a verdict needs {LEAST_PAIRS} pairs)" if comparison.n < LEAST_PAIRS else ""
    other = f"; not only the policies differ, but {', '.join(comparison.conditions)}" if comparison.conditions else ""
    return f"{comparison.metric}: {what}, difference {metric_text(comparison.difference)}{few}{other}"


def against_table(comparisons: Mapping[str, Comparison], a: str, b: str) -> Table:
    """Metric by metric: both means over the pairs, the difference with its interval, the verdict.

    Args:
        comparisons: By metric.
        a: What the first is called.
        b: What the second is called.
    """
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, _mean(c.a), _mean(c.b), metric_text(c.difference), c.p_value, c.verdict)
        for name, c in comparisons.items()
    )
    columns = ("metric", a, b, "difference", "p", "verdict")
    note = (
        f"The verdict is on {a}. Over episodes with the same scenario and seed: mean difference, its 95 % bootstrap "
        f"interval; p is how often random signs reach such a sum. A verdict needs {LEAST_PAIRS} pairs. Each verdict "
        "stands for itself: of twenty metrics that do not differ, one may look as if it did."
    )
    return Table(f"Against {b}", columns, rows, note)


def unpaired_table(comparison: Comparison, a: str, b: str) -> Table | None:
    """The episodes that a comparison leaves out; None where it has them all."""
    rows = tuple(
        (each.scenario, each.seed, each.reason.replace("the first", a).replace("the second", b))
        for each in comparison.unpaired
    )
    title = f"Episodes left out against {b}"
    return Table(title, ("scenario", "seed", "why"), rows, f"By {comparison.metric}.") if rows else None


def ranking_tables(
    reports: Mapping[str, Report], rules: Sequence[str] = ("driving", "ai-do", "ai-do-tiles")
) -> list[Table]:
    """Who comes first: by the mean of the headline's metric, and by the boards of AI-DO.

    Args:
        reports: By the name of what was judged; at least one.
        rules: Keys of ``RULES``.
    """
    return [_scalar_table(reports), *(_board_table(reports, rule) for rule in rules)]


def _scalar_table(reports: Mapping[str, Report]) -> Table:
    metric = headline_metric(*reports.values())
    kind = next(iter(reports.values())).metrics[metric]
    sign = 1.0 if kind.direction == "lower" else -1.0
    order = sorted(reports, key=lambda name: sign * reports[name].metrics[metric].mean)
    rows: list[tuple[Cell, ...]] = []
    for i, name in enumerate(order):
        verdict = compare(reports[name], reports[order[i - 1]], metric).verdict if i else ""
        own = reports[name].metrics[metric]
        rows.append((i + 1, name, metric_text(own), _in_unit(own.median, own), verdict))
    note = "By the mean. Where there is no measurable difference from the place above, the order is chance."
    return Table(
        f"Ranking by {metric}", ("place", "policy", "mean", "median", "against the place above"), tuple(rows), note
    )


def _board_table(reports: Mapping[str, Report], name: str) -> Table:
    rule = RULES[name]
    columns = ("place", "policy", *(f"{each.metric} (step {each.step:g})" for each in rule.criteria), "decided by")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (each.place, each.name, *(float(value) for value in each.medians), each.decided_by)
        for each in rank(reports, name)
    )
    note = (
        "Medians over the episodes; the next column counts where all before are equal in whole steps. "
        f"Source: {rule.source}."
    )
    return Table(f"Ranking: {rule.title}", columns, rows, note)


def _mean(metric: Metric) -> str:
    return _in_unit(metric.mean, metric)


def _in_unit(value: float, metric: Metric) -> str:
    unit, factor = metric_unit(metric)
    return f"{value * factor:.4g} {unit}".rstrip() if metric.n else "-"
