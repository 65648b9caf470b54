"""Starting a replica in the best isolation that this machine allows, and saying which that is.

``bwrap``
    A sandbox by bubblewrap (a Debian package; needs user namespaces): the model's code sees no file but its own and
    the program's, writes to two small scratch folders that vanish, and reaches no network and no other process.
``process``
    A plain process that gives up what the kernel lets it give up: the network where user namespaces or root allow
    it, files other than its own and the program's, and all writing, where there is Landlock (Linux 5.13). It can
    still connect to services that listen on a socket in the file system, if its user may.

In both: a memory limit, processors of its own, a cleared environment, no new privileges, and death with its parent.
Neither limits how many processes a model's code starts; its processors are all that those can take from others.

``auto`` takes the first kind that works. The replica's socket is made here and handed over, so that the replica needs
no folder that it can write to.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rilaas.core import InvalidInput, MissingDependency, did_you_mean
from rilaas.serve import bubblewrap, confine
from rilaas.serve.launched import Launched, Start
from rilaas.store import Limits

__all__ = ["KINDS", "READY_S", "Launched", "describe", "environment_of", "launch", "reachable"]

KINDS = ("auto", "bwrap", "process")
READY_S = 60.0

_starts = itertools.count()


def launch(
    folder: Path | str,
    socket_path: Path | str,
    *,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    threads: int = 1,
    isolation: str = "auto",
    timeout_s: float = READY_S,
    name: str = "",
    heard: Callable[[str], None] | None = None,
    given_up: threading.Event | None = None,
) -> Launched:
    """Start a replica and wait until it answers on its socket. Blocks; may be called from any thread.

    Args:
        folder: The model folder.
        socket_path: The unix socket to make; an old one at this path is replaced.
        limits: What the replica may use.
        threads: Threads that its backend computes with.
        isolation: One of ``KINDS``.
        timeout_s: How long loading may take [s].
        name: What it is called in logs and errors; the folder's name where empty.
        heard: Is told, in a thread of its own, each line that the replica writes to standard error.
        given_up: Set by whoever does not want it any more; it is killed then, if it is not ready yet.

    Raises:
        InvalidInput: There is no such kind, or the socket cannot be made.
        MissingDependency: Bubblewrap was asked for and does not work here.
        ModelFailed: The replica died or was not ready in time.
        RilaasError: The model cannot be loaded: the replica's own reason.
    """
    kind = reachable(isolation)
    model, path = Path(folder).resolve(), Path(socket_path)
    listener = _bind(path)
    try:
        command, environment = _command(kind, model, listener.fileno(), limits, threads)
        what = (command, environment, listener.fileno(), path, kind == "bwrap")
        start = Start(*what, name or model.name, limits, heard, given_up)
        return start.run(timeout_s)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        listener.close()


def reachable(isolation: str) -> str:
    """The kind of isolation that a request for one gets on this machine.

    Raises:
        InvalidInput: There is no such kind.
        MissingDependency: It does not work here.
    """
    if isolation not in KINDS:
        raise InvalidInput(f"There is no isolation {isolation!r}.", did_you_mean(isolation, KINDS))
    if isolation == "process":
        return "process"
    why = bubblewrap.why_not()
    if why and isolation == "bwrap":
        raise MissingDependency(
            f"There can be no sandbox: {why}.",
            "Install it (apt-get install bubblewrap) or choose the isolation process.",
        )
    return "process" if why else "bwrap"


def describe(isolation: str = "auto") -> str:
    """Say in words what ``launch`` would reach here, and what is missing to more."""
    kind = reachable(isolation)
    if kind == "bwrap":
        return "bubblewrap: no network, no files but the model's and the program's"
    why = bubblewrap.why_not()
    return f"process: no network and no other files where the kernel allows it{f'; {why}' if why else ''}"


def environment_of(threads: int) -> dict[str, str]:
    """All environment variables of a replica: nothing of ours is passed on."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "TMPDIR": "/tmp",
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }


def _command(
    kind: str, folder: Path, listener: int, limits: Limits, threads: int
) -> tuple[list[str], dict[str, str]]:
    environment = environment_of(threads)
    roots = bubblewrap.import_roots()
    inside = [*bubblewrap.python_folders(), *roots, folder]
    words = [sys.executable, "-I", "-B", str(Path(confine.__file__).resolve())]
    words += ["--kind", kind, "--memory-bytes", str(limits.memory_bytes), "--cpus", _cpus(limits.cpus)]
    for root in roots:
        words += ["--path", str(root)]
    if kind == "process":
        words += ["--parent", str(os.getpid())]
        for place in (*bubblewrap.SYSTEM_FOLDERS, *bubblewrap.SYSTEM_FILES, *inside):
            words += ["--visible", str(place)]
    words += ["--", "--folder", str(folder), "--socket-fd", str(listener), "--threads", str(threads)]
    if kind == "bwrap":
        words = bubblewrap.sandbox(inside, environment) + words
    return words, environment


def _cpus(count: int) -> str:
    """Processors for the next replica: neighbours take turns; '' where it may use all."""
    if not hasattr(os, "sched_getaffinity"):
        return ""
    allowed = sorted(os.sched_getaffinity(0))
    if count >= len(allowed):
        return ""
    first = next(_starts) * count
    return ",".join(str(allowed[(first + offset) % len(allowed)]) for offset in range(count))


def _bind(path: Path) -> socket.socket:
    """A bound unix socket that does not listen yet: who connects is refused until the replica is ready."""
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise InvalidInput(
            f"The socket {path} cannot be made: {why}.", "Its path may have at most 107 bytes."
        ) from None
    return listener
