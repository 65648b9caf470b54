"""``rilaas evaluate --sweep``: a suite at one latency after the other."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from rilaas.cli.evaluate_suite import Course, Outcome, drive, open_driver
from rilaas.report import Report, metric_text, value_text

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Latency
    from rilaas.evaluate.driving.judge.sweep import SweepPoint


def sweep(text: str, course: Course, latencies: str) -> Outcome:
    """Drive a suite at each of some latencies.

    Args:
        text: The policy.
        course: What it is put through; its latency does not count.
        latencies: As ``parse_latencies`` reads them.

    Raises:
        InvalidInput: These are no latencies.
    """
    from rilaas.evaluate.compare import headline_metric
    from rilaas.evaluate.driving.judge.sweep import parse_latencies, run_sweep

    latencies_s = parse_latencies(latencies)
    done: list[SweepPoint] = []
    with ExitStack() as stack:
        driver = open_driver(text, course, stack)

        def at(latency: Latency) -> Report:
            return drive(driver, replace(course, latency=latency)).report

        def told(point: SweepPoint) -> None:
            done.append(point)
            verdict = f"; against the first latency: {point.comparison.verdict}" if point.comparison else ""
            score = metric_text(point.report.metrics[headline_metric(point.report)])
            course.output.talk(f"{value_text(point.latency_s, 's')}: {score}{verdict}")

        report = run_sweep(at, course.suite, latencies_s, on_point=told)
    report = replace(report, summary=f"{driver.name} {driver.where}: {report.summary}")
    return Outcome(report, len(done) == len(latencies_s))
