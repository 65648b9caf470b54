"""The policy from Redis, kept in memory until something of it changes: several interceptors, one cache.

A thread listens for changes and reads again what each names, as far as it is in memory. A message that was missed
shows as a gap in the epochs, or when the epoch is compared each half second, and then everything is read again. A
robot that is not in memory is looked up, which takes a round trip to Redis.

Redis away or emptied: what memory holds stays in force. Then, and when the hub's heartbeat stops, it does so for
``max_stale_s``; after that every robot is refused, because a revocation may have been missed.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from typing import Any

from rilaas.core import InvalidInput, MissingDependency, RilaasError, Unavailable
from rilaas.route.access import Registered, SourceStatus
from rilaas.route.fleet import Fleet, read_fleet
from rilaas.route.hub_access import FIRST_PAUSE_S, LAST_PAUSE_S, MAX_STALE_S, stale
from rilaas.route.policy import read_robot
from rilaas.route.redis_policy import CHANNEL, EPOCH, HEARTBEAT, KEYS, SHARED
from rilaas.wire import fingerprint, load_public_key

_log = logging.getLogger("rilaas.route")

COMPARE_S = 0.5  # how often the epoch is compared
LOOKUP_TIMEOUT_S = 0.25  # a look-up holds the event loop; after one that fails there is none for a while
_LISTEN_TIMEOUT_S = 2.0
_BEAT_S = 3.0  # a heartbeat that did not change for so long means that the hub is gone
_LOOKUPS = 3  # of one robot, while changes come in between; its entry is used then, and not kept
_MAX_STRANGERS = 4096  # keys of nobody that are remembered
_SET_BACK = "Redis holds an older policy than the one in force"


class RedisAccess:
    """The policy in force, as Redis has it.

    Args:
        url: ``redis://...``, ``rediss://...`` or ``unix://...``.
        max_stale_s: How long the policy stays in force without contact with Redis and the hub [s].

    Raises:
        MissingDependency: The package ``redis`` is not installed.
        InvalidInput: The URL is none.
    """

    def __init__(self, url: str, *, max_stale_s: float = MAX_STALE_S) -> None:
        self._lookups = _client(url, LOOKUP_TIMEOUT_S)
        self._listener = _client(url, _LISTEN_TIMEOUT_S)
        self._max_stale_s = max_stale_s
        self._epoch = -1
        self._fleet: Fleet | None = None
        self._memory: dict[str, Registered] = {}
        self._strangers: set[str] = set()
        self._generation = 0  # grows when something is dropped: what was looked up before is not kept
        self._lock = threading.Lock()
        self._confirmed = -math.inf
        self._beat: tuple[float, float] = (-math.inf, -math.inf)  # the hub's time_s, and when it was first seen
        self._earlier_beat = math.inf  # one from before that: of a Redis set back, or of a hub whose clock was
        self._problem = "Redis has not been asked yet"
        self._is_down = True
        self._ending, self._has_tried = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_listening, name="rilaas-policy", daemon=True)

    def start(self) -> None:
        """Listen in a thread, and wait until it has read what is shared, or failed; a Redis away is no error."""
        self._thread.start()
        self._has_tried.wait(4 * _LISTEN_TIMEOUT_S)

    def close(self) -> None:
        """Listen no more."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        for client in (self._lookups, self._listener):
            client.close()

    def find(self, kid: str) -> Registered | None:
        """See ``AccessSource.find``."""
        if time.monotonic() - self._confirmed > self._max_stale_s:
            raise stale(self._problem, self._max_stale_s)
        found = self._memory.get(kid)
        if found is not None or kid in self._strangers:
            return found
        return self._look_up(kid)

    def fleet(self) -> Fleet | None:
        """See ``AccessSource.fleet``."""
        return self._fleet

    def status(self) -> SourceStatus:
        """See ``AccessSource.status``."""
        return SourceStatus("redis", self._epoch, time.monotonic() - self._confirmed, self._problem)

    def confirm(self, epoch: int) -> None:
        """What the hub has is compared by its heartbeat in Redis; nothing is to be done."""

    def _look_up(self, kid: str) -> Registered | None:
        found: Registered | None = None
        for _ in range(_LOOKUPS):
            generation = self._generation
            found = self._asked(kid)
            with self._lock:
                if generation == self._generation:
                    self._keep(kid, found)
                    break
        return found

    def _asked(self, kid: str) -> Registered | None:
        if self._is_down:
            raise Unavailable(f"This robot is not in memory, and there is no asking Redis: {self._problem}.")
        try:
            with self._lookups.pipeline(transaction=True) as pipe:
                pipe.get(EPOCH)
                pipe.hget(KEYS, kid)
                epoch, row = pipe.execute()
        except Exception as error:
            self._is_down = True  # until the thread has reached it again
            raise Unavailable(f"Redis does not answer: {error}.", "Try again in a moment.") from None
        if epoch is None or int(epoch) < self._epoch:
            raise Unavailable("Redis was emptied or set back, the hub has to fill it.", "Try again in a moment.")
        return None if row is None else _registered(kid, row)

    def _keep(self, kid: str, found: Registered | None) -> None:
        if found is not None:
            self._memory[kid] = found
            return
        if len(self._strangers) >= _MAX_STRANGERS:
            self._strangers.clear()
        self._strangers.add(kid)

    def _keep_listening(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._ending.is_set():
            started = time.monotonic()
            try:
                with self._listener.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(CHANNEL)
                    channel.get_message(timeout=_LISTEN_TIMEOUT_S)
                    self._listen(channel)
            except Exception as error:  # of the client in many kinds; the thread lives as long as the interceptor
                self._failed(error)
            pause_s = FIRST_PAUSE_S if time.monotonic() - started > LAST_PAUSE_S else min(LAST_PAUSE_S, 2 * pause_s)
            self._ending.wait(pause_s)

    def _listen(self, channel: Any) -> None:
        """Follow the changes until the connection breaks; whatever came before was missed."""
        self._compare(has_missed=True)
        self._has_tried.set()
        compare_at = time.monotonic() + COMPARE_S
        while not self._ending.is_set():
            message = channel.get_message(timeout=max(0.0, compare_at - time.monotonic()))
            if message is not None and message["type"] == "message":
                self._heard(message["data"])
            if time.monotonic() >= compare_at:
                self._compare()
                compare_at = time.monotonic() + COMPARE_S

    def _heard(self, message: bytes) -> None:
        try:
            change = json.loads(message)
            epoch, kids = int(change["epoch"]), change["kids"]
        except (ValueError, KeyError, TypeError):
            epoch, kids = self._epoch, None  # nobody knows what it should have said
        if kids is None or epoch > self._epoch + 1:
            self._compare(has_missed=True)
        elif epoch == self._epoch + 1:
            self._read(kids, epoch)
        # Else the comparison saw it first, or Redis was set back, which the comparison judges.

    def _compare(self, *, has_missed: bool = False) -> None:
        """Compare the epochs and see whether the hub lives; read everything again where something was missed."""
        with self._listener.pipeline(transaction=True) as pipe:
            pipe.get(EPOCH)
            pipe.get(HEARTBEAT)
            epoch_text, beat_text = pipe.execute()
        now = time.monotonic()
        if epoch_text is None:
            raise Unavailable("Redis holds no policy; the hub has to fill it")
        epoch = int(epoch_text)
        beat = json.loads(beat_text) if beat_text else {"time_s": -math.inf, "epoch": -1}
        is_newer = self._is_newer(beat["time_s"])
        if epoch < self._epoch and not (is_newer and beat["epoch"] == epoch):
            raise Unavailable(_SET_BACK)  # restored from a backup; the hub's next heartbeat says which one holds
        if is_newer:
            # The first heartbeat that is seen may be old: its age is told by the wall clocks.
            age_s = max(0.0, time.time() - beat["time_s"]) if math.isinf(self._beat[0]) else 0.0
            self._beat = (beat["time_s"], now - age_s)
        if epoch != self._epoch or has_missed:
            self._read(None, None)
        self._is_down = False
        self._confirmed = self._beat[1]
        silent_s = now - self._beat[1]
        self._tell("" if silent_s < _BEAT_S else f"the hub has been silent for {silent_s:.0f} s")

    def _is_newer(self, time_s: float) -> bool:
        """Whether the hub has beaten since the last look. Its clock may go back; then it goes on from there."""
        if time_s > self._beat[0]:
            is_newer = True
        else:
            is_newer = self._earlier_beat < time_s < self._beat[0]
            self._earlier_beat = time_s if math.isfinite(time_s) else math.inf
        if is_newer:
            self._earlier_beat = math.inf
        return is_newer

    def _read(self, kids: list[str] | None, change: int | None) -> None:
        """Read what is shared, and of these keys (or of all) those that are in memory.

        Args:
            kids: Key fingerprints; None for all.
            change: The change that named them. What is read may be newer; the changes in between are still to come.
        """
        with self._lock:
            self._generation += 1
            known = list(self._memory) if kids is None else [kid for kid in kids if kid in self._memory]
            for kid in kids or ():  # should Redis leave us now, nobody has the access that was taken away
                self._memory.pop(kid, None)
                self._strangers.discard(kid)
        with self._listener.pipeline(transaction=True) as pipe:
            pipe.get(EPOCH)
            pipe.hgetall(SHARED)
            if known:
                pipe.hmget(KEYS, known)
            epoch, shared, *rows = pipe.execute()
        fleet = _fleet(shared)
        pairs = ((kid, _registered(kid, row)) for kid, row in zip(known, rows[0] if rows else (), strict=True) if row)
        fresh = {kid: found for kid, found in pairs if found is not None}
        with self._lock:
            self._generation += 1  # what was looked up before this answer may be older than it
            if kids is None:
                self._memory, self._strangers = fresh, set()
            else:
                self._memory.update(fresh)
            if fleet != self._fleet:
                self._fleet = fleet
            self._epoch = int(epoch) if change is None else change

    def _failed(self, error: Exception) -> None:
        if not self._ending.is_set():
            self._is_down = True
            self._tell(str(error) or type(error).__name__)
        self._has_tried.set()

    def _tell(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            if problem:
                _log.warning("the policy stays as it is, for %g s: %s", self._max_stale_s, problem)
            else:
                _log.info("policy %d in Redis is confirmed by the hub", self._epoch)
        self._problem = problem


def _fleet(rows: dict[bytes, bytes]) -> Fleet:
    table = rows.get(b"fleet", b'{"servers":[],"models":{}}')
    return read_fleet(json.loads(rows.get(b"public", b"[]")), json.loads(table))


def _registered(kid: str, row: bytes) -> Registered | None:
    try:
        told = json.loads(row)
        key = load_public_key(told["key"])
        if fingerprint(key) != kid:
            raise InvalidInput("it is another key's")
        return Registered(read_robot(str(told["robot"]), told), key)
    except (RilaasError, ValueError, KeyError, TypeError) as error:
        _log.error("the entry of key %s in Redis is wrong, it has no access: %s", kid, error)
        return None


def _client(url: str, timeout_s: float) -> Any:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise MissingDependency(
            "A policy in Redis needs the package redis.", "Install it: pip install redis."
        ) from None
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )
    except ValueError as error:
        raise InvalidInput(f"{url.partition('@')[2] or url} is not the URL of a Redis: {error}.") from None
