"""A suite at one latency after the other: what distance costs in driving, and from where on it costs something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rilaas.core import InvalidInput
from rilaas.evaluate.compare import LEAST_PAIRS, WORSE, Comparison, compare, headline_metric
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.judge.suite_report import HEADLINE
from rilaas.evaluate.driving.scenario.suite import Suite
from rilaas.report import (
    Cell,
    Episode,
    Figure,
    Metric,
    Report,
    Table,
    metric_text,
    provenance,
    score_latency_chart,
    summarize,
    value_text,
)


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One latency of a sweep.

    Attributes:
        latency_s: What each answer took [s].
        report: Of the suite at it.
        comparison: With the smallest latency, on the same scenarios and seeds; None for that one itself.
    """

    latency_s: float
    report: Report
    comparison: Comparison | None

    @property
    def loses(self) -> bool:
        """Whether it drives measurably worse than at the smallest latency."""
        return self.comparison is not None and self.comparison.verdict == WORSE


def parse_latencies(text: str) -> tuple[float, ...]:
    """Read ``0,0.05,0.1`` [s], rising.

    Raises:
        InvalidInput: It is something else, or there are fewer than two.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InvalidInput(
            f"{text!r} is not a list of latencies.", "Write seconds with commas: 0,0.05,0.1,0.2."
        ) from None
    return check_latencies(values)


def check_latencies(latencies_s: Sequence[float]) -> tuple[float, ...]:
    """Latencies in rising order, each once.

    Raises:
        InvalidInput: There are fewer than two, or one is not a time.
    """
    rising = tuple(sorted({Latency.fixed(value).samples_s[0] for value in latencies_s}))
    if len(rising) < 2:
        raise InvalidInput("A sweep has at least two latencies.", "Write for example 0,0.05,0.1,0.2.")
    return rising


def run_sweep(
    drive: Callable[[Latency], Report],
    suite: Suite,
    latencies_s: Sequence[float],
    *,
    on_point: Callable[[SweepPoint], None] | None = None,
    command: Sequence[str] | None = None,
) -> Report:
    """Drive a suite at each of some latencies, on the same scenarios and seeds.

    Ctrl-C ends it; the report then has the latencies that were done.

    Args:
        drive: Drives the suite at a latency; such as ``partial(run_suite, policy, suite)`` with its ``latency``.
        suite: What it drives.
        latencies_s: What each answer takes, one after the other [s].
        on_point: Called after each latency.
        command: What the report calls the command line; ``sys.argv`` where None.

    Returns:
        A report of kind ``latency sweep``: the score against latency, and ``loses_at_s``, the smallest latency at
        which the suite is driven measurably worse than at the smallest one of all.

    Raises:
        InvalidInput: There are fewer than two latencies, or no episode has a score.
        KeyboardInterrupt: Ctrl-C before the first latency was done.
    """
    points: list[SweepPoint] = []
    try:
        for latency_s in check_latencies(latencies_s):
            report = drive(Latency.fixed(latency_s))
            if len(report.episodes) < len(suite.scenarios):
                raise KeyboardInterrupt  # it was ended, and kept what it had
            compared = compare(report, points[0].report, headline_metric(points[0].report)) if points else None
            points.append(SweepPoint(latency_s, report, compared))
            if on_point is not None:
                on_point(points[-1])
    except KeyboardInterrupt:
        if not points:
            raise
    return sweep_report(points, suite, command=command, asked=len(set(latencies_s)))


def losing_bracket(points: Sequence[SweepPoint]) -> tuple[float, float] | None:
    """Between which two latencies driving starts to get measurably worse [s]; None where it never does."""
    for before, after in pairwise(points):
        if after.loses:
            return before.latency_s, after.latency_s
    return None


def sweep_report(
    points: Sequence[SweepPoint], suite: Suite, *, asked: int, command: Sequence[str] | None = None
) -> Report:
    """A report from the points of a sweep; see ``run_sweep``."""
    metric, bracket = headline_metric(points[0].report), losing_bracket(points)
    scores = {point.latency_s: _score(point.report, metric) for point in points}
    metrics = {f"{metric}_at_{1e3 * latency_s:g}_ms": score for latency_s, score in scores.items()}
    if bracket:
        metrics["loses_at_s"] = summarize([bracket[1]], "s", "higher")
    facts = next(table for table in points[0].report.tables if table.title == "Suite")
    told = ", ".join(value_text(point.latency_s, "s") for point in points)
    rows = tuple((name, f"fixed: {told}" if name == "latency" else value) for name, value in facts.rows)
    return Report(
        kind="latency sweep",
        verdict="measured",
        summary=_summary(points, metric, bracket, asked),
        metrics=metrics,
        episodes=tuple(_at(each, point.latency_s) for point in points for each in point.report.episodes),
        figures=(_chart(scores, metric, bracket),),
        tables=(_table(points, metric), replace(facts, rows=rows)),
        provenance=provenance(sorted({scenario.seed for scenario in suite.scenarios}), command=command),
    )


def _score(report: Report, metric: str) -> Metric:
    return report.metrics.get(metric) or summarize([], "")


def _at(episode: Episode, latency_s: float) -> Episode:
    """An episode with the headline's metrics; the others are those of a run at this latency alone."""
    metrics = {name: value for name, value in episode.metrics.items() if name in HEADLINE}
    return replace(episode, scenario=f"{episode.scenario} at {1e3 * latency_s:g} ms", metrics=metrics, absent={})


