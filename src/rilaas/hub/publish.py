"""The policy into Redis: a thread of the hub writes each change, and each second that the hub lives.

It begins anew from whatever Redis holds: a Redis that was away, emptied or set back is filled with all of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from rilaas.core import InvalidInput, MissingDependency
from rilaas.hub.actions import policy
from rilaas.hub.queries.policy import epoch_now, policy_since
from rilaas.route import redis_policy

_log = logging.getLogger("rilaas.hub")

BEAT_S = 1.0
LOOK_EVERY_S = 0.2  # a change that another process of the hub made is seen after this at the latest
_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class RedisStatus:
    """How the publishing goes.

    Attributes:
        problem: What is wrong, in words; '' where nothing is.
        since: Since when.
    """

    problem: str = ""
    since: datetime | None = None


_status: RedisStatus | None = None


def redis_status() -> RedisStatus | None:
    """How it goes; None where this hub publishes to no Redis."""
    return _status


class Publisher:
    """Keeps a Redis up to date.

    Args:
        url: ``redis://...``, ``rediss://...`` or ``unix://...``.

    Raises:
        MissingDependency: The package ``redis`` is not installed.
        InvalidInput: The URL is none.
    """

    def __init__(self, url: str) -> None:
        self._client = _client(url)
        self._next_beat = 0.0
        self._epoch = -1  # what Redis holds
        _tell(RedisStatus("Redis has not been asked yet", timezone.now()))

    def run(self, is_ending: Callable[[], bool] = lambda: False) -> None:
        """Work until told to end; whatever goes wrong is tried again."""
        while not is_ending():
            policy.committed.wait(LOOK_EVERY_S)
            policy.committed.clear()
            self.step()
        self.close()

    def step(self) -> None:
        """Bring Redis up to date where it is not, and beat where it is time to."""
        try:
            is_beat_due = time.monotonic() >= self._next_beat
            if is_beat_due or self._epoch != epoch_now():
                self._epoch = self._bring_up_to_date()
            if is_beat_due:
                redis_policy.beat(self._client, self._epoch)
                self._next_beat = time.monotonic() + BEAT_S
        except Exception as error:  # of Redis and of the database, in many kinds; the thread lives as long as the hub
            if not connection.in_atomic_block:
                connection.close()  # the next query opens another one, whatever became of this
            self._failed(error)

    def close(self) -> None:
        """Hang up."""
        self._client.close()
        connection.close()

    def _bring_up_to_date(self) -> int:
        held = self._client.get(redis_policy.EPOCH)
        is_known = held is not None and self._epoch != -1  # what is there at the start may be another hub's
        since = policy_since(int(held) if is_known else -1)
        document = since.document
        epoch, is_full = document["epoch"], document["full"]
        if is_full or int(held) != epoch:
            rows: dict[str, Any] = {} if is_full else dict.fromkeys(sorted(since.kids))
            for name, robot in document["robots"].items():
                rows.update(redis_policy.rows_of(name, robot) if robot is not None else {})
            shared = {part: document[part] for part in ("public", "fleet") if part in document}
            redis_policy.publish(self._client, epoch, rows, shared, is_full)
        if _status is None or _status.problem:
            _log.info("policy %d is published to Redis", epoch)
            _tell(RedisStatus())
        return int(epoch)

    def _failed(self, error: Exception) -> None:
        problem = str(error) or type(error).__name__
        if _status is None or not _status.problem:
            _log.warning("the policy cannot be written to Redis: %s", problem)
            _tell(RedisStatus(problem, timezone.now()))
        else:
            _tell(RedisStatus(problem, _status.since))
        time.sleep(LOOK_EVERY_S)


def start(url: str) -> threading.Thread:
    """Publish in a thread that ends with the process."""
    thread = threading.Thread(target=Publisher(url).run, name="rilaas-publish", daemon=True)
    thread.start()
    return thread


def _tell(status: RedisStatus) -> None:
    global _status
    _status = status


def _client(url: str) -> Any:
    try:
        import redis
    except ImportError:
        raise MissingDependency("A policy in Redis needs the package redis.", "pip install 'rilaas[redis]'") from None
    try:
        return redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    except ValueError as error:
        raise InvalidInput(f"RILAAS_REDIS_URL is not the URL of a Redis: {error}.") from None
