"""What the viewer of metrics is asked for: a range, a grouping, what to leave out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from rilaas.core import InvalidInput, did_you_mean
from rilaas.hub.metrics.source import Span

RANGES = {
    "5m": ("5 minutes", 300.0),
    "15m": ("15 minutes", 900.0),
    "1h": ("1 hour", 3600.0),
    "1d": ("1 day", 86400.0),
}
CUSTOM = "custom"
GROUPS = ("model", "robot", "server", "outcome")
_STEPS = 60
_LAG_S = 3.0  # services are read every 2 s: what is younger is not known yet
_LONGEST_S = 366 * 86400.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One look at the metrics; '' stands for all.

    Attributes:
        range: A key of ``RANGES``, or ``custom`` with ``start`` and ``end``.
        start: As a form sends it, in UTC: ``2026-11-21T14:00``.
        end: As ``start``.
        group: What lines and rows stand for.
        model: Only this one.
        robot: Only this one.
        server: Only this one.
        deadline_ms: Drawn as a line; '' where nobody said one.
    """

    range: str = "15m"
    start: str = ""
    end: str = ""
    group: str = "model"
    model: str = ""
    robot: str = ""
    server: str = ""
    deadline_ms: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Asked:
        """Read a form.

        Raises:
            InvalidInput: A range, a grouping, a time or the deadline is none.
        """
        values = {name: form.get(name, "").strip()[:140] for name in cls.__slots__}
        values["range"], values["group"] = values["range"] or "15m", values["group"] or "model"
        asked = cls(**values)
        if asked.range not in (*RANGES, CUSTOM):
            raise InvalidInput(f"There is no range {asked.range!r}.", did_you_mean(asked.range, (*RANGES, CUSTOM)))
        if asked.group not in GROUPS:
            raise InvalidInput(f"Nothing is grouped by {asked.group!r}.", did_you_mean(asked.group, GROUPS))
        asked.span()
        _ = asked.deadline_s
        return asked

    @property
    def deadline_s(self) -> float | None:
        """The deadline [s].

        Raises:
            InvalidInput: It is no positive number.
        """
        if not self.deadline_ms:
            return None
        try:
            value = float(self.deadline_ms)
        except ValueError:
            value = math.nan
        if not 0 < value < 1e6:
            raise InvalidInput(f"The deadline is {self.deadline_ms!r} ms; it is a positive number.")
        return value / 1e3

    @property
    def is_live(self) -> bool:
        """Whether it moves on with the time."""
        return self.range != CUSTOM

    def span(self, now_s: float | None = None) -> Span:
        """The steps to show.

        Raises:
            InvalidInput: The times are none, or in the wrong order.
        """
        if self.range in RANGES:
            length_s = RANGES[self.range][1]
            end_s = time.time() - _LAG_S if now_s is None else now_s
            return Span(end_s - length_s, end_s, length_s / _STEPS)
        start_s, end_s = _seconds(self.start), _seconds(self.end)
        if not 1.0 <= end_s - start_s <= _LONGEST_S:
            raise InvalidInput(f"The range is {end_s - start_s:g} s long; valid are 1 s to a year, from before to.")
        return Span(start_s, end_s, (end_s - start_s) / _STEPS)

    def shown(self) -> dict[str, Any]:
        """For the form, with the choices that are always the same."""
        ranges = [{"key": key, "title": title} for key, (title, _) in RANGES.items()]
        return {**asdict(self), "ranges": ranges, "groups": GROUPS}


def _seconds(text: str) -> float:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text!r} is not a time.", "A range of your own has a begin and an end in UTC: 2026-11-21T14:00."
        ) from None
