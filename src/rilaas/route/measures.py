"""What an interceptor counts."""

from __future__ import annotations

from functools import partial

from rilaas.observe import Registry
from rilaas.route.access import AccessSource
from rilaas.route.stage import Stages
from rilaas.route.upstream import Server


class Measures:
    """The metrics of an interceptor; see ``docs/names.md``.

    Args:
        registry: Where they go.
        access: Its epoch, age and health are shown.
    """

    def __init__(self, registry: Registry, access: AccessSource) -> None:
        self._requests = registry.counter(
            "rilaas_route_requests_total", "Requests ended, by outcome.", ("robot", "model", "outcome")
        )
        self._attempts = registry.counter(
            "rilaas_route_attempts_total", "Attempts on servers, by outcome.", ("server", "model", "outcome")
        )
        self._seconds = registry.histogram(
            "rilaas_route_request_seconds", "From the interceptor to a server's answer.", ("server", "model")
        )
        self._robot_seconds = registry.histogram(
            "rilaas_route_robot_seconds", "Of requests answered, retries included.", ("robot", "model")
        )
        self._stages = registry.histogram(
            "rilaas_route_stage_seconds",
            "Where an answer's time went: wire, queue, batch or compute.",
            ("server", "model", "stage"),
        )
        self.failures = registry.counter(
            "rilaas_route_balancer_failures_total", "What a balancing policy got wrong.", ("balancer", "kind")
        )
        self._waiting = registry.gauge(
            "rilaas_route_in_flight", "Requests sent to a server and not ended.", ("server",)
        )
        self._resting = registry.gauge("rilaas_route_breaker_open", "1 while a server is left alone.", ("server",))
        for name, text, function in (
            ("rilaas_route_policy_age_seconds", "Since the policy was confirmed.", lambda: access.status().age_s),
            ("rilaas_route_policy_epoch", "Of the policy in force.", lambda: float(access.status().epoch)),
            (
                "rilaas_route_policy_source_up",
                "1 while the policy can be confirmed.",
                lambda: float(not access.status().problem),
            ),
        ):
            registry.gauge(name, text).follow(function)

    def joined(self, server: Server) -> None:
        """Show a server."""
        self._waiting.follow(partial(_in_flight, server), server=server.name)
        self._resting.follow(partial(_is_resting, server), server=server.name)

    def left(self, server: Server) -> None:
        """Show a server no more."""
        self._waiting.remove(server=server.name)
        self._resting.remove(server=server.name)

    def ended(self, robot: str, model: str, outcome: str, seconds: float) -> None:
        """Count a request."""
        self._requests.inc(robot=robot, model=model, outcome=outcome)
        if outcome == "ok":
            self._robot_seconds.observe(seconds, robot=robot, model=model)

    def tried(self, server: str, model: str, outcome: str, seconds: float, stages: Stages | None) -> None:
        """Count an attempt on a server."""
        self._attempts.inc(server=server, model=model, outcome=outcome)
        if outcome != "ok":
            return
        self._seconds.observe(seconds, server=server, model=model)
        if stages is not None:
            self._stages.observe(stages.wire_s, server=server, model=model, stage="wire")
            self._stages.observe(stages.queue_s, server=server, model=model, stage="queue")
            if stages.batch_s is not None:
                self._stages.observe(stages.batch_s, server=server, model=model, stage="batch")
            self._stages.observe(stages.compute_s, server=server, model=model, stage="compute")


def _in_flight(server: Server) -> float:
    return server.in_flight.total()


def _is_resting(server: Server) -> float:
    return float(server.breaker.state == "open")
