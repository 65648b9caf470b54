"""What a simulator keeps for the frames that it can still show."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.world.simulator import HISTORY

_T = TypeVar("_T")


class History(Generic[_T]):
    """The newest frames, ``HISTORY`` of them and one, each as whatever it can be drawn from.

    Args:
        first: Of frame 0.
    """

    def __init__(self, first: _T) -> None:
        self._newest = 0
        self._kept = deque([first], maxlen=HISTORY + 1)

    def add(self, number: int, taken: _T) -> None:
        """A frame was taken; where time went past others, what is before them cannot be shown any more."""
        if number != self._newest + 1:
            self._kept.clear()
        self._newest = number
        self._kept.append(taken)

    def at(self, number: int) -> _T:
        """What was kept of a frame.

        Raises:
            InvalidInput: There is no such frame yet, or it is too old.
        """
        oldest = self._newest + 1 - len(self._kept)
        if not oldest <= number <= self._newest:
            raise InvalidInput(f"Frame {number} cannot be shown; there are {oldest} to {self._newest}.")
        return self._kept[number - oldest]
