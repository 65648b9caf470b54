"""Standard error without what native libraries write there and nobody asked for."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator

_lock = threading.RLock()


@contextlib.contextmanager
def standard_error_without(*noise: bytes) -> Iterator[None]:
    """Drop lines of standard error, for the time of a ``with``; all others are passed on when it ends.

    Native libraries write to the file descriptor itself, which no Python object can stop.

    Args:
        noise: Lines that have one of these in them are dropped.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock)
        try:
            own = os.dup(2)
        except OSError:  # a process without standard error
            yield
            return
        stack.callback(os.close, own)
        kept = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(own, 2)
            kept.seek(0)
            others = b"".join(line for line in kept if not any(each in line for each in noise))
            if others:
                os.write(2, others)
