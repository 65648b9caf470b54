"""A robot's own numbers on their way to the hub, behind the control loop's back.

``post`` only appends to a queue of limited length; a thread sends. Where the hub is slow or away the oldest numbers
are dropped and counted: a robot never waits for its metrics.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from rilaas.core import InvalidInput, RilaasError
from rilaas.wire import HubConnection, PrivateKey, audience, sign_token

MAX_WAITING = 10_000
BATCH = 1000  # what the hub takes at once
_TOKEN_LIFE_S = 300
_RENEW_AFTER_S = 200.0
_LONGEST_PAUSE_S = 30.0


class OwnMetrics:
    """Posts named numbers to the hub; ``close`` it, or use it in a ``with``.

    Args:
        url: The hub: ``http://127.0.0.1:8080`` or ``https://HOST``.
        key: The robot's private key, registered with the hub; see ``wire.load_private_key``.
        token: A token of scope ``metrics`` instead, for a program that is no robot.
        model: ``owner/name`` of the model that the numbers are about, unless ``post`` says another.
        ca_path: The authority that the hub's certificate is checked against; the system's where None.
        interval_s: How often they are sent [s].
        max_waiting: Numbers that wait; the oldest are dropped above.

    Attributes:
        dropped: Numbers that were lost because the hub took none for too long, or refused them.
        problem: Why the last sending failed; '' where it did not.

    Example:
        >>> with OwnMetrics("https://hub.local", load_private_key("~/.ssh/robot")) as own:  # doctest: +SKIP
        ...     own.post("battery", 11.9, "V")
    """

    def __init__(
        self,
        url: str,
        key: PrivateKey | None = None,
        *,
        token: str = "",
        model: str = "",
        ca_path: str | None = None,
        interval_s: float = 1.0,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        if (key is None) == (not token):
            raise InvalidInput("Own metrics are posted with a robot's key or with a token.", "Pass one of them.")
        self.dropped, self.problem = 0, ""
        self._key, self._token, self._signed_s = key, token, 0.0
        self._audience = audience(urlsplit(url).hostname or "")
        self._model, self._interval_s = model, interval_s
        self._hub = HubConnection(url, self._bearer, ca_path=ca_path, timeout_s=10)
        self._waiting: deque[dict[str, Any]] = deque(maxlen=max_waiting)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rilaas-own-metrics", daemon=True)
        self._thread.start()

    def post(self, name: str, value: float, unit: str = "", *, model: str = "") -> None:
        """Take a number, measured now; returns at once, always.

        Args:
            name: Such as ``battery`` or ``grasp/slip``.
            value: Finite.
            unit: SI where there is one; ``1`` for a share.
            model: ``owner/name``; that of the constructor where ''.
        """
        row: dict[str, Any] = {"name": name, "unit": unit, "value": float(value), "at_s": time.time()}
        if about := model or self._model:
            row["model"] = about
        with self._lock:
            self.dropped += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(row)

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what is waiting, for so long at most [s], and end the thread."""
        self._ending.set()
        self._thread.join(timeout_s)
        self._hub.close()
        self._thread.join()

    def __enter__(self) -> OwnMetrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        pause_s = self._interval_s
        while not self._ending.wait(pause_s):
            is_good = self._send_all()
            pause_s = self._interval_s if is_good else min(_LONGEST_PAUSE_S, 2 * pause_s)
        self._send_all()

    def _send_all(self) -> bool:
        """Whether all went well; what could not be sent goes back to its place in the queue."""
        while True:
            with self._lock:
                rows = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not rows:
                return True
            try:
                self._hub.post("/api/v1/metrics/samples", {"samples": rows})
                self.problem = ""
            except RilaasError as error:
                self.problem = str(error)
                self._put_back(rows, is_lost=error.code in ("invalid_input", "not_found"))
                return False

    def _put_back(self, rows: list[dict[str, Any]], *, is_lost: bool) -> None:
        with self._lock:
            room = 0 if is_lost else (self._waiting.maxlen or 0) - len(self._waiting)
            kept = rows[max(0, len(rows) - room) :] if room > 0 else []
            self.dropped += len(rows) - len(kept)
            self._waiting.extendleft(reversed(kept))

    def _bearer(self) -> str:
        if self._key is not None and (not self._token or time.monotonic() - self._signed_s > _RENEW_AFTER_S):
            self._token = sign_token(self._key, self._audience, lifetime_s=_TOKEN_LIFE_S)
            self._signed_s = time.monotonic()
        return self._token
