"""Why a server was chosen: the interceptor's last decisions, kept to be asked for."""

from __future__ import annotations

import itertools
import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rilaas.balance import Request, Weighing
from rilaas.core import InvalidInput, NotFound, Unavailable
from rilaas.route.guarded import Choice

KEPT = 1000
PATH = "/decisions"
SHOWN = 20  # where nobody says how many
_TIMEOUT_S = 5.0
_LONGEST_ID = 200  # characters of a request's id, which the robot chooses
_MOST_SERVERS, _MOST_FIGURES, _MOST_ATTEMPTS, _LONGEST_RULE = 100, 20, 20, 1000  # that are told
_TOLD_OF_A_MODEL, _TOLD = 5, 30  # to the hub, every 2 s


@dataclass(slots=True)
class Attempt:
    """One server that a request was sent to.

    Attributes:
        server: Its name.
        why: ``first``, ``retry``, ``hedge`` or ``copy``.
        at_s: After the request came [s].
        is_fallback: Chosen by least connections, because the policy failed.
        weighing: What it was chosen from.
        status: How it ended; '' while it has not.
        latency_s: From sending to the end [s].
    """

    server: str
    why: str
    at_s: float
    is_fallback: bool
    weighing: Weighing | None
    status: str = ""
    latency_s: float = 0.0


@dataclass(slots=True)
class Decision:
    """How one request was placed.

    Attributes:
        request_id: As the robot chose it.
        robot: Who asked.
        model: What was asked.
        balancer: Name of the policy.
        deadline_s: How long the robot waits [s]; inf where it did not say.
        at_unix_s: When it came, by the wall clock [s].
        begun_s: The same, by the monotonic clock [s].
        attempts: In the order in which they began.
        outcome: ``ok`` or an error's code; '' while there is none.
        latency_s: From its arrival at the interceptor to its end [s].
    """

    request_id: str
    robot: str
    model: str
    balancer: str
    deadline_s: float
    at_unix_s: float
    begun_s: float
    attempts: list[Attempt] = field(default_factory=list)
    outcome: str = ""
    latency_s: float = 0.0

    def sent(self, request: Request, choice: Choice, why: str) -> Attempt:
        """A server was chosen."""
        at_s = request.at_s - self.begun_s
        attempt = Attempt(choice.server, why, at_s, choice.is_fallback, choice.weighing)
        self.attempts.append(attempt)
        return attempt

    def to_json(self) -> dict[str, Any]:
        """As ``GET /decisions`` tells it; figures that are no finite numbers are null."""
        answered = next((each.server for each in self.attempts if each.status == "ok"), None)
        return {
            "request_id": self.request_id,
            "robot": self.robot,
            "model": self.model,
            "balancer": self.balancer,
            "at_unix_s": round(self.at_unix_s, 6),
            "deadline_s": _finite(self.deadline_s),
            "outcome": self.outcome,
            "latency_s": _finite(self.latency_s),
            "server": answered,
            "attempts": [_attempt(each) for each in self.attempts[-_MOST_ATTEMPTS:]],
        }


