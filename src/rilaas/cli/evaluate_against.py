"""``rilaas evaluate --against``: the same scenarios and seeds for several policies, compared and ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rilaas.cli.evaluate_simulator import TILE_WORLD
from rilaas.cli.evaluate_suite import Course, Driver, Outcome, drive, open_driver
from rilaas.cli.output import Output
from rilaas.cli.progress import EpisodeColumns
from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.report import Report, Table, metric_text, summarize
from rilaas.report.number import metric_unit

if TYPE_CHECKING:
    from rilaas.evaluate.driving.judge.duel import Duel, Pair


def against(text: str, others: Sequence[str], course: Course, metric: str = "") -> Outcome:
    """Drive a suite with a policy and with others, and compare.

    Args:
        text: The policy that is judged.
        others: Policies, or JSON files of reports of the same suite.
        course: What they are put through; its recording is of the first.
        metric: By which is compared; '' for the headline's.

    Returns:
        The first policy's report with tables: against each of the others, and rankings.

    Raises:
        InvalidInput: A file is no report, or one of another suite.
        NotFound: There is no such file, policy or metric.
    """
    from rilaas.evaluate.compare import headline_metric

    check_metric(metric)
    kept = {other: read_report(other, course) for other in others if other.endswith(".json")}
    with ExitStack() as stack:
        drivers = [open_driver(each, course, stack) for each in (text, *(o for o in others if o not in kept))]
        reports, is_whole = _drive_each(drivers, course)
    for other, report in kept.items():
        reports[_free(other, reports)] = report
    if len(reports) == 1:
        return Outcome(next(iter(reports.values())), is_whole)
    report = compared(reports, metric or headline_metric(*reports.values()))
    for name, each in list(reports.items())[1:]:
        if name not in kept and len(each.episodes) < len(course.suite.scenarios):
            ended = f"Interrupted: {name} drove {len(each.episodes)} of {len(course.suite.scenarios)} episodes."
            report = replace(report, summary=f"{ended} {report.summary}")
    return Outcome(report, is_whole)


def compared(reports: Mapping[str, Report], metric: str) -> Report:
    """The first report, with what it is against the others.

    Args:
        reports: By the name of the policy.
        metric: By which is compared.
    """
    from rilaas.evaluate.compare import against_table, compare, compare_every, ranking_tables, verdict_text
    from rilaas.evaluate.compare.table import unpaired_table

    (name, first), *rest = reports.items()
    tables: list[Table] = []
    sentences = []
    for other, report in rest:
        comparison = compare(first, report, metric)
        sentences.append(verdict_text(comparison, name, other))
        every = {metric: comparison, **compare_every(first, report)}
        shown = {each: one for each, one in every.items() if first.metrics[each].group == "" or each == metric}
        tables.append(against_table(shown, name, other))
        if left_out := unpaired_table(comparison, name, other):
            tables.append(left_out)
        if len(every) > len(shown):
            hidden = {each: one for each, one in every.items() if each not in shown}
            title = f"Against {other}: all other metrics"
            tables.append(replace(against_table(hidden, name, other), title=title, is_detail=True))
    tables = [*tables, *ranking_tables(reports)]
    summary = " ".join([first.summary, *(f"{sentence}." for sentence in sentences)])
    return replace(first, summary=summary, tables=(*tables, *first.tables))


def duel(text: str, other: str, course: Course, pairs: int | None, metric: str = "") -> Outcome:
    """Drive pair after pair until it is clear who is better.

    Args:
        text: The policy that is judged.
        other: The policy it is judged against.
        course: Where the worlds come from.
        pairs: How many at most; None for the default.
        metric: By which is compared; '' for the driving score.

    Raises:
        InvalidInput: The other one is a report, which cannot drive on.
    """
    from rilaas.evaluate.compare import SCORE
    from rilaas.evaluate.driving.judge.duel import PAIRS, run_duel
    from rilaas.evaluate.driving.simulator.registry import simulator_named

    if other.endswith(".json"):
        raise InvalidInput(
            "A report cannot drive on until it is decided.",
            "Give a policy to --against, or leave --until-decided away.",
        )
    with ExitStack() as stack:
        drivers = [open_driver(each, course, stack) for each in (text, other)]
        names = _names(drivers)
        course.output.talk(f"{names[0]} against {names[1]}, {pairs or PAIRS} pairs of {course.suite.name} at most")
        columns = EpisodeColumns(course.suite, pairs or PAIRS)
        result = run_duel(
            drivers[0].policy,
            drivers[1].policy,
            course.suite,
            metric=metric or SCORE,
            pairs=pairs or PAIRS,
            latency=course.latency,
            deadline_s=course.settings.deadline,
            workers=course.workers,
            simulator=simulator_named(course.simulator),
            on_pair=lambda pair: _tell(pair, columns, course.output),
        )
    report = compared(dict(zip(names, (result.first, result.second), strict=True)), result.metric)
    tables = (_duel_table(result, names), *report.tables)
    report = replace(report, summary=f"{_verdict(result, names)} {report.summary}", tables=tables)
    return Outcome(report, result.is_whole)


def check_metric(metric: str) -> None:
    """Refuse a metric that no episode can have, before anything is driven.

    Raises:
        NotFound: Naming one that is like it.
    """
    from rilaas.evaluate.driving import METRICS

    if metric and metric not in METRICS:
        raise NotFound(f"There is no metric {metric!r}. {did_you_mean(metric, METRICS)}")


def read_report(text: str, course: Course) -> Report:
    """A report from its file, of the suite that is to be driven.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is no report, or one of another suite.
    """
    path = Path(text)
    if not path.is_file():
        raise NotFound(f"There is no report {text}.", "Give a file that --json wrote, or a policy.")
    try:
        report = Report.from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise InvalidInput(f"{text} is not a report: it is not UTF-8.", "Pass a file that --json wrote.") from None
    except InvalidInput as error:
        raise InvalidInput(f"{text}: {error.message}", error.hint) from None
    facts = report.facts("Suite")
    if facts.get("digest") != course.suite.digest:
        raise InvalidInput(
            f"{text} is a report of {facts.get('suite', 'no suite')} with {len(report.episodes)} episodes, not of "
            f"{course.suite.name} as it is here with {len(course.suite.scenarios)}.",
            "Drive both with the same --suite and --episodes, or give the policy itself to --against.",
        )
    if (world := facts.get("simulator", TILE_WORLD)) != (here := course.simulator.partition(":")[0]):
        raise InvalidInput(
            f"{text} was driven in {world}, not in {here}: the difference would be that of two worlds.",
            f"Add --simulator {world}, or give the policy itself to --against.",
        )
    return report


def _drive_each(drivers: Sequence[Driver], course: Course) -> tuple[dict[str, Report], bool]:
    """One after the other, until one is interrupted; and whether none was."""
    reports: dict[str, Report] = {}
    for name, driver in zip(_names(drivers), drivers, strict=True):
        outcome = drive(driver, replace(course, recording=None) if reports else course)
        reports[name] = outcome.report
        if not outcome.is_whole:
            return reports, False
    return reports, True


def _names(drivers: Sequence[Driver]) -> list[str]:
    names: dict[str, None] = {}
    for driver in drivers:
        names[_free(driver.name, names)] = None
    return list(names)


def _free(name: str, taken: Mapping[str, object]) -> str:
    """A name that is not taken: the same policy may drive twice, to see how large chance is."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} #{number}"
    return free


