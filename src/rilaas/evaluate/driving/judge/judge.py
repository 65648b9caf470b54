"""Running a suite: every scenario once, scored, into a report."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from rilaas.core import InvalidInput, Policy
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.episode.rollout import EpisodeResult, rollout
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode, score_episode
from rilaas.evaluate.driving.judge.suite_report import build_report
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.scenario.suite import Suite
from rilaas.report import Report


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a suite stands, after each episode.

    Attributes:
        done: Number of episodes that are done.
        total: Number of episodes in the suite.
        episode: The one that ended last.
    """

    done: int
    total: int
    episode: ScoredEpisode


def run_suite(
    policy: Policy | Callable[[], Policy],
    suite: Suite,
    *,
    latency: Latency | None = None,
    deadline_s: float | None = None,
    seeds: Sequence[int] | None = None,
    reference_m: Mapping[tuple[str, int], float] | None = None,
    on_episode: Callable[[Progress], None] | None = None,
    on_frame: Callable[[float], None] | None = None,
    workers: int = 1,
    command: Sequence[str] | None = None,
) -> Report:
    """Let a policy drive every scenario of a suite, and judge it.

    Ctrl-C ends the run; the report then has what was done until then, and says so. Episodes that ended because nobody
    answered (``infrastructure_failure``) are listed and not scored: they say nothing about the driving.

    Args:
        policy: Takes ``image``, gives ``wheels``. With several workers, a function that makes one; it is pickled, and
            called once in each worker.
        suite: What to run.
        latency: Where latencies come from; ``Latency.none()`` where None.
        deadline_s: An answer that takes longer is lost [s].
        seeds: In place of the suite's own.
        reference_m: What somebody else drove [m], by scenario and seed, drawn beside.
        on_episode: Called after each episode, in the suite's order.
        on_frame: Called after each camera frame with the episode's time [s]; only with one worker.
        workers: Processes that drive at the same time.
        command: What the report calls the command line; ``sys.argv`` where None.

    Returns:
        A report of kind ``evaluation``. Its verdict is ``passed`` where every threshold is met, ``failed`` where one
        is not, and ``measured`` where there is none, the run was ended early, or an episode could not be scored.

    Raises:
        RilaasError: The policy is not a driving policy, or refused to be asked.
        KeyboardInterrupt: Ctrl-C before the first episode was done.
    """
    suite = suite if seeds is None else suite.with_seeds(seeds)
    if not suite.scenarios:
        raise InvalidInput("There is nothing to run: no seeds.", "Give at least one seed.")
    latency = latency or Latency.none()
    drive = _Drive(policy, latency, deadline_s)
    results = _with_workers(drive, suite, workers) if workers > 1 else _one_by_one(drive, suite, on_frame)
    episodes: list[ScoredEpisode] = []
    try:
        with closing(results):
            for result in results:
                episodes.append(score_episode(result))
                if on_episode is not None:
                    on_episode(Progress(len(episodes), len(suite.scenarios), episodes[-1]))
    except KeyboardInterrupt:
        if not episodes:
            raise
    return build_report(
        suite, episodes, latency=latency, deadline_s=deadline_s, reference_m=reference_m, command=command
    )


@dataclass(frozen=True, slots=True)
class _Drive:
    """One episode after the other, with a policy that is there or is made at the first call."""

    policy: Policy | Callable[[], Policy]
    latency: Latency
    deadline_s: float | None

    def made(self) -> _Drive:
        policy = self.policy
        if isinstance(policy, type) or not isinstance(policy, Policy):
            policy = policy()  # a policy's class, too, has all that a policy has
        return _Drive(policy, self.latency, self.deadline_s)

    def __call__(self, scenario: Scenario, on_frame: Callable[[float], None] | None = None) -> EpisodeResult:
        assert isinstance(self.policy, Policy)
        return rollout(self.policy, scenario, self.latency, deadline_s=self.deadline_s, on_frame=on_frame)


def _one_by_one(
    drive: _Drive, suite: Suite, on_frame: Callable[[float], None] | None
) -> Generator[EpisodeResult, None, None]:
    drive = drive.made()
    for scenario in suite.scenarios:
        yield drive(scenario, on_frame)


def _with_workers(drive: _Drive, suite: Suite, workers: int) -> Generator[EpisodeResult, None, None]:
    if isinstance(drive.policy, Policy) and not isinstance(drive.policy, type):
        raise InvalidInput(
            f"One policy cannot drive in {workers} processes.",
            "Pass a function that makes a policy, such as functools.partial(rilaas.infer.load, folder).",
        )
    # Spawned, not forked: a forked process inherits locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker, initargs=(drive,))
    try:
        yield from pool.map(_drive_in_worker, suite.scenarios)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_in_worker: list[_Drive] = []


def _begin_worker(drive: _Drive) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    _in_worker.append(drive)


def _drive_in_worker(scenario: Scenario) -> EpisodeResult:
    # Made here and not when the worker begins, so that what goes wrong reaches the caller.
    _in_worker[0] = _in_worker[0].made()
    return _in_worker[0](scenario)
