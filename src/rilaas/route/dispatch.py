"""From a request that may be answered to its answer: choose a server, send, observe, try another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rilaas.balance import WARM_UP, Outcome, Request, ServerView
from rilaas.core import DeadlineExceeded, ModelFailed, RilaasError, Unavailable
from rilaas.route.balancers import Balancers
from rilaas.route.decision import Attempt, Decision, Decisions
from rilaas.route.guarded import Choice, Guarded
from rilaas.route.measures import Measures
from rilaas.route.protecting import ALONE, Protecting
from rilaas.route.resolve import Target
from rilaas.route.stage import read_stages
from rilaas.route.upstream import Server
from rilaas.wire import with_parameters

_log = logging.getLogger("rilaas.route")

MAX_DEATHS = 2  # processes that one request may take with it
_STATUS = {"deadline_exceeded": "timeout"}  # of an outcome, by error code; all others are 'error'
# What an error says of the server's health; every other one is an answer, so the server is well.
_VERDICT: dict[str, bool | None] = {"unavailable": False, "deadline_exceeded": None}


@dataclass(frozen=True, slots=True)
class _Job:
    """A request with what all attempts at it share."""

    body: bytes
    target: Target
    balancer: Guarded
    deadline: float | None
    decision: Decision


@dataclass(slots=True)
class _Sent:
    """One attempt: a server was chosen, and its outcome is owed to the policy."""

    server: Server
    request: Request
    choice: Choice
    told: Attempt
    is_trial: bool
    is_over: bool = False


class Dispatcher:
    """Sends each request to one server, and to another where that one is gone.

    Args:
        servers: By name; they come and go.
        balancers: Choose.
        measures: Count.
        decisions: Remember why.
        protecting: Plans copies of requests, and refuses what comes too late.
    """

    def __init__(
        self,
        servers: Mapping[str, Server],
        balancers: Balancers,
        measures: Measures,
        decisions: Decisions,
        protecting: Protecting,
    ) -> None:
        self._servers, self._balancers, self._measures, self._decisions = servers, balancers, measures, decisions
        self._protecting = protecting

    async def send(
        self,
        body: bytes,
        request_id: str,
        target: Target,
        robot: str,
        deadline: float | None,
        nobody: Callable[[], RilaasError],
    ) -> bytes:
        """The answer, which says which server gave it and how many were tried.

        Args:
            body: A serialized ModelInferRequest.
            request_id: Its id.
            target: What it means.
            robot: Who asks.
            deadline: ``time.monotonic()`` after which nobody waits; None waits.
            nobody: Says why no server can be asked.

        Raises:
            DeadlineExceeded: No answer in time, or none to be expected.
            Unavailable: No server could be reached.
            ModelFailed: It ended the model's process twice.
        """
        balancer = self._balancers.of(target.route)
        decision = self._decisions.begin(request_id, robot, target.model, balancer.name, _left_s(deadline))
        outcome = "cancelled"
        try:
            reply = await self._try_servers(_Job(body, target, balancer, deadline, decision), nobody)
            outcome = "ok"
            return reply
        except RilaasError as error:
            outcome = error.code
            raise
        finally:
            decision.outcome, decision.latency_s = outcome, time.monotonic() - decision.begun_s

    def views(self, target: Target) -> list[ServerView]:
        """The servers that may be asked now: a policy never sees one that it must not choose."""
        model, revision, route = target.model, target.revision, target.route
        return [
            server.view()
            for server in self._servers.values()
            if server.may_be_asked(route) and server.has(model, revision) and server.breaker.allows()
        ]

    async def _try_servers(self, job: _Job, nobody: Callable[[], RilaasError]) -> bytes:
        model = job.target.model
        tried: frozenset[str] = frozenset()
        deaths = 0
        while True:
            if _left_s(job.deadline) <= 0.0:
                raise DeadlineExceeded("The deadline passed before a server answered.")
            views = self.views(job.target)
            if not views and not tried:
                raise nobody()
            self._check(job, views, tried)
            sent = self._begin(job, views, tried, "retry" if tried else "first")
            round_of = [sent]
            try:
                reply, sent = await self._answer(job, round_of)
            except Unavailable as error:
                names = {each.server.name for each in round_of}
                _log.warning("server %s failed a request of %s: %s", ", ".join(names), model, error.message)
                deaths += error.died_with_request
                tried |= names
                if deaths == MAX_DEATHS:
                    raise ModelFailed(
                        f"The request ended the process of {model!r} on {deaths} servers.",
                        "Its input may be what the model cannot take.",
                    ) from None
                if error.died_with_request and tried >= {view.name for view in views}:
                    raise  # the caller may try once more, and has to know why
                continue
            told: dict[str, str | int] = {
                "rilaas_server": sent.server.name,
                "rilaas_attempts": len(job.decision.attempts),
            }
            return with_parameters(reply, told)

    def _check(self, job: _Job, views: list[ServerView], tried: frozenset[str]) -> None:
        """Refuse a request that no server can answer in time, where its model is protected so."""
        model, left_s = job.target.model, _left_s(job.deadline)
        if left_s == float("inf") or not self._protecting.of(model).shed:
            return
        left = [view for view in views if view.name not in tried]
        request = Request(model, job.decision.request_id, left_s, tried, time.monotonic())
        self._protecting.check(model, left_s, len(left), job.balancer.expected_s(request, left))

    async def _answer(self, job: _Job, sent: list[_Sent]) -> tuple[bytes, _Sent]:
        """The first answer, and who gave it; other servers are asked too where the model's protection says so.

        Args:
            job: What is asked.
            sent: The first attempt; further ones are added.
        """
        model = job.target.model
        plan = self._protecting.plan(model, job.decision.robot, job.body)
        if plan is ALONE:
            return await self._ask(job, sent[0]), sent[0]
        racing = {asyncio.ensure_future(self._ask(job, sent[0])): sent[0]}
        for _ in range(plan.copies - 1):
            self._copy(job, sent, racing, "copy")
        wait_s = plan.hedge_after_s
        try:
            while True:
                done, _ = await asyncio.wait(racing, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    wait_s = None
                    if self._protecting.may_hedge(model):
                        self._copy(job, sent, racing, "hedge")
                    continue
                ended = [(task, racing.pop(task)) for task in done]
                failed = [task.exception() for task, _ in ended]
                for (task, each), error in zip(ended, failed, strict=True):
                    if error is None:
                        if each is not sent[0]:
                            self._protecting.won(model, each.told.why)
                        return task.result(), each
                for error in failed:
                    if error is not None and (not racing or not isinstance(error, Unavailable)):
                        raise error
        finally:
            for task, each in racing.items():
                task.cancel()
                self._end(job, each, "cancelled", None)

    def _copy(self, job: _Job, sent: list[_Sent], racing: dict[asyncio.Task[bytes], _Sent], why: str) -> None:
        """Ask one more server, if there is one that was not asked."""
        asked = frozenset(each.server.name for each in sent) | sent[0].request.excluded
        views = [view for view in self.views(job.target) if view.name not in asked]
        if not views or _left_s(job.deadline) <= 0.0:
            return
        another = self._begin(job, views, asked, why)
        sent.append(another)
        racing[asyncio.ensure_future(self._ask(job, another))] = another
        self._protecting.sent(job.target.model, why)

    def _begin(self, job: _Job, views: list[ServerView], tried: frozenset[str], why: str) -> _Sent:
        """Choose a server; whoever calls this sees to it that ``_end`` follows."""
        now_s = time.monotonic()
        request_id = job.decision.request_id
        if request_id == WARM_UP:
            request_id = ""  # a robot does not call itself one
        request = Request(job.target.model, request_id, _left_s(job.deadline), tried, now_s)
        choice = job.balancer.choose(request, views)
        server = self._servers[choice.server]
        server.sent(request.model)
        is_trial = server.breaker.begin()
        told = job.decision.sent(request, choice, why)
        return _Sent(server, request, choice, told, is_trial)

    async def _ask(self, job: _Job, sent: _Sent) -> bytes:
        status, verdict, reply = "cancelled", None, b""
        try:
            reply = await sent.server.upstream.infer(job.body, job.deadline)
            status, verdict = "ok", True
            return reply
        except RilaasError as error:
            status, verdict = _STATUS.get(error.code, "error"), _VERDICT.get(error.code, True)
            raise
        finally:
            self._end(job, sent, status, verdict, reply)

    def _end(self, job: _Job, sent: _Sent, status: str, verdict: bool | None, reply: bytes = b"") -> None:
        """An attempt is over, once and for all: the counts, the breaker and the policy hear of it."""
        if sent.is_over:
            return
        sent.is_over = True
        now_s = time.monotonic()
        server, request = sent.server, sent.request
        latency_s = now_s - request.at_s
        server.ended(request.model)
        server.breaker.ended(verdict, is_trial=sent.is_trial)
        sent.told.status, sent.told.latency_s = status, latency_s
        stages = read_stages(reply, latency_s) if reply else None
        self._measures.tried(server.name, request.model, status, latency_s, stages)
        if status == "ok":
            self._protecting.answered(request.model, latency_s)
        queue_s, compute_s = (stages.queue_s, stages.compute_s) if stages else (None, None)
        report = server.report
        if report is not None and (verdict is not True or report.heard_s < request.at_s):
            report = None  # it did not come with an answer to this
        job.balancer.observe(
            sent.choice, Outcome(request, server.name, status, latency_s, queue_s, compute_s, now_s, report)
        )


def _left_s(deadline: float | None) -> float:
    return float("inf") if deadline is None else deadline - time.monotonic()
