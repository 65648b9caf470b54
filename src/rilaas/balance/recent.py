"""A memory of bounded size: servers and models may come and go for ever."""

from __future__ import annotations

from typing import Generic, TypeVar

from rilaas.balance.protocol import Request

K = TypeVar("K")
V = TypeVar("V")


class Recent(dict[K, V]):
    """A dict that forgets: ``keep`` puts a key at the end of the line, and the first in line leaves when it is full.

    Reading costs what it costs in a dict. A policy keeps again what it hears of, so what is forgotten is what was
    silent for longest.

    Args:
        limit: Keys that it holds at most.
    """

    def __init__(self, limit: int = 4096) -> None:
        super().__init__()
        self._limit = limit

    def keep(self, key: K, value: V) -> None:
        """Set a key, as the one heard of last."""
        self.pop(key, None)
        if len(self) >= self._limit:
            del self[next(iter(self))]
        self[key] = value


class Sent(Generic[V]):
    """What was noted of a request when its server was chosen, until its outcome comes.

    Requests are told apart by identity. Every choice has one outcome, so this holds what is in flight; should
    outcomes fail to come, the oldest notes are dropped.
    """

    def __init__(self) -> None:
        self._notes: Recent[int, tuple[Request, V]] = Recent(8192)

    def note(self, request: Request, value: V) -> None:
        """Remember a value for a request that is being sent."""
        self._notes.keep(id(request), (request, value))

    def take(self, request: Request) -> V | None:
        """The value that was noted, once; None for a request that was never sent."""
        note = self._notes.pop(id(request), None)
        return note[1] if note is not None and note[0] is request else None

    def __len__(self) -> int:
        return len(self._notes)
