"""The last that the replicas of a model did and said, for whoever asks why one is not up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

LINES = 200
_MAX_CHARACTERS = 500  # of a line


class ReplicaLog:
    """The newest lines, each with its time in UTC; safe from any thread.

    Args:
        lines: How many are kept.
    """

    def __init__(self, lines: int = LINES) -> None:
        self._lines: deque[str] = deque(maxlen=lines)
        self._lock = threading.Lock()

    def note(self, text: str) -> None:
        """Write down what happened, on one line."""
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = f"{stamp} {' '.join(text.splitlines())}"
        with self._lock:
            self._lines.append(line[:_MAX_CHARACTERS])

    def listener(self, index: int) -> Callable[[str], None]:
        """What takes the lines that replica ``index`` writes to standard error."""
        return lambda text: self.note(f"[{index}] {text}")

    def tail(self, count: int = LINES) -> list[str]:
        """The last ``count`` lines, oldest first."""
        with self._lock:
            lines = list(self._lines)
        return lines[-count:] if count > 0 else []
