"""Two evaluations side by side."""

from __future__ import annotations

from typing import Any

from rilaas.core import InvalidInput
from rilaas.hub.models import Person
from rilaas.hub.queries.evaluation import evaluation_row, find_evaluation, metrics_of
from rilaas.report import Metric, metric_text


def compare_evaluations(person: Person, first: str, second: str) -> dict[str, Any]:
    """Two evaluations side by side, metric by metric.

    Raises:
        InvalidInput: They are not named by numbers.
        NotFound: One is hidden, or there is none.
    """
    if not all(text.isascii() and text.isdigit() and len(text) < 18 for text in (first, second)):
        raise InvalidInput("Two evaluations are compared.", "Write /evaluations/compare?a=1&b=2.")
    one, two = find_evaluation(person, int(first)), find_evaluation(person, int(second))
    left, right = metrics_of(one), metrics_of(two)
    rows = [
        {
            "name": name,
            "a": metric_text(left[name]) if name in left else "",
            "b": metric_text(right[name]) if name in right else "",
            "verdict": _compared(left[name], right[name]) if name in left and name in right else "",
        }
        for name in {**left, **right}
    ]
    return {"a": evaluation_row(one), "b": evaluation_row(two), "metrics": rows, "same_suite": one.suite == two.suite}


def _compared(one: Metric, two: Metric) -> str:
    """Only intervals that do not meet tell a difference."""
    if one.unit != two.unit:
        return "not the same unit"
    if not one.direction or min(one.n, two.n) < 2:
        return ""
    if one.high < two.low or two.high < one.low:
        return "better" if (two.mean > one.mean) == (one.direction == "higher") else "worse"
    return "cannot be told apart"
