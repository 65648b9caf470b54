"""Two evaluations of one suite, episode by episode; the statistics are those of ``rilaas.evaluate.compare``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rilaas.core import InvalidInput
from rilaas.evaluate.compare import Comparison, compare_every, headline_metric, verdict_text
from rilaas.hub.models import Evaluation, Person
from rilaas.hub.queries.evaluation import evaluation_row, find_evaluation, full_report
from rilaas.report import Metric, Report
from rilaas.report.number import interval_text, mean_text

MAX_VALUES = 1_000_000  # episodes times metrics of a report: a page is to come within seconds
_UNPAIRED = 50  # that a page lists


def compare_evaluations(person: Person, first: str, second: str) -> dict[str, Any]:
    """The second evaluation against the first, over the episodes that both drove.

    Args:
        person: Who asks.
        first: Number of the one that is compared against.
        second: Number of the one that is judged.

    Returns:
        ``problem`` in place of verdicts where they cannot be compared, as of different suites; the means are there
        all the same.

    Raises:
        InvalidInput: They are not named by numbers.
        NotFound: One is hidden, not done, or there is none.
    """
    if not all(text.isascii() and text.isdigit() and len(text) < 18 for text in (first, second)):
        raise InvalidInput("Two evaluations are compared.", "Write /evaluations/compare?a=1&b=2.")
    one, two = find_evaluation(person, int(first)), find_evaluation(person, int(second))
    left, right = full_report(person, one.pk), full_report(person, two.pk)
    found: Mapping[str, Comparison] = {}
    headline, problem = None, None
    try:
        _check_size(left, right)
        found = compare_every(right, left)
        headline = found[headline_metric(right, left)]
    except InvalidInput as error:
        problem = {"message": error.message, "hint": error.hint}
    return {
        "a": {**evaluation_row(one), "label": _label(one)},
        "b": {**evaluation_row(two), "label": _label(two)},
        "verdict": headline.verdict if headline else "",
        "sentence": verdict_text(headline, _label(two), _label(one)) if headline else "",
        "problem": problem,
        "metrics": [_row(name, left, right, found.get(name)) for name in _names(left.metrics, right.metrics)],
        "unpaired": _unpaired(headline) if headline else [],
    }


def _check_size(*reports: Report) -> None:
    for report in reports:
        if len(report.episodes) * len(report.metrics) > MAX_VALUES:
            raise InvalidInput(
                f"A report with {len(report.episodes):,} episodes is too large to be compared on a page.",
                "Download both, and compare them with: rilaas evaluate ONE.json --against OTHER.json",
            )


def _names(left: Mapping[str, Metric], right: Mapping[str, Metric]) -> list[str]:
    """Metrics of both in the order of the first, those of a group together."""
    every = {**left, **right}
    order = {group: i for i, group in enumerate(dict.fromkeys(metric.group for metric in every.values()))}
    return sorted(every, key=lambda name: order[every[name].group])


def _row(name: str, left: Report, right: Report, found: Comparison | None) -> dict[str, Any]:
    shown = left.metrics.get(name) or right.metrics[name]
    row: dict[str, Any] = {
        "name": name,
        "group": shown.group,
        "direction": shown.direction,
        "a": _words(left.metrics.get(name)),
        "b": _words(right.metrics.get(name)),
        "difference": _words(None),
        "n": 0,
        "p_value": None,
        "verdict": "",
    }
    if found is None or not found.n:
        return row
    paired = {"a": _words(found.b), "b": _words(found.a), "difference": _words(found.difference)}
    return {**row, **paired, "n": found.n, "p_value": found.p_value, "verdict": found.verdict}


def _words(metric: Metric | None) -> dict[str, str]:
    """A mean, and beside it what it never stands without."""
    if metric is None:
        return {"mean": "", "interval": ""}
    return {"mean": mean_text(metric), "interval": interval_text(metric)}


def _unpaired(headline: Comparison) -> list[dict[str, Any]]:
    return [
        {"scenario": row.scenario, "seed": row.seed, "reason": row.reason} for row in headline.unpaired[:_UNPAIRED]
    ]


def _label(evaluation: Evaluation) -> str:
    revision = f":{evaluation.variant.revision}" if evaluation.variant else ""
    return f"{evaluation.model or evaluation.kind}{revision} ({evaluation.pk})"
