"""The end of a process, from a signal handler."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class Ending:
    """Is told by SIGTERM and Ctrl-C that the process is to end.

    The handler writes a byte and takes no lock: Python runs it in the middle of whatever the main thread does, and a
    ``threading.Event`` that is set in there waits for ever where the main thread is just about to wait for it.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)

    def wait(self, timeout_s: float) -> bool:
        """Whether the end has come, or comes within the time."""
        return bool(select.select([self._reading], [], [], timeout_s)[0])

    def _tell(self, number: int, frame: FrameType | None) -> None:
        os.write(self._writing, b"x")  # never full: a pipe holds thousands
