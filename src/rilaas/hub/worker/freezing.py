"""Freezes an upload in a process of its own, which can be ended at any moment and may use only so much memory.

``python -m rilaas.hub.worker.freezing PARENT PATH FILENAME TARGET`` prints a line of JSON: ``{"info": ...}`` or
``{"error": ...}``.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

from rilaas.core import RilaasError

MEMORY_BYTES = 4 * 2**30
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Freeze, and say what became of it."""
    parent, path, filename, target = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(0)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from rilaas.store.dataset import freeze_dataset

    try:
        freeze_dataset(Path(path), filename, Path(target))
        said: dict[str, object] = {"frozen": True}
    except RilaasError as error:
        said = {"code": error.code, "message": error.message, "hint": error.hint}
    except MemoryError:
        said = {
            "code": "invalid_input",
            "message": f"{filename} needs more than {MEMORY_BYTES // 2**30} GiB of memory.",
            "hint": "Upload it in parts.",
        }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
