"""Episodes one after the other, here or in several processes; tried again where the infrastructure failed."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.synchronize import Event

import numpy as np

from rilaas.core import InvalidInput, Policy, Unavailable
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.episode.rollout import EpisodeResult, rollout
from rilaas.evaluate.driving.road.footprint import CONTACT_M
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.world.simulator import SimulatorOf
from rilaas.evaluate.driving.world.world import tile_world

_DEAD = "A process that drove died: by its memory, by a signal, or in native code."


@dataclass(frozen=True, slots=True, eq=False)
class Driven:
    """An episode as it came to its end.

    Attributes:
        result: Of the last attempt.
        lost: Why each attempt failed that says nothing about the policy, the last one's reason too where it did.
    """

    result: EpisodeResult
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Runner:
    """How an episode is run.

    Attributes:
        policy: One that is there, or a function that makes one. With several workers a function; it is pickled, and
            called once in each worker.
        latency: Where latencies come from.
        deadline_s: An answer that takes longer is lost [s].
        film_hz: Pictures of a film in a second; see ``rollout``.
        simulator: Makes a fresh simulator for each attempt; pickled where there are several workers.
        retries: How often an episode is tried again that ended because nobody answered or the simulator was gone.
        retry_after_s: How long to wait before each further attempt [s].
        contact_m: Nearer bodies touch [m]; see ``rollout``.
    """

    policy: Policy | Callable[[], Policy]
    latency: Latency
    deadline_s: float | None = None
    film_hz: float = 0.0
    simulator: SimulatorOf = tile_world
    retries: int = 2
    retry_after_s: float = 0.5
    contact_m: float = CONTACT_M

    def run(
        self, scenarios: Sequence[Scenario], *, workers: int = 1, on_frame: Callable[[float], None] | None = None
    ) -> Generator[Driven, None, None]:
        """Drive scenarios; the same scenario gives the same bytes, however many workers there are.

        Args:
            scenarios: In the order in which the episodes are given.
            workers: Processes that drive at the same time.
            on_frame: Called after each camera frame with the episode's time [s]; only with one worker.

        Yields:
            One for each scenario. Closing the generator ends the processes.

        Raises:
            InvalidInput: Several workers, and one policy.
            RilaasError: The policy is not a driving policy, or refused to be asked.
        """
        return self._in_processes(scenarios, workers) if workers > 1 else self._here(scenarios, on_frame)

    def drive(self, scenario: Scenario, on_frame: Callable[[float], None] | None = None) -> Driven:
        """Drive one scenario; the policy is made already."""
        lost: list[str] = []
        while True:
            result = self._attempt(scenario, on_frame)
            if result.is_scored:
                return Driven(result, tuple(lost))
            lost.append(result.reason or "nobody answered")
            if len(lost) > self.retries:
                return Driven(result, tuple(lost))
            time.sleep(self.retry_after_s)

    def made(self) -> Runner:
        """The same with a policy that is there."""
        policy = self.policy
        if isinstance(policy, type) or not isinstance(policy, Policy):
            policy = policy()  # a policy's class, too, has all that a policy has
        return replace(self, policy=policy)

    def _attempt(self, scenario: Scenario, on_frame: Callable[[float], None] | None) -> EpisodeResult:
        assert isinstance(self.policy, Policy)
        run = partial(rollout, self.policy, scenario, self.latency, deadline_s=self.deadline_s, on_frame=on_frame)
        try:
            with self.simulator(scenario) as simulator:
                return run(simulator=simulator, film_hz=self.film_hz, contact_m=self.contact_m)
        except Unavailable as error:  # the simulator was gone before it began; a policy's own is not raised
            return _nothing_happened(scenario, error.message)

    def _here(
        self, scenarios: Sequence[Scenario], on_frame: Callable[[float], None] | None
    ) -> Generator[Driven, None, None]:
        runner = self.made()
        for scenario in scenarios:
            yield runner.drive(scenario, on_frame)

    def _in_processes(self, scenarios: Sequence[Scenario], workers: int) -> Generator[Driven, None, None]:
        if isinstance(self.policy, Policy) and not isinstance(self.policy, type):
            raise InvalidInput(
                f"One policy cannot drive in {workers} processes.",
                "Pass a function that makes a policy, such as functools.partial(rilaas.infer.load, folder).",
            )
        done, lost = 0, list[str]()
        while done < len(scenarios):
            # After a death, the next one alone: of several, nobody knows whose it was.
            some, count = (scenarios[done : done + 1], 1) if lost else (scenarios[done:], workers)
            try:
                with closing(self._in_pool(some, count)) as driven:
                    for each in driven:
                        yield replace(each, lost=(*lost, *each.lost))
                        done, lost = done + 1, []
            except BrokenProcessPool:
                lost.append(_DEAD)
                if len(lost) > self.retries:
                    yield Driven(_nothing_happened(scenarios[done], _DEAD), tuple(lost))
                    done, lost = done + 1, []

    def _in_pool(self, scenarios: Sequence[Scenario], workers: int) -> Generator[Driven, None, None]:
        # Spawned, not forked: a forked process inherits locks of threads that it does not have.
        context = multiprocessing.get_context("spawn")
        ended = context.Event()
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker, initargs=(self, ended))
        try:
            yield from pool.map(_drive_in_worker, scenarios)
        finally:
            ended.set()  # so that nobody waits for the rest of a minute's drive that nobody wants any more
            pool.shutdown(wait=True, cancel_futures=True)


def _nothing_happened(scenario: Scenario, reason: str) -> EpisodeResult:
    """An episode that ended before it began."""
    none = np.empty(0)
    return EpisodeResult(
        scenario=scenario,
        status="infrastructure_failure",
        reason=reason,
        t_s=none,
        poses=np.empty((0, 3)),
        commands=np.empty((0, 2)),
        actors=(),
        signals=(),
        answered_s=none,
        latency_s=none,
        round_trip_s=none,
        servers=(),
        frames=(),
        counts={},
    )


_in_worker: list[tuple[Runner, Event]] = []


def _begin_worker(runner: Runner, ended: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    _in_worker.append((runner, ended))


def _drive_in_worker(scenario: Scenario) -> Driven:
    # Made here and not when the worker begins, so that what goes wrong reaches the caller.
    runner, ended = _in_worker[0]
    runner = runner.made()
    _in_worker[0] = runner, ended

    def stop_where_ended(_t_s: float) -> None:
        if ended.is_set():
            raise KeyboardInterrupt  # no policy and no simulator takes it for a fault of its own

    return runner.drive(scenario, stop_where_ended)