def _chart(scores: Mapping[float, Metric], metric: str, bracket: tuple[float, float] | None) -> Figure:
    points = [(latency_s, score.mean, score.low, score.high, score.n) for latency_s, score in scores.items()]
    unit = next(iter(scores.values())).unit
    return score_latency_chart(points, bracket[1] if bracket else None, metric=metric, unit=unit)


def _summary(points: Sequence[SweepPoint], metric: str, bracket: tuple[float, float] | None, asked: int) -> str:
    first, last = points[0], points[-1]
    ended = f"Interrupted after {len(points)} of {asked} latencies. " if len(points) < asked else ""
    start = f"{ended}{metric} at {value_text(first.latency_s, 's')}: {metric_text(_score(first.report, metric))}. "
    pairs = max((point.comparison.n for point in points if point.comparison is not None), default=0)
    if len(points) > 1 and pairs < LEAST_PAIRS:
        found = f"{metric_text(_score(last.report, metric))} at {value_text(last.latency_s, 's')}"
        return f"{start}{found}, but {pairs} pairs cannot tell a loss from chance: {LEAST_PAIRS} are the least."
    if bracket is None:
        return f"{start}No measurable loss up to {value_text(last.latency_s, 's')}."
    low, high = (value_text(end, "s") for end in bracket)
    worse = next(point for point in points if point.loses)
    assert worse.comparison is not None
    lost = metric_text(worse.comparison.difference)
    return f"{start}It starts to lose between {low} and {high}: at {high} the difference is {lost}."


def _table(points: Sequence[SweepPoint], metric: str) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for point in points:
        score, compared = _score(point.report, metric), point.comparison
        failed = sum(episode.failed for episode in point.report.episodes)
        difference = metric_text(compared.difference) if compared else ""
        rows.append(
            (
                float(point.latency_s),
                metric_text(score),
                float(score.median),
                failed,
                difference,
                compared.p_value if compared else None,
                compared.verdict if compared else "",
            )
        )
    columns = ("latency [s]", metric, "median", "failed", "difference", "p", "against the first")
    note = (
        "Differences are those of pairs: the same scenario and seed at the first latency, with 95 % intervals. A "
        f"verdict needs {LEAST_PAIRS} pairs."
    )
    return Table("Score against latency", columns, tuple(rows), note)
