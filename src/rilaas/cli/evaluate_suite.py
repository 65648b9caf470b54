"""Driving one suite with one policy, as a command line asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rilaas.cli.config import Settings
from rilaas.cli.evaluate_record import RunRecording
from rilaas.cli.evaluate_simulator import TILE_WORLD, in_world
from rilaas.cli.output import Output
from rilaas.cli.policy import is_remote, load_local, local_name, open_policy
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
        simulator: Whose world it is, by its name in the registry.
    """

    suite: Suite
    latency: Latency
    settings: Settings
    workers: int
    output: Output
    recording: RunRecording | None = None
    simulator: str = TILE_WORLD


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
    from rilaas.evaluate.driving.scenario.turns import with_episodes

    suite = read(name)
    return suite if episodes is None else with_episodes(suite, episodes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Attributes:
        report: Of it.
        is_whole: Whether all was driven that was to be; not where it was interrupted.
    """

    report: Report
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Driver:
    """A policy that is there or can be made, and what it is called.

    Attributes:
        text: As it was written on the command line.
        policy: It, or with several workers a function that makes it.
        name: What reports call it.
        where: ``in this process``, ``in 2 processes``, ``behind edge.example:8443``.
    """

    text: str
    policy: Policy | Callable[[], Policy]
    name: str
    where: str


def open_driver(text: str, course: Course, stack: ExitStack) -> Driver:
    """Find a policy, and open it where one process drives.

    Args:
        text: A model folder, or a reference.
        course: What it will be put through.
        stack: Closes it.

    Raises:
        InvalidInput: A remote policy shall drive in several processes.
        RilaasError: It cannot be loaded or reached.
    """
    if course.workers == 1:
        opened = stack.enter_context(open_policy(text, course.settings))
        return Driver(text, opened.policy, opened.name, opened.where)
    if is_remote(text, course.settings):
        raise InvalidInput("A remote policy is driven by one worker.", "Leave --workers away.")
    name = local_name(text, course.settings)
    return Driver(text, partial(load_local, text, course.settings), name, f"in {course.workers} processes")


def drive(driver: Driver, course: Course) -> Outcome:
    """Let a policy drive a suite.

    Args:
        driver: Who drives.
        course: What it is put through.

    Raises:
        RilaasError: It refuses to be asked, or is no driving policy.
    """
    from rilaas.evaluate.driving import run_suite
    from rilaas.evaluate.driving.simulator.registry import simulator_named

    suite, settings, output, recording = course.suite, course.settings, course.output, course.recording
    progress = SuiteProgress(suite, output)
    if recording is not None:
        recording.begin(driver.text, suite, course.latency, course.simulator)

    def on_episode(done: Progress) -> None:
        progress.episode(done)
        if recording is not None:
            recording.episode(done)

    world = in_world(course.simulator)
    count = f"{len(suite.scenarios)} episode{'s' if len(suite.scenarios) > 1 else ''}"
    output.talk(f"{driver.name} {driver.where} drives {suite.name}: {count}, latency {course.latency.text}{world}")
    report = run_suite(
        driver.policy,
        suite,
        latency=course.latency,
        deadline_s=settings.deadline,
        on_episode=on_episode,
        on_frame=progress.frame if course.workers == 1 else None,
        workers=course.workers,
        film_hz=recording.film_hz if recording is not None else 0.0,
        simulator=simulator_named(course.simulator),
    )
    report = replace(report, summary=f"{driver.name} {driver.where}{in_world(course.simulator)}: {report.summary}")
    return Outcome(report, len(report.episodes) == len(suite.scenarios))
