"""Metrics under their headings, and those that some episodes do not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rilaas.report.document import Report, Table
from rilaas.report.metric import Metric


def groups(report: Report) -> dict[str, dict[str, Metric]]:
    """Metrics by heading, in the report's order; '' is the headline, and is the first where it is there."""
    found: dict[str, dict[str, Metric]] = {"": {}}
    for name, metric in report.metrics.items():
        found.setdefault(metric.group, {})[name] = metric
    return {title: metrics for title, metrics in found.items() if metrics}


def headline(report: Report) -> Mapping[str, Metric]:
    """The metrics that stand above all others; all where none does."""
    return groups(report).get("", report.metrics)


def absent_table(report: Report) -> Table | None:
    """Each metric that an episode does not have, with the reason and how often; None where there is none."""
    count = Counter((name, reason) for each in report.episodes for name, reason in each.absent.items())
    if not count:
        return None
    order = {name: i for i, name in enumerate(dict.fromkeys([*report.metrics, *(name for name, _ in count)]))}
    rows = tuple(
        (name, reason, times)
        for (name, reason), times in sorted(count.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    )
    note = f"Of {len(report.episodes)} episodes. Such a metric counts neither as 0 nor as anything else."
    return Table("Metrics that an episode does not have", ("metric", "why", "episodes"), rows, note)
