"""Structured logs, one event a line: text for a person at a terminal, JSON for a program.

Everything goes through the standard library's ``logging`` under the name ``rilaas``; a program that embeds us keeps
its own handlers and never sees ours unless it calls ``set_up_logs``.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, TextIO

LEVELS = ("debug", "info", "warning", "error")
_FIELDS = "rilaas_fields"

logging.getLogger("rilaas").addHandler(logging.NullHandler())


def log_event(logger: logging.Logger, level: int, event: str, **fields: object) -> None:
    """Log what happened, with its circumstances as named fields.

    Args:
        logger: ``logging.getLogger("rilaas.route")`` and the like.
        level: ``logging.INFO`` and the like.
        event: A constant phrase, so that logs can be grouped by it.
        fields: Values with units in their names; no secrets.
    """
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={_FIELDS: fields})


def set_up_logs(level: str = "info", *, stream: TextIO | None = None, as_json: bool | None = None) -> logging.Handler:
    """Send our logs to a stream, in place of an earlier call's.

    Args:
        level: One of ``LEVELS``.
        stream: Standard error where None.
        as_json: None writes text where the stream is a terminal, JSON elsewhere.

    Returns:
        The handler, so that a test or an embedding program can take it away again.
    """
    stream = stream or sys.stderr
    if as_json is None:
        as_json = not stream.isatty()
    logger = logging.getLogger("rilaas")
    for old in [handler for handler in logger.handlers if isinstance(handler, _Handler)]:
        logger.removeHandler(old)
    handler = _Handler(stream)
    handler.setFormatter(_JsonLine() if as_json else _TextLine())
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    return handler


if TYPE_CHECKING:
    _Stream = logging.StreamHandler[TextIO]
else:
    _Stream = logging.StreamHandler  # Python 3.10 cannot subscript it


class _Handler(_Stream):
    """Ours, to be told from an embedding program's."""


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, _FIELDS, {})
    return fields


def _stamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _stamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update({name: value for name, value in _fields(record).items() if name not in line})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class _TextLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        room = record.name.removeprefix("rilaas").lstrip(".") or "rilaas"
        parts = [_stamp(record)[11:], f"{record.levelname.lower():<7}", f"{room}:", _plain(record.getMessage())]
        parts += [f"{name}={_value(value)}" for name, value in _fields(record).items()]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _value(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if text and text.isprintable() and not set(' "=') & set(text) else json.dumps(text)


def _plain(text: str) -> str:
    """Text that cannot begin a new line or move the cursor."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
