"""What an interceptor tells the hub of itself: where it is, which policy it has, which robots asked."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

from rilaas.core import RilaasError
from rilaas.route.access import SourceStatus
from rilaas.wire import HubConnection

_log = logging.getLogger("rilaas.route")

EVERY_S = 2.0
_NEVER_S = 1e9  # the age of a policy that never was confirmed, for JSON has no infinity
LOOK_S = 0.1  # how often it is looked whether something changed


class _Source(Protocol):
    def status(self) -> SourceStatus: ...

    def confirm(self, epoch: int) -> None: ...


class Heartbeat:
    """A thread that reports, as well as it can.

    Args:
        hub: The way there; closed with this.
        name: This interceptor's name.
        access: Whose status is told; it hears which epoch the hub has.
        take_seen: The robots that asked since it was asked last, with when (``time.monotonic``).
        decisions: The last few decisions, as JSON.
    """

    def __init__(
        self,
        hub: HubConnection,
        name: str,
        access: _Source,
        take_seen: Callable[[], dict[str, float]],
        decisions: Callable[[], list[dict[str, Any]]] = list,
    ) -> None:
        self._hub, self._access, self._take_seen, self._decisions = hub, access, take_seen, decisions
        self._path = f"/api/v1/interceptors/{quote(name, safe='')}"
        self.address = self.metrics = ""  # ``host:port``, once they are known
        self._seen: dict[str, float] = {}
        self._told: tuple[Any, ...] = ()
        self._was_heard = True
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep_telling, name="rilaas-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def close(self) -> None:
        """Report no more."""
        self._ending.set()
        self._hub.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep_telling(self) -> None:
        next_at = 0.0
        while not self._ending.wait(LOOK_S):
            status = self._access.status()
            state = (status.epoch, status.problem == "", self.address, self.metrics)
            if time.monotonic() < next_at and state == self._told:
                continue
            next_at = time.monotonic() + EVERY_S
            self._told = state
            try:
                self._tell(status)
                self._was_heard = True
            except RilaasError as error:
                if self._was_heard and not self._ending.is_set():
                    _log.warning("the hub does not hear of us: %s", error)
                self._was_heard = False
            except Exception:  # the thread lives as long as the interceptor
                _log.exception("a bug in the heartbeat")

    def _tell(self, status: SourceStatus) -> None:
        self._seen.update(self._take_seen())
        seen = dict(self._seen)
        now = time.monotonic()
        answer = self._hub.post(
            self._path,
            {
                "address": self.address,
                "metrics": self.metrics,
                "epoch": status.epoch,
                "policy_age_s": min(status.age_s, _NEVER_S),
                "source": status.source,
                "source_ok": not status.problem,
                "problem": status.problem,
                "decisions": self._decisions(),
                "seen": {robot: round(now - at, 3) for robot, at in seen.items()},
            },
        )
        self._seen = {}  # else they are told the next time
        if isinstance(answer, dict) and isinstance(answer.get("epoch"), int):
            self._access.confirm(answer["epoch"])
