"""What an interceptor believes of one queue of a server: which of its own requests run there, and until when.

A queue is first come, first served over c slots. A request's service time is known by its mean alone, so a running
one is expected to go on for ``(1 - theta) * max(start + size - now, 0) + theta * size``, where theta is the squared
coefficient of variation: 0 for constant times, which run out, 1 for exponential ones, which have no memory. In
between that is a blend, not a law.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable
from typing import Final

_MOST_JOBS = 512  # outstanding; older ones are forgotten: their outcomes never came
ARRIVES: Final = 0
SIZE: Final = 1
STARTS: Final = 2
WAITS: Final = 3
FOUND: Final = 4


class Queue:
    """The requests sent to one queue and not yet answered, in the order of sending.

    Attributes:
        slots: Inferences at once.
        column: Where its figures stand in the policy's table.
        jobs: Each as [arrives_s, size_s, starts_s, waits_s, found]: on the server from, mean service time, since
            when it runs (``inf`` while it waits), how long it was expected to wait, and how many it found.
        first_s, second_s: When the first and the second slot are free [s]; in the past where they are.
        drained_s: When the work ahead has drained, at full rate, until a slot is free [s].
        busy: Jobs that run or are on their way to a free slot.
        work_s: What all jobs still take [s].
        ends_s: When the first running job is expected to end, even if that is past [s]; inf where none runs.
        believed_s: When these figures were made [s].
    """

    __slots__ = (
        "believed_s",
        "busy",
        "column",
        "drained_s",
        "ends_s",
        "first_s",
        "jobs",
        "second_s",
        "slots",
        "work_s",
    )

    def __init__(self, slots: int, column: int) -> None:
        self.slots = slots
        self.column = column
        self.jobs: dict[Hashable, list[float]] = {}
        self.first_s = self.second_s = self.drained_s = self.believed_s = -math.inf
        self.ends_s = math.inf
        self.work_s = 0.0
        self.busy = 0

    def send(self, key: Hashable, arrives_s: float, size_s: float, waits_s: float = 0.0) -> None:
        """A request is on its way."""
        if len(self.jobs) >= _MOST_JOBS:
            self.end(next(iter(self.jobs)), arrives_s)
        there = len(self.jobs)
        self.jobs[key] = [arrives_s, size_s, arrives_s if there < self.slots else math.inf, waits_s, there]

    def end(self, key: Hashable, ended_s: float) -> list[float] | None:
        """A request has left; whoever waited longest starts. Returns the job; None where it is not known."""
        job = self.jobs.pop(key, None)
        if job is not None and job[STARTS] != math.inf:
            for running, waiting in enumerate(self.jobs.values()):
                if waiting[STARTS] == math.inf:
                    if running < self.slots:  # there may be fewer than when they started
                        waiting[STARTS] = max(waiting[ARRIVES], ended_s)
                    break
        return job

    def has_left(self, left_s: float) -> None:
        """One of them left the server: who arrives later does not find it."""
        for job in self.jobs.values():
            if job[ARRIVES] >= left_s:
                job[FOUND] -= 1

    def arrived(self, by_s: float) -> int:
        """How many of the jobs are on the server by a time."""
        return sum(job[ARRIVES] <= by_s for job in self.jobs.values())

    def resize(self, slots: int) -> None:
        """The server has another number of slots than was believed."""
        self.slots = slots
        running = 0
        for job in self.jobs.values():
            running += job[STARTS] != math.inf
        for job in self.jobs.values():
            if running >= slots:
                break
            if job[STARTS] == math.inf:
                job[STARTS] = job[ARRIVES]
                running += 1

    def believe(self, now: float, theta: float) -> None:
        """Make the figures from the jobs.

        Args:
            now: Monotonic clock [s].
            theta: Squared coefficient of variation of service times, 0 to 1.
        """
        slots = self.slots
        free: list[float] = []
        busy, work, mean, ends = 0, 0.0, 0.0, math.inf
        waiting = False
        for _, size, start, _, _ in self.jobs.values():
            if start == math.inf:
                work += size
                waiting = True
                continue
            end = start + size
            if start > now:
                work += end - now
            elif end > now:
                work += (1.0 - theta) * (end - now) + theta * size
            else:
                work += theta * size
            mean += size
            busy += 1
            if end < ends:
                ends = end
            free.append(end if end > now else now)
        free = free[:slots]
        free.extend([now] * (slots - len(free)))
        if waiting:
            heapq.heapify(free)
            for arrives, size, start, _, _ in self.jobs.values():
                if start == math.inf:
                    heapq.heapreplace(free, max(free[0], arrives) + size)
        free.sort()
        self.first_s = free[0]
        self.second_s = free[1] if slots > 1 else math.inf
        if busy:
            mean /= busy
        self.drained_s = now + work / slots - (slots - 1) / slots * mean
        self.busy, self.work_s, self.ends_s, self.believed_s = busy, work, ends, now