class Decisions:
    """The last ``KEPT`` of one interceptor; read from other threads."""

    def __init__(self) -> None:
        self._kept: deque[Decision] = deque(maxlen=KEPT)

    def begin(self, request_id: str, robot: str, model: str, balancer: str, deadline_s: float) -> Decision:
        """A request is to be placed."""
        decision = Decision(
            request_id[:_LONGEST_ID], robot, model, balancer, deadline_s, time.time(), time.monotonic()
        )
        self._kept.append(decision)
        return decision

    def last(self, count: int = SHOWN, model: str = "") -> list[Decision]:
        """The newest, the newest first; of one model where one is named."""
        kept = reversed(list(self._kept))
        return list(itertools.islice((each for each in kept if model in ("", each.model)), max(0, count)))

    def of(self, request_id: str) -> list[Decision]:
        """Those of one request id, the newest first: robots may use the same."""
        return [each for each in reversed(list(self._kept)) if each.request_id == request_id[:_LONGEST_ID]]

    def digest(self) -> list[dict[str, Any]]:
        """The newest that have ended as the hub is told them: a few of each model, the newest first."""
        count: Counter[str] = Counter()
        told: list[dict[str, Any]] = []
        for each in reversed(list(self._kept)):
            if each.outcome and count[each.model] < _TOLD_OF_A_MODEL and len(told) < _TOLD:
                count[each.model] += 1
                told.append(each.to_json())
        return told

    def answer(self, query: Mapping[str, str]) -> tuple[int, str]:
        """What ``GET /decisions`` answers: an HTTP status and JSON.

        Args:
            query: ``request_id`` for all of that id; or ``last`` (a number) and ``model``, both optional.
        """
        if "request_id" in query:
            found = self.of(query["request_id"])
            if not found:
                told = f"No request {query['request_id'][:80]!r} is among the last {len(self._kept)}."
                return 404, json.dumps({"code": "not_found", "message": told, "hint": f"At most {KEPT} are kept."})
        else:
            count = query.get("last", str(SHOWN))
            if not (count.isascii() and count.isdigit()):
                told = f"last is {count[:20]!r}; it is a whole number."
                return 400, json.dumps({"code": "invalid_input", "message": told, "hint": ""})
            found = self.last(min(int(count[:6]), KEPT), query.get("model", ""))
        return 200, json.dumps({"decisions": [each.to_json() for each in found]})


def fetch_decision(url: str, request_id: str) -> dict[str, Any]:
    """Why a server was chosen for a request, from a running interceptor on this machine.

    Args:
        url: Of the interceptor's metrics endpoint, such as ``http://127.0.0.1:9090``; ``host:port`` will do.
        request_id: As the robot's answer has it.

    Returns:
        The newest decision of that id, see ``docs/names.md``.

    Raises:
        NotFound: The interceptor does not know the request, or not any more.
        Unavailable: Nobody answers there.
    """
    base = url if "://" in url else f"http://{url}"
    base = base.rstrip("/").removesuffix("/metrics").removesuffix(PATH)
    if not base.startswith(("http://", "https://")):
        raise InvalidInput(f"{url!r} is no address of an interceptor's metrics.", "Write http://127.0.0.1:9090.")
    asked = f"{base}{PATH}?{urllib.parse.urlencode({'request_id': request_id})}"
    try:
        with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
            decisions = json.load(answer)["decisions"]
    except urllib.error.HTTPError as error:
        with error:
            raise _told(error) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"No interceptor answers at {asked}: {error}.", "Start rilaas route with --metrics HOST:PORT."
        ) from None
    decision: dict[str, Any] = decisions[0]
    return decision


def _told(error: urllib.error.HTTPError) -> NotFound | Unavailable:
    try:
        said = json.load(error)
        message, hint = str(said["message"]), str(said["hint"])
    except (OSError, ValueError, KeyError, TypeError):
        message, hint = (
            f"The interceptor answers with status {error.code}.",
            "Is it an interceptor's metrics endpoint?",
        )
    return NotFound(message, hint) if error.code == 404 else Unavailable(message, hint)


def _attempt(each: Attempt) -> dict[str, Any]:
    return {
        "server": each.server,
        "why": each.why,
        "at_s": _finite(each.at_s),
        "is_fallback": each.is_fallback,
        "status": each.status,
        "latency_s": _finite(each.latency_s),
        **_weighing(each.weighing),
    }


def _weighing(weighing: Weighing | None) -> dict[str, Any]:
    """What a policy says of its choice, as far as it is what the contract says: a policy may be anybody's."""
    if weighing is None:
        return {"rule": "", "servers": [], "figures": {}}
    try:
        columns = list(weighing.figures.items())[:_MOST_FIGURES]
        if any(len(column) != len(weighing.servers) for _, column in columns):
            raise ValueError("a figure is not there for every server")
        return {
            "rule": str(weighing.rule)[:_LONGEST_RULE],
            "servers": [str(name) for name in weighing.servers[:_MOST_SERVERS]],
            "figures": {str(name): [_finite(value) for value in column[:_MOST_SERVERS]] for name, column in columns},
        }
    except Exception as error:
        return {
            "rule": f"What the policy says cannot be shown: {error!r}"[:_LONGEST_RULE],
            "servers": [],
            "figures": {},
        }


def _finite(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
