"""Who comes first: lexicographic rankings, as the AI Driving Olympics rank, with their discretization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rilaas.core import NotFound, did_you_mean
from rilaas.report import Report


@dataclass(frozen=True, slots=True)
class Criterion:
    """One column of a ranking.

    Attributes:
        metric: Its median over the episodes counts.
        direction: ``higher`` or ``lower``.
        step: Medians are rounded to whole multiples of this, in the metric's unit; what is then equal is a tie.
    """

    metric: str
    direction: str
    step: float

    def rounded(self, median: float) -> float:
        """A median as a whole number of steps; NaN where there is none."""
        return float(round(median / self.step)) if math.isfinite(median) else math.nan

    def key(self, median: float) -> float:
        """Smaller is better; the worst of all where there is no value."""
        steps = self.rounded(median)
        if math.isnan(steps):
            return math.inf
        return -steps if self.direction == "higher" else steps


@dataclass(frozen=True, slots=True)
class Rule:
    """An order of criteria: the next one counts only where all before are tied.

    Attributes:
        title: What it is called.
        criteria: The first counts most.
        source: Where it comes from.
    """

    title: str
    criteria: tuple[Criterion, ...]
    source: str


# A tile has 0.585 m in all maps of AI-DO, and its deviation is counted in tile seconds: 0.01 tile s is 0.00585 m s.
_DISTANCE = Criterion("driven_lane_m", "higher", 0.62)
_SURVIVAL = Criterion("survival_s", "higher", 2.0)
_DEVIATION = Criterion("lateral_deviation_m_s", "lower", 0.00585)
_OUTSIDE = Criterion("out_of_lane_s", "lower", 0.2)

RULES: Mapping[str, Rule] = {
    "driving": Rule(
        "Driving, then the law",
        (Criterion("driving_score", "higher", 25.0), Criterion("traffic_law_cost", "lower", 0.1)),
        "ours: quarters of the driving score, which does not know tailgating; within a quarter the traffic laws, "
        "which who stands still never breaks",
    ),
    "ai-do": Rule(
        "AI-DO 2020",
        (_DISTANCE, _SURVIVAL, _DEVIATION, _OUTSIDE),
        "challenge-aido_LF, scoring.yaml as printed: steps of 0.62 m, 2 s, 0.01 tile s, 0.2 s",
    ),
    "ai-do-tiles": Rule(
        "AI-DO 2020 in whole tiles",
        (Criterion("driven_lane_tiles", "higher", 1.0), _SURVIVAL, _DEVIATION, _OUTSIDE),
        "that of AI-DO 2020, with the distance in tiles as its text says: a tile of the maps has 0.585 m, not 0.62 m",
    ),
    "ai-do-2": Rule(
        "AI-DO 2020, second board",
        (_SURVIVAL, _OUTSIDE, _DISTANCE, _DEVIATION),
        "challenge-aido_LF, scoring-2.yaml: survival first",
    ),
    "ai-do-2018": Rule(
        "AI-DO 2018, final",
        (Criterion("survival_s", "higher", 0.3), _OUTSIDE, Criterion("driven_lane_m", "higher", 0.3), _DEVIATION),
        "challenge-aido_LF, November 2018: steps of 0.3 s, 0.2 s, 0.3 m, 0.01 tile s",
    ),
}
"""Ours, and the boards of AI-DO. Where the boards count the consecutive lane distance, ours is the lane distance."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A place in a ranking.

    Attributes:
        name: Whose.
        place: From 1; those who are tied in everything share one.
        medians: In the order of the criteria, in the metrics' units; NaN where there is none.
        decided_by: The metric that parts it from the place above; '' for the first place and for ties.
    """

    name: str
    place: int
    medians: tuple[float, ...]
    decided_by: str


def rank(reports: Mapping[str, Report], rule: str = "driving") -> tuple[Standing, ...]:
    """Rank reports lexicographically by their medians, the first place first.

    "Discretized" is read as rounded to the nearest multiple of the step.

    Args:
        reports: By the name of what was judged; all of one suite.
        rule: A key of ``RULES``.

    Raises:
        NotFound: There is no such rule.
    """
    if rule not in RULES:
        raise NotFound(f"There is no ranking {rule!r}. {did_you_mean(rule, RULES)}")
    criteria = RULES[rule].criteria
    medians = {name: tuple(_median(report, each.metric) for each in criteria) for name, report in reports.items()}
    keys = {
        name: tuple(each.key(value) for each, value in zip(criteria, values, strict=True))
        for name, values in medians.items()
    }
    standings: list[Standing] = []
    for i, name in enumerate(sorted(reports, key=lambda each: keys[each])):
        parted = ""
        if standings:
            above = keys[standings[-1].name]
            parted = next((c.metric for c, x, y in zip(criteria, above, keys[name], strict=True) if x != y), "")
        place = i + 1 if parted or not standings else standings[-1].place
        standings.append(Standing(name, place, medians[name], parted))
    return tuple(standings)


def _median(report: Report, metric: str) -> float:
    values = [v for e in report.episodes if (v := e.metrics.get(metric)) is not None and math.isfinite(v)]
    return float(np.median(values)) if values else math.nan
