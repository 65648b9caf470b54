"""What is written into logs of what strangers ask: no link that signs somebody in, and no more than a few lines."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

_LINK = re.compile(r"(/enter/)[^/\s?]+")
_LONGEST = 300  # characters of an address
PER_MINUTE = 60
_REFUSALS = (
    "csrf",
    "BadRequest",
    "DisallowedHost",
    "InvalidSessionKey",
    "RequestDataTooBig",
    "SuspiciousFileOperation",
    "SuspiciousMultipartForm",
    "SuspiciousOperation",
    "SuspiciousSession",
    "TooManyFieldsSent",
    "TooManyFilesSent",
)
_LOGGERS = ("django.request", *(f"django.security.{name}" for name in _REFUSALS))


class Refusals(logging.Filter):
    """Lets through so many lines a minute, short and without the secret of ``/enter/SECRET``; faults of ours all.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._minute, self._count = clock, -1, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; it is shortened."""
        if isinstance(record.args, tuple):
            record.args = tuple(_shown(each) if isinstance(each, str) else each for each in record.args)
        if record.name == "django.request" and record.levelno >= logging.ERROR:
            return True
        record.exc_info = None
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        return self._count <= PER_MINUTE


def quiet_refusals() -> None:
    """Do so from now on."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Refusals) for each in logger.filters):
            logger.addFilter(Refusals())


def _shown(text: str) -> str:
    return _LINK.sub(r"\1...", text)[:_LONGEST]
