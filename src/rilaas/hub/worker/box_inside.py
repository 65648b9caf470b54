"""What runs in a box: it shuts itself in before anything of rilaas, or even numpy, is loaded.

``box.Box`` runs this file as a program. It takes a line of JSON from standard input, gives it to one of ``PROGRAMS``,
and prints lines of JSON; what strangers' code prints goes to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

PROGRAMS = {"optimize": "rilaas.hub.worker.optimizing"}
_MAX_FILE_BYTES = 4 * 2**30


def main() -> int:
    """Shut this process in, and do what standard input says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=("bwrap", "process"), required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--program", choices=tuple(PROGRAMS), required=True)
    parser.add_argument("--writable", required=True)
    parser.add_argument("--path", action="append", default=[])
    parser.add_argument("--visible", action="append", default=[])
    options = parser.parse_args()
    sys.path += [path for path in options.path if path not in sys.path]
    job = json.loads(sys.stdin.readline())
    said = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a model's code prints is no word of ours
    from rilaas.serve.confine import confine

    isolation = confine(
        kind=options.kind,
        memory_bytes=options.memory_bytes,
        cpus=[],
        parent=options.parent,
        visible=options.visible,
        writable=(options.writable,),
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE_BYTES, _MAX_FILE_BYTES))

    def tell(what: dict[str, Any]) -> None:
        said.write(json.dumps(what) + "\n")

    tell({"isolation": isolation})
    return _run(PROGRAMS[options.program], job, tell)


def _run(module: str, job: dict[str, Any], tell: Any) -> int:
    """Call a program's ``run``; its error is told in words."""
    from rilaas.core import RilaasError

    try:
        importlib.import_module(module).run(job, tell)
    except RilaasError as error:
        tell({"failed": {"code": error.code, "message": error.message, "hint": error.hint}})
    except MemoryError:
        tell({"failed": {"code": "model_failed", "message": "It needs more memory than it may use.", "hint": ""}})
    except Exception as error:  # of the model's own code, mostly
        traceback.print_exc()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        message = f"{type(error).__name__}: {error!s:.2000} (in {place})"
        tell({"failed": {"code": "model_failed", "message": message, "hint": "Is the model's own code right?"}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
