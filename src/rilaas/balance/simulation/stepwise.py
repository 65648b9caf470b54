"""A simulation in which somebody else chooses: it stops at every decision and goes on when it is told a server."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing
from rilaas.balance.simulation.asking import begin, check_models
from rilaas.balance.simulation.cluster import Cluster
from rilaas.balance.simulation.engine import Engine
from rilaas.balance.simulation.load import Load
from rilaas.balance.simulation.run import Run
from rilaas.balance.simulation.simulate import TIMEOUT_S, run_of
from rilaas.balance.simulation.state import Ask


@dataclass(frozen=True, slots=True)
class Question:
    """A decision that is waited for.

    Attributes:
        request: What is asked for; ``at_s`` is the simulated time.
        servers: As a policy is given them; at least one of them is not excluded.
    """

    request: Request
    servers: Sequence[ServerView]


class Stepwise:
    """One interceptor's decisions, one after another; the same requests and the same luck as ``simulate`` has.

    Args:
        cluster: What is simulated.
        load: What is asked.
        seed: Of what chance decides.
        observe: Called with every outcome, those of warm-up inferences included.
        report_interval_s: See ``simulate``; so are the others.
        warm_up: See ``simulate``.
        timeout_s: See ``simulate``.
        deadline_s: See ``simulate``.

    Raises:
        InvalidInput: The cluster has not the models of the load.
    """

    def __init__(
        self,
        cluster: Cluster,
        load: Load,
        seed: int,
        observe: Callable[[Outcome], None],
        *,
        report_interval_s: float | None = None,
        warm_up: bool = True,
        timeout_s: float = TIMEOUT_S,
        deadline_s: float = math.inf,
    ) -> None:
        check_models(cluster, load)
        self.question: Question | None = None
        self.waiting_s = 0.0
        """What all requests together have waited so far [s]: at the end the sum of their latencies."""
        self.ended_s: list[float] = []
        """Latencies of the requests that have ended, answered or not, in the order of their ends [s]."""
        self.now_s = 0.0
        self._cluster, self._load, self._seed = cluster, load, seed
        self._engine = Engine(
            cluster,
            [_Ear(observe)],
            seed,
            timeout_s=timeout_s,
            deadline_s=deadline_s,
            report_interval_s=report_interval_s,
            ledger_delay_s=None,
            warm_up=warm_up,
        )
        self._ask: Ask | None = None
        self._open = 0
        self._engine.choosing = self._stop
        self._rows = begin(self._engine, load, seed, 1)
        self._following = self._engine.ended
        self._engine.ended = self._end
        self._go_on()

    def answer(self, server: str) -> None:
        """Send the waiting request there and go on to the next question; ``question`` is None when all is over.

        Raises:
            InvalidInput: The server was not one of the question's, or it was excluded.
        """
        assert self.question is not None, "there is no question left"
        assert self._ask is not None
        self._engine.send(self._ask, self.question.request, server)
        self.question = None
        self._go_on()

    def on_servers(self) -> dict[str, int]:
        """Requests that are on each server now, waiting or computed: the truth, which no interceptor sees."""
        return {server.name: server.in_flight for server in self._engine.servers}

    def run(self) -> Run:
        """What came of each request so far; those in flight are not ``ok``."""
        return run_of(self._cluster, self._load, self._seed, self._rows, ())

    def _go_on(self) -> None:
        engine = self._engine
        while self.question is None and engine.open:
            engine.step()

    def _stop(self, ask: Ask, request: Request, servers: Sequence[ServerView]) -> None:
        self._pass(request.at_s)
        self._open += not ask.attempts
        self._ask, self.question = ask, Question(request, servers)

    def _end(self, ask: Ask, now: float) -> None:
        self._pass(now)
        self._open -= bool(ask.attempts)  # one that found no server at all was never open
        self.ended_s.append(ask.latency_s)
        if self._following is not None:
            self._following(ask, now)

    def _pass(self, now: float) -> None:
        self.waiting_s += self._open * (now - self.now_s)
        self.now_s = now


class _Ear:
    """Hears what comes of requests, and chooses nothing."""

    def __init__(self, observe: Callable[[Outcome], None]) -> None:
        self.observe = observe

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        raise AssertionError("somebody else chooses")

    def weighing(self) -> Weighing | None:
        return None
