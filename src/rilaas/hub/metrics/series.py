"""One series of the window: a number over time, kept fine where it is young and coarse where it is old."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Every scrape for 16 minutes, then a point in 30 s for an hour, then one in 5 minutes for a day: at a scrape every
# 2 s that is at most 480 + 90 + 276 points of 16 bytes.
_TIERS_S = ((16 * 60.0, 0.0), (3600.0, 30.0), (24 * 3600.0, 300.0))

Points = tuple[bytes, bytes]  # float64 [s] and float64: times, rising, and values at them


class Series:
    """Points of a counter, with restarts of its process taken out, or of a gauge.

    Args:
        grows: Whether it is a counter.
    """

    __slots__ = ("_offset", "_raw", "_seen_s", "_times", "_values", "grows")

    def __init__(self, *, grows: bool) -> None:
        self.grows = grows
        self._times, self._values = array("d"), array("d")
        self._offset = self._raw = self._seen_s = 0.0

    @property
    def last_s(self) -> float:
        """When it was last seen."""
        return self._seen_s

    @property
    def value(self) -> float:
        """The last value."""
        return self._values[-1]

    def __len__(self) -> int:
        return len(self._times)

    def add(self, at_s: float, raw: float) -> None:
        """One reading, later than the one before; a counter that is lower than before was restarted from 0."""
        if self.grows and raw < self._raw:
            self._offset += self._raw
        self._raw = raw
        value = self._offset + raw
        if not self._times:
            self._push(at_s, value)
        elif value != self._values[-1]:
            if self._times[-1] < self._seen_s:  # it stood still until then
                self._push(self._seen_s, self._values[-1])
            self._push(at_s, value)
        self._seen_s = at_s

    def points(self) -> Points:
        """A copy of what is known."""
        return self._times.tobytes(), self._values.tobytes()

    def thin(self, now_s: float) -> None:
        """Forget what is too old, and of what is old all but the last point of each step."""
        times, values = array("d"), array("d")
        last_slot: tuple[float, float] | None = None
        for at_s, value in zip(self._times, self._values, strict=True):
            age_s = now_s - at_s
            step_s = next((step for bound, step in _TIERS_S if age_s <= bound), -1.0)
            slot = None if step_s == 0.0 else (step_s, at_s // step_s if step_s > 0 else 0.0)
            if slot is not None and slot == last_slot:
                times.pop()
                values.pop()
            times.append(at_s)
            values.append(value)
            last_slot = slot
        self._times, self._values = times, values

    def _push(self, at_s: float, value: float) -> None:
        self._times.append(at_s)
        self._values.append(value)


def growths(points: Sequence[Points], edges: NDArray[np.float64], rows: Sequence[int]) -> NDArray[np.float64]:
    """Growth of many series between times, added up by row; between two readings it is taken as even.

    Args:
        points: Of each series; none is empty.
        edges: (N + 1,) [s].
        rows: Which row a series belongs to, from 0.

    Returns:
        (max(rows) + 1, N).
    """
    counts = np.array([len(times) // 8 for times, _ in points])
    ends = np.cumsum(counts)
    times = np.frombuffer(b"".join([times for times, _ in points])) - edges[-1]
    values = np.frombuffer(b"".join([values for _, values in points]))
    first, last = times[ends - counts, None], times[ends - 1, None]
    # All series on one axis, one behind the other, so that they are one interpolation; each holds its first and last
    # value outside of what is known of it.
    apart_s = 1.0 + float(np.max(last) - np.min(first))
    behind = apart_s * np.arange(len(points))
    wanted = np.clip(edges - edges[-1], first, last) + behind[:, None]
    found = np.interp(wanted.ravel(), times + np.repeat(behind, counts), values).reshape(wanted.shape)
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(rows)[order], prepend=-1))
    added: NDArray[np.float64] = np.add.reduceat(np.diff(found, axis=1)[order], starts, axis=0)
    return added
