"""What a replica's process does to itself before anything of the model, or even numpy, is loaded.

``isolation.launch`` runs this file as a program, with the standard library alone; it lowers limits, cuts the network,
hides files, and turns into the replica. What it takes away it cannot get back, and neither can the model's code.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import runpy
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522

# The environment variable that ``replica`` reads; both files are named here, for this one imports nothing of rilaas.
ISOLATION = "RILAAS_ISOLATION"
_FILES_HIDDEN = "no files but the model's and the program's"


def confine(
    *, kind: str, memory_bytes: int, cpus: list[int], parent: int, visible: list[str], writable: tuple[str, ...] = ()
) -> str:
    """Confine this process for good.

    Args:
        kind: ``bwrap`` where bubblewrap has taken files and network away already, else ``process``.
        memory_bytes: Limit of the address space [bytes].
        cpus: Processors to stay on; empty for all.
        parent: Process id of who started us, with whom we die; 0 where that is seen to by others.
        visible: What stays readable, where files are not hidden by bubblewrap.
        writable: Folders that can be written to, where bubblewrap has not seen to that.

    Returns:
        What was reached, in words.
    """
    reached = ["bubblewrap", "no network", _FILES_HIDDEN]
    if kind == "process":
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if parent and os.getppid() != parent:
            sys.exit(0)  # who started us is gone already
        reached = ["process", "no network" if _leave_network() else "network not taken away"]
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if kind == "process":
        from rilaas.serve.landlock import hide_all_but

        reached.append(_FILES_HIDDEN if hide_all_but(visible, writable) else "files not hidden")
    if _try(lambda: resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))):
        reached.append(f"{memory_bytes // 2**20} MiB of memory")
    else:
        reached.append("memory not limited")
    _try(lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    if cpus and hasattr(os, "sched_setaffinity") and _try(lambda: os.sched_setaffinity(0, cpus)):
        reached.append(f"{len(cpus)} CPU" + ("s" if len(cpus) > 1 else ""))
    os.umask(0o077)
    return f"{reached[0]}: {', '.join(reached[1:])}"


def _leave_network() -> bool:
    """Move into an empty network; as root directly, else by way of a user namespace of our own."""
    if not _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET) and not _call("unshare", _CLONE_NEWNET):
        return False
    # A new user namespace gives all capabilities inside it, with which its network could be set up: drop them.
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())
    return True


def _call(name: str, *arguments: object) -> bool:
    """Call a function of the C library; whether it is there and succeeded."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    return function is not None and function(*arguments) == 0


def _try(action: Callable[[], None]) -> bool:
    try:
        action()
    except (OSError, ValueError):
        return False
    return True


def main() -> None:
    """Confine this process and become a replica; arguments after ``--`` are the replica's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=("bwrap", "process"), required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--cpus", default="")
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--path", action="append", default=[], help="where to find rilaas and what it needs")
    parser.add_argument("--visible", action="append", default=[])
    split = sys.argv.index("--")
    options = parser.parse_args(sys.argv[1:split])
    sys.path += [path for path in options.path if path not in sys.path]
    os.environ[ISOLATION] = confine(
        kind=options.kind,
        memory_bytes=options.memory_bytes,
        cpus=[int(number) for number in options.cpus.split(",") if number],
        parent=options.parent,
        visible=options.visible,
    )
    sys.argv[1:] = sys.argv[split + 1 :]
    runpy.run_module("rilaas.serve.replica", run_name="__main__")


if __name__ == "__main__":
    main()
