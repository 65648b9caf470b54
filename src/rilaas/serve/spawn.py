"""Starting processes that are to die with this one.

A child's death signal comes when the *thread* that started it ends, so one thread that lives on starts them all.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_starter: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def spawn(popen: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Call ``popen`` in the thread that lives as long as this process.

    Raises:
        OSError: What ``popen`` raises where the program cannot be started.
    """
    global _starter
    with _lock:
        if _starter is None:
            _starter = ThreadPoolExecutor(1, thread_name_prefix="rilaas-starter")
    return _starter.submit(popen).result()
