"""What an agent sees of a decision: numbers from 0 to 1, the same in training and behind an interceptor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from rilaas.balance.protocol import Outcome, Request, ServerView
from rilaas.core import InvalidInput

FEATURES = (
    "in_flight",
    "in_flight_of_model",
    "in_flight_by_report",
    "report_age",
    "slots",
    "latency",
    "service",
    "queue",
    "failures",
    "is_edge",
)
"""Of each server. Counts n are n / (n + 8), times t are t / (t + 1 s); latency, service and queue are smoothed over
the outcomes of this model there, failures over those of all models. 0 where nothing is known yet."""

REQUEST_FEATURES = ("rate", "service", "deadline")
"""Of the request: smoothed arrivals r of all models as r / (r + 8 per s), this model's smoothed service time on any
server, and the time that it has."""

_HALF_COUNT, _HALF_S, _HALF_PER_S = 8.0, 1.0, 8.0
_SMOOTHING = 0.2  # weight of the newest outcome
_RATE_S = 4.0  # time constant of the arrival rate

Floats = npt.NDArray[np.float32]


class Observation(TypedDict):
    """One decision as an agent is given it.

    Keys:
        servers: (max_servers, len(FEATURES)) float32 in [0, 1], one row per place.
        mask: (max_servers,) int8, 1 where the place has a server that may be chosen.
        request: (len(REQUEST_FEATURES),) float32 in [0, 1].
    """

    servers: Floats
    mask: npt.NDArray[np.int8]
    request: Floats


def flatten(observation: Observation) -> Floats:
    """(n,) float32 in [0, 1]: mask, request, servers in the order of Gymnasium's ``FlattenObservation``."""
    return np.concatenate(
        [observation["mask"].astype(np.float32), observation["request"], observation["servers"].ravel()]
    )


class AgentView:
    """Follows outcomes and puts each decision into numbers.

    A server keeps its place as long as it is there; places of servers that left are given to those that come, when no
    other is free. What was learned of a server is forgotten with its place.

    Args:
        max_servers: Places.

    Raises:
        InvalidInput: There is no place.
    """

    def __init__(self, max_servers: int) -> None:
        if max_servers < 1:
            raise InvalidInput(f"An agent sees 1 server or more; got {max_servers}.")
        self.max_servers = max_servers
        self._places: dict[str, int] = {}
        self._smoothed: dict[tuple[str, str, str], float] = {}
        self._rate_per_s, self._last_s = 0.0, -np.inf

    def observe(self, outcome: Outcome) -> None:
        """Learn how an attempt ended."""
        server, model = outcome.server, outcome.request.model
        self._smooth(server, "", "failures", float(outcome.status != "ok"))
        if outcome.status != "ok":
            return
        self._smooth(server, model, "latency", outcome.latency_s)
        if outcome.compute_s is not None:
            self._smooth(server, model, "service", outcome.compute_s)
            self._smooth("", model, "service", outcome.compute_s)
        if outcome.queue_s is not None:
            self._smooth(server, model, "queue", outcome.queue_s)

    def look(self, request: Request, servers: Sequence[ServerView]) -> Observation:
        """The decision as numbers; servers without a place are not in it.

        Args:
            request: What is asked for.
            servers: As ``Balancer.choose`` is given them.
        """
        self._settle([server.name for server in servers])
        self._arrive(request)
        rows = np.zeros((self.max_servers, len(FEATURES)), np.float32)
        mask = np.zeros(self.max_servers, np.int8)
        for server in servers:
            place = self._places.get(server.name)
            if place is None:
                continue
            rows[place] = self._row(server, request)
            mask[place] = server.name not in request.excluded
        asked = (
            self._rate_per_s / (self._rate_per_s + _HALF_PER_S),
            _squash(self._smoothed.get(("", request.model, "service"), 0.0), _HALF_S),
            _squash(request.deadline_s, _HALF_S),
        )
        return {"servers": rows, "mask": mask, "request": np.asarray(asked, np.float32)}

    def name_at(self, place: int) -> str | None:
        """The server that has this place; None where it is free."""
        return next((name for name, taken in self._places.items() if taken == place), None)

    def _row(self, server: ServerView, request: Request) -> tuple[float, ...]:
        report, model, name, known = server.report, request.model, server.name, self._smoothed
        slots = 0
        if report is not None:
            slots = report.slots.get(model, report.slots.get("", 0))
        return (
            _squash(server.in_flight, _HALF_COUNT),
            _squash(server.in_flight_by_model.get(model, 0), _HALF_COUNT),
            0.0 if report is None else _squash(report.in_flight, _HALF_COUNT),
            0.0 if report is None else _squash(request.at_s - report.heard_s, _HALF_S),
            _squash(slots, _HALF_COUNT),
            _squash(known.get((name, model, "latency"), 0.0), _HALF_S),
            _squash(known.get((name, model, "service"), 0.0), _HALF_S),
            _squash(known.get((name, model, "queue"), 0.0), _HALF_S),
            known.get((name, "", "failures"), 0.0),
            float(server.kind == "edge"),
        )

    def _settle(self, names: Sequence[str]) -> None:
        """Give new servers places."""
        places = self._places
        for name in names:
            if name in places:
                continue
            free = next((place for place in range(self.max_servers) if place not in places.values()), None)
            if free is None:
                gone = next((old for old in places if old not in names), None)
                if gone is None:
                    return
                free = places.pop(gone)
                self._smoothed = {key: value for key, value in self._smoothed.items() if key[0] != gone}
            places[name] = free

    def _arrive(self, request: Request) -> None:
        """An exponential window over arrivals; attempts after the first are none."""
        if request.excluded:
            return
        passed_s = max(request.at_s - self._last_s, 0.0)
        self._rate_per_s = self._rate_per_s * float(np.exp(-passed_s / _RATE_S)) + 1.0 / _RATE_S
        self._last_s = request.at_s

    def _smooth(self, server: str, model: str, what: str, value: float) -> None:
        key = (server, model, what)
        before = self._smoothed.get(key, value)
        self._smoothed[key] = before + _SMOOTHING * (value - before)


def _squash(value: float, half: float) -> float:
    """From 0 and up to [0, 1]; ``half`` becomes 0.5."""
    value = max(value, 0.0)
    return 1.0 - half / (value + half)
