"""Driving one suite with one policy, as a command line asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rilaas.cli.config import Settings
from rilaas.cli.evaluate_record import RunRecording
from rilaas.cli.output import Output
from rilaas.cli.policy import is_remote, load_local, open_policy
from rilaas.cli.progress import SuiteProgress
from rilaas.core import InvalidInput, MissingDependency, Policy
from rilaas.report import Report

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Latency, Progress, Suite


@dataclass(frozen=True, slots=True)
class Course:
    """What policies are put through, and how.

    Attributes:
        suite: The episodes.
        latency: How long the world goes on while a policy thinks.
        settings: Of this call.
        workers: Processes.
        output: Where the talk goes.
        recording: Takes the episodes of the run; None where nobody asked for recordings.
    """

    suite: Suite
    latency: Latency
    settings: Settings
    workers: int
    output: Output
    recording: RunRecording | None = None


def read_suite(name: str, episodes: int | None = None) -> Suite:
    """A suite by its name or path, cut or extended to a number of episodes.

    Raises:
        MissingDependency: The tile world is not installed.
        NotFound: There is no such suite.
        InvalidInput: It is not one.
    """
    try:
        from rilaas.evaluate.driving import read_suite as read
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"The tile world needs the package {error.name}.", "Install it: pip install 'rilaas[serve,evaluate]'."
        ) from None
    suite = read(name)
    return suite if episodes is None else suite_of_length(suite, episodes)


def suite_of_length(suite: Suite, episodes: int) -> Suite:
    """A suite cut or extended to a number of episodes; see ``with_episodes``."""
    from rilaas.evaluate.driving.judge.turns import with_episodes

    return with_episodes(suite, episodes)


def drive(text: str, course: Course) -> Report:
    """Let a policy drive a suite.

    Args:
        text: A model folder, or a reference.
        course: What it is put through.

    Raises:
        InvalidInput: A remote policy shall drive in several processes.
        RilaasError: It cannot be loaded, reached or asked.
    """
    from rilaas.evaluate.driving import run_suite

    suite, settings, output, workers = course.suite, course.settings, course.output, course.workers
    progress, recording = SuiteProgress(suite, output), course.recording
    if recording is not None:
        recording.begin(text, suite, course.latency)

    def on_episode(done: Progress) -> None:
        progress.episode(done)
        if recording is not None:
            recording.episode(done)

    with ExitStack() as stack:
        made: Policy | Callable[[], Policy]
        if workers == 1:
            opened = stack.enter_context(open_policy(text, settings))
            made, name, place = opened.policy, opened.name, opened.place
        else:
            if is_remote(text, settings):
                raise InvalidInput("A remote policy is driven by one worker.", "Leave --workers away.")
            made, name, place = partial(load_local, text, settings), text, f"{workers} processes"
        count = f"{len(suite.scenarios)} episode{'s' if len(suite.scenarios) > 1 else ''}"
        output.talk(f"{name} in {place} drives {suite.name}: {count}, latency {course.latency.text}")
        report = run_suite(
            made,
            suite,
            latency=course.latency,
            deadline_s=settings.deadline,
            on_episode=on_episode,
            on_frame=progress.frame if workers == 1 else None,
            workers=workers,
            film_hz=recording.film_hz if recording is not None else 0.0,
        )
    return replace(report, summary=f"{name} in {place}: {report.summary}")
