"""Live progress of a suite: episode, simulated time, rate, time left; and how the run ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rilaas.cli.main import INTERRUPTED
from rilaas.cli.output import VERDICT_FAILED, Output

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Progress, Scenario, Suite
    from rilaas.report import Report

EVERY_S = 0.2


class EpisodeColumns:
    """How a line of an episode begins, one below the other: number, scenario, seed.

    Args:
        suite: Whose scenarios they are.
        most: How many lines there will be at most.
    """

    def __init__(self, suite: Suite, most: int) -> None:
        self._most = most
        self._name = max(len(scenario.name) for scenario in suite.scenarios)
        self._seed = max(len(str(scenario.seed)) for scenario in suite.scenarios)

    def of(self, number: int, scenario: Scenario) -> str:
        """The beginning of the line of one.

        Args:
            number: From 1.
            scenario: What was driven.
        """
        count = f"{number:>{len(str(self._most))}}/{self._most}"
        return f"  {count}  {scenario.name:<{self._name}}  seed {scenario.seed:<{self._seed}}"


class SuiteProgress:
    """Pass ``frame`` and ``episode`` to ``run_suite``.

    Args:
        suite: What is run.
        output: Where to; the moving line appears on a terminal only, a line per episode always.
    """

    def __init__(self, suite: Suite, output: Output) -> None:
        self._suite, self._output = suite, output
        self._columns = EpisodeColumns(suite, len(suite.scenarios))
        self._total_s = sum(scenario.duration_s for scenario in suite.scenarios)
        self._past_s = 0.0
        self._number = 0
        self._start = time.monotonic()
        self._next = 0.0

    def frame(self, t_s: float) -> None:
        """After each camera frame, with the episode's time [s]."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_S
        scenario = self._suite.scenarios[self._number]
        done_s = self._past_s + t_s
        rate = done_s / max(1e-6, now - self._start)
        left_s = (self._total_s - done_s) / max(1e-6, rate)
        self._output.progress(
            f"episode {self._number + 1} of {len(self._suite.scenarios)}: {scenario.name}, seed {scenario.seed}, "
            f"{t_s:4.1f} of {scenario.duration_s:g} s, {rate:.1f} times real time, {left_s:.0f} s left"
        )

    def episode(self, progress: Progress) -> None:
        """After each episode."""
        result, scores = progress.episode.result, progress.episode.scores
        self._number = progress.done
        self._past_s += result.scenario.duration_s
        self._output.progress_done()
        words = f"drove {scores['driven_lane_m']:.1f} m along the lane" if scores else result.reason
        if "driving_score" in scores:
            words += f", score {scores['driving_score']:.1f}"
        status = result.status.replace("_", " ")
        self._output.talk(f"{self._columns.of(progress.done, result.scenario)}  {status:<10} {words}")


def exit_code(report: Report, *, is_whole: bool) -> int:
    """How a command that ran a suite ends.

    Args:
        report: Of what was run.
        is_whole: Whether that is all that was to be run.

    Returns:
        130 where it was interrupted, whatever it had reached by then; 20 where the verdict is "failed"; else 0.
    """
    if not is_whole:
        return INTERRUPTED
    return VERDICT_FAILED if report.verdict == "failed" else 0
