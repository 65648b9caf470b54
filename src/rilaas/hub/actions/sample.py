"""People's own metrics: accepted at once, written a moment later, kept for a while.

A robot must never wait for the database, so that what it posts goes into a bounded queue, and a thread writes it. An
accepted sample is lost if the hub is killed within that moment; nothing else is promised of samples.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from django.db import DatabaseError, IntegrityError, close_old_connections, connection

from rilaas.core import InvalidInput, NotFound, RateLimited
from rilaas.hub.metrics.own import REGISTRY
from rilaas.hub.models import MetricSample, Model, Person, Robot
from rilaas.hub.queries.access import visible_models

_log = logging.getLogger("rilaas.hub")

MAX_SAMPLES_PER_POST = 1000
MAX_WAITING = 20_000  # about a tenth of a second of writing per 1000
KEPT = timedelta(days=7)
KEPT_PER_PERSON = 100_000
_SWEEP_EVERY_S = 60.0
_BATCH = 2000
_EARLY = timedelta(days=1)
_LATE = timedelta(minutes=1)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,99}")

_ACCEPTED = REGISTRY.counter("rilaas_hub_samples_accepted_total", "Samples of own metrics that were accepted.")
_REFUSED = REGISTRY.counter("rilaas_hub_samples_refused_total", "Samples refused because too many were waiting.")
_LOST = REGISTRY.counter("rilaas_hub_samples_lost_total", "Accepted samples that could not be written.")


@dataclass(frozen=True, slots=True)
class Posted:
    """A sample as it came in; ``at_s`` is seconds since 1970, None for now."""

    name: str
    unit: str
    value: float
    model: str = ""
    at_s: float | None = None


class SampleQueue:
    """Samples on their way to the database.

    Args:
        max_waiting: More are refused.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._waiting: queue.SimpleQueue[list[MetricSample]] = queue.SimpleQueue()
        self._count = 0
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stopping = False
        self._swept = -math.inf
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write from a thread from now on; before, ``put`` writes itself."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="rilaas-samples", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, and end the thread."""
        if self._thread is not None:
            self._stopping = True
            self._work.set()
            self._thread.join()
            self._thread = None

    def put(self, samples: Sequence[MetricSample]) -> None:
        """Take samples.

        Raises:
            RateLimited: Too many wait already; none of these was taken.
        """
        with self._lock:
            if self._count + len(samples) > self._max_waiting:
                _REFUSED.inc(len(samples))
                raise RateLimited(
                    f"{self._count} samples wait to be written; more than {self._max_waiting} are not taken.",
                    "Send less often, or again in a second.",
                )
            self._count += len(samples)
        _ACCEPTED.inc(len(samples))
        self._waiting.put(list(samples))
        self._work.set()
        if self._thread is None:
            self.write_waiting()

    def write_waiting(self) -> int:
        """Write what is waiting; returns how many samples."""
        written = 0
        while batch := self._batch():
            try:
                MetricSample.objects.bulk_create(batch)
            except IntegrityError:  # a robot or a model was deleted meanwhile
                for sample in batch:
                    with contextlib.suppress(IntegrityError):
                        sample.save(force_insert=True)
            except DatabaseError as error:
                _LOST.inc(len(batch))
                _log.warning("%d samples are lost: %s", len(batch), error)
            written += len(batch)
        return written

    def _batch(self) -> list[MetricSample]:
        batch: list[MetricSample] = []
        with contextlib.suppress(queue.Empty):
            while len(batch) < _BATCH:
                batch += self._waiting.get_nowait()
        with self._lock:
            self._count -= len(batch)
        return batch

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._work.wait(_SWEEP_EVERY_S)
                self._work.clear()
                close_old_connections()
                self.write_waiting()
                self._sweep()
            self.write_waiting()  # what came while the last batch was written
        finally:
            connection.close()

    def _sweep(self) -> None:
        if time.monotonic() - self._swept < _SWEEP_EVERY_S:
            return
        self._swept = time.monotonic()
        try:
            forget_old_samples()
        except DatabaseError as error:
            _log.warning("old samples could not be deleted: %s", error)


SAMPLES = SampleQueue()


def post_samples(person: Person, robot: Robot | None, rows: Sequence[Posted]) -> int:
    """Accept samples of a person's program or of a robot.

    Args:
        person: Whose they are; the owner of the robot.
        robot: Which robot sends them, or None.
        rows: At most ``MAX_SAMPLES_PER_POST``; taken all or none.

    Returns:
        How many were accepted.

    Raises:
        InvalidInput: A name, unit, value or time is wrong.
        NotFound: A model is not visible to the person.
        RateLimited: Too many are waiting.
    """
    if not 1 <= len(rows) <= MAX_SAMPLES_PER_POST:
        raise InvalidInput(f"There are {len(rows)} samples; valid are 1 to {MAX_SAMPLES_PER_POST} at once.")
    now = datetime.now(timezone.utc)
    models = _models(person, {row.model for row in rows if row.model})
    SAMPLES.put(
        [
            MetricSample(
                name=_checked_name(row.name),
                unit=_checked_unit(row.unit),
                value=_checked_value(row),
                at=_checked_time(row, now),
                robot=robot,
                person=person,
                model=models.get(row.model),
            )
            for row in rows
        ]
    )
    return len(rows)


def forget_old_samples() -> int:
    """Delete samples that are too old, and each person's oldest where there are too many; returns how many."""
    deleted = MetricSample.objects.filter(at__lt=datetime.now(timezone.utc) - KEPT).delete()[0]
    for person in MetricSample.objects.order_by().values_list("person", flat=True).distinct():
        mine = MetricSample.objects.filter(person=person).order_by("-at")
        oldest = mine.values_list("at", flat=True)[KEPT_PER_PERSON : KEPT_PER_PERSON + 1].first()
        if oldest is not None:
            deleted += mine.filter(at__lte=oldest).order_by().delete()[0]
    return deleted


def _models(person: Person, refs: Iterable[str]) -> dict[str, Model]:
    wanted = sorted(refs)
    if not wanted:
        return {}
    names = [ref.partition("/")[2] for ref in wanted]
    rows = visible_models(person).select_related("owner").filter(name__in=names)
    found = {str(model): model for model in rows}
    for ref in wanted:
        if ref not in found:
            raise NotFound(f"There is no model {ref[:130]!r}, or it is not shared with you.", "Write owner/name.")
    return found


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:100]!r} is not the name of a metric.",
            "It begins with a letter and has at most 100 letters, digits, '_', '.', ':', '/', '-'.",
        )
    return name


def _checked_unit(unit: str) -> str:
    if len(unit) > 20 or not unit.isprintable():
        raise InvalidInput(
            f"{unit[:20]!r} is not a unit.", "It has at most 20 printable characters: m, s, 1, rad/s, degC."
        )
    return unit


def _checked_value(row: Posted) -> float:
    if not math.isfinite(row.value):
        raise InvalidInput(f"The value of {row.name!r} is {row.value}; it is a finite number.")
    return row.value


def _checked_time(row: Posted, now: datetime) -> datetime:
    if row.at_s is None:
        return now
    earliest, latest = (now - _EARLY).timestamp(), (now + _LATE).timestamp()
    if not earliest <= row.at_s <= latest:  # NaN too
        raise InvalidInput(
            f"The time of {row.name!r} is {row.at_s} s; it is from a day ago ({earliest:.0f}) to now ({latest:.0f}).",
            "Send seconds since 1970 in UTC, or leave at_s away; compare the robot's clock.",
        )
    return datetime.fromtimestamp(row.at_s, timezone.utc)
