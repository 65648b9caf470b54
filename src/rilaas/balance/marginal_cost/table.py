"""The figures of all queues as arrays, so that a decision is a few operations on rows."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.marginal_cost.queue import Queue

Floats = NDArray[np.float64]

(
    FIRST,  # when the first slot is free [s]
    DRAINED,  # when the work ahead has drained to a free slot is DRAINED + now * DRIFT [s]
    SECOND,  # when the second slot is free [s]
    DRIFT,  # by how much that moves with time: running work has no memory where service times are exponential
    WORK,  # what all jobs still take is WORK - now * GOES [s]
    GOES,
    SURE,  # weight of the expected free times in a wait: 1 - theta
    LOOSE,  # weight of the drained work in a wait: theta where all slots are taken, else 0
    SURE_NEXT,  # the same two for a request after the next
    LOOSE_NEXT,
    IDLE,  # idle slots after one more placement, as a share
    IDLE_FOUR,  # the same up to four, over four
    COUNT,  # requests there
    SLOTS,
    THETA,  # squared coefficient of variation of service times, 0 to 1
    DUE,  # when an answer should have come at the latest [s]
    REST,  # left alone until then [s]
    FLOW,  # work placed there lately [s]: an exponential window
    FLOW_AT,  # when it was counted [s]
    WINDOW,  # over which it is counted [s]
    CROWD_LAST,  # others' requests there in the newest report
    CROWD_MEAN,  # and on average
    HEARD,  # when that was heard [s]
) = range(23)
ROWS: Final = 23
WINDOW_SERVICES, LEAST_WINDOW_S = 15.0, 4.0  # of ``FLOW``: in mean service times, and at least
_FIGURES = 17  # rows that ``write_queue`` writes
UP, SERVICE, DOWN, UNKNOWN = range(4)  # of ``Table.times``
_CHANGE = 0.01  # of a time: smaller ones are not written, for what is made from times is kept


class Table:
    """Figures by queue (column) and by model (row); both grow as servers and models are met.

    Attributes:
        state: (23, Q) float64, rows as named above.
        times: (4, M, Q) float64: mean seconds up, in the model and down, and 1 where they are only guessed.
        version: Another number whenever ``times`` or slots have changed.
    """

    def __init__(self) -> None:
        self.state = np.zeros((ROWS, 4))
        self.times = np.zeros((4, 2, 4))
        self.version = 0
        self._columns = 0
        self._free: list[int] = []

    def add_column(self) -> int:
        """A column for a new queue."""
        self.version += 1
        if self._free:
            return self._free.pop()
        if self._columns == self.state.shape[1]:
            self.state = np.concatenate([self.state, np.zeros_like(self.state)], axis=1)
            self.times = np.concatenate([self.times, np.zeros_like(self.times)], axis=2)
        self._columns += 1
        return self._columns - 1

    def drop_column(self, column: int) -> None:
        """The queue of a column is gone."""
        self.version += 1
        self.state[:, column] = 0.0
        self.times[:, :, column] = 0.0
        self._free.append(column)

    def grow_rows(self, models: int) -> None:
        """There are so many models."""
        self.version += 1
        while models > self.times.shape[1]:
            self.times = np.concatenate([self.times, np.zeros_like(self.times)], axis=1)

    def clear_row(self, row: int) -> None:
        """The model of a row is forgotten."""
        self.version += 1
        self.times[:, row] = 0.0

    def write_times(
        self, row: int, column: int, up_s: float, service_s: float, down_s: float, *, guessed: bool
    ) -> None:
        """How long a model takes in a queue; changes of less than a hundredth are not worth a new version."""
        cell = self.times[:, row, column]
        same = cell[UNKNOWN] == guessed
        for index, value in ((UP, up_s), (SERVICE, service_s), (DOWN, down_s)):
            same = same and abs(cell[index] - value) <= _CHANGE * value
        if not same:
            cell[:] = up_s, service_s, down_s, float(guessed)
            self.version += 1

    def write_queue(self, queue: Queue, theta: float, due_s: float, rest_s: float) -> None:
        """What is believed of a queue now, as ``queue.believe`` left it."""
        slots, count, now = queue.slots, len(queue.jobs), queue.believed_s
        goes = queue.busy * (1.0 - theta)
        drift = 1.0 - goes / slots
        idle = max(slots - count - 1, 0)
        column = self.state[:, queue.column]
        if column[SLOTS] != slots:
            self.version += 1
        column[:_FIGURES] = (
            queue.first_s,
            queue.drained_s - now * drift,
            queue.second_s,
            drift,
            queue.work_s + now * goes,
            goes,
            1.0 - theta,
            theta if count >= slots else 0.0,
            1.0 - theta,
            theta if count + 1 >= slots else 0.0,
            idle / slots,
            min(idle, 4) / 4.0,
            count,
            slots,
            theta,
            due_s,
            rest_s,
        )

    def count_work(self, column: int, now: float, work_s: float, mean_s: float) -> None:
        """So much work was placed in a queue where a request takes ``mean_s`` on average over models [s]."""
        cell = self.state[:, column]
        window = cell[WINDOW] or 1.0
        cell[FLOW] = cell[FLOW] * math.exp((cell[FLOW_AT] - now) / window) + work_s
        cell[FLOW_AT] = now
        cell[WINDOW] = max(LEAST_WINDOW_S, WINDOW_SERVICES * mean_s)

    def write_crowd(self, column: int, last: float, mean: float, heard_s: float) -> None:
        """What a report says of others' requests in a queue."""
        self.state[CROWD_LAST : HEARD + 1, column] = last, mean, heard_s