def _tell(pair: Pair, columns: EpisodeColumns, output: Output) -> None:
    start = columns.of(pair.number, pair.first.result.scenario)
    difference = "no value" if pair.difference is None else f"{pair.difference:+.4g}"
    output.talk(f"{start}  difference {difference:>8}, their mean in [{pair.low:.3g}, {pair.high:.3g}]")


def _verdict(result: Duel, names: Sequence[str]) -> str:
    end = f"after {_pairs(result.n)}"
    interval = _interval(result)
    if result.verdict in {"better", "worse"}:
        return f"Decided {end}: {names[0]} is {result.verdict} than {names[1]} by {result.metric}, {interval}."
    undecided = "Not decided" if result.is_whole else "Interrupted, not decided"
    return f"{undecided} {end}: {names[0]} against {names[1]} by {result.metric}, {interval}."


def _interval(result: Duel) -> str:
    """The mean difference and the interval that holds at all pairs together, in the metric's unit."""
    unit, factor = metric_unit(result.first.metrics.get(result.metric) or summarize([], ""))
    if not result.n:
        return "no pair has a value"
    low, mean, high = (f"{value * factor:.3g}" for value in (result.low, result.mean, result.high))
    return " ".join(part for part in (mean, unit, f"[{low} to {high}], n={result.n}") if part)


def _pairs(count: int) -> str:
    return f"{count} pair" if count == 1 else f"{count} pairs"


def _duel_table(result: Duel, names: Sequence[str]) -> Table:
    rows = (
        ("metric", result.metric),
        ("pairs", result.n),
        (f"{names[0]}, mean", _mean(result.first, result.metric)),
        (f"{names[1]}, mean", _mean(result.second, result.metric)),
        ("difference", _interval(result)),
        (f"verdict on {names[0]}", result.verdict),
    )
    note = (
        "A 95 % confidence sequence: the interval holds at all pairs together, so that one may stop when it leaves "
        "out 0. The tables below take the number of pairs as if it had been fixed; this one does not."
    )
    return Table("Until decided", ("", "value"), rows, note)


def _mean(report: Report, name: str) -> str:
    return metric_text(report.metrics.get(name) or summarize([], ""))
