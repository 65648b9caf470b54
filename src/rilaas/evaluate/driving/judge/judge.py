"""Running a suite: every scenario once, scored, into a report."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from rilaas.core import InvalidInput, Policy
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.judge.runner import Driven, Runner
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode, score_episode
from rilaas.evaluate.driving.judge.suite_report import build_report
from rilaas.evaluate.driving.scenario.suite import Suite
from rilaas.evaluate.driving.world.simulator import SimulatorOf, simulator_name
from rilaas.evaluate.driving.world.world import tile_world
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
    film_hz: float = 0.0,
    simulator: SimulatorOf = tile_world,
    retries: int = 2,
    retry_after_s: float = 0.5,
    command: Sequence[str] | None = None,
) -> Report:
    """Let a policy drive every scenario of a suite, and judge it.

    Ctrl-C ends the run; the report then has what was done until then, and says so. Episodes that ended because nobody
    answered or the simulator was gone (``infrastructure_failure``) are driven again; where that does not help they
    are listed and not scored: they say nothing about the driving. With a latency that is not measured, the episodes
    are the same bytes whatever the number of workers.

    Args:
        policy: Takes ``image``, gives ``wheels``. With several workers, a function that makes one; it is pickled, and
            called once in each worker.
        suite: What to run.
        latency: Where latencies come from; ``Latency.none()`` where None.
        deadline_s: An answer that takes longer is lost [s].
        seeds: In place of the suite's own.
        reference_m: What somebody else drove [m], by scenario and seed, drawn beside.
        on_episode: Called after each episode, in the suite's order; its film is forgotten afterwards.
        on_frame: Called after each camera frame with the episode's time [s]; only with one worker.
        workers: Processes that drive at the same time.
        film_hz: Pictures in a second that ``on_episode`` gets of each episode; see ``rollout``.
        simulator: Makes a fresh simulator for each attempt at a scenario; the tile world where none is given. Pickled
            where there are several workers.
        retries: How often an episode is tried again whose infrastructure failed.
        retry_after_s: How long to wait before that [s].
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
    contact_m = suite.constants.contact_m
    runner = Runner(policy, latency, deadline_s, film_hz, simulator, retries, retry_after_s, contact_m)
    driven = runner.run(suite.scenarios, workers=workers, on_frame=on_frame)
    episodes: list[ScoredEpisode] = []
    try:
        with closing(driven):
            for episode in score_all(driven, suite):
                episodes.append(episode.without_film())
                if on_episode is not None:
                    on_episode(Progress(len(episodes), len(suite.scenarios), episode))
    except KeyboardInterrupt:
        if not episodes:
            raise
    return build_report(
        suite,
        episodes,
        latency=latency,
        deadline_s=deadline_s,
        reference_m=reference_m,
        command=command,
        simulator=simulator_name(simulator),
    )


def score_all(driven: Generator[Driven, None, None], suite: Suite) -> Generator[ScoredEpisode, None, None]:
    """Score what is driven, as it comes, by a suite's constants."""
    for each in driven:
        yield replace(score_episode(each.result, suite.constants), lost=each.lost)
