"""Which processes there are for a folder: what a fleet started, and whether it left something behind."""

import contextlib
from pathlib import Path


def processes_of(folder):
    """Command lines, by process, of all that name a folder and are still there."""
    found = {}
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = line.read_bytes().decode(errors="replace").split("\0")
            if any(str(folder) in word for word in words):
                found[int(line.parent.name)] = words
    return found
