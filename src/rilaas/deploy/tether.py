"""A program that ties a process to its parent, lowers its limits, and then becomes it.

``service_process`` runs this file with the standard library alone::

    python -I -S tether.py --parent PID [--memory-bytes N] [--cpus 0,1] -- PROGRAM ARGUMENT...

When the parent ends, in whatever way, the kernel ends the process too (Linux; elsewhere it is not tied).
"""

import argparse
import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie, limit, and become the program; ends with exit code 127 where there is none."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--memory-bytes", type=int, default=0)
    parser.add_argument("--cpus", default="")
    split = sys.argv.index("--")
    options = parser.parse_args(sys.argv[1:split])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if options.parent != os.getppid():
            sys.exit(0)  # it has gone already
        if options.cpus:
            os.sched_setaffinity(0, [int(number) for number in options.cpus.split(",")])
    if options.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (options.memory_bytes, options.memory_bytes))
    program = sys.argv[split + 1 :]
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.stderr.write(f"error: {program[0]} cannot be started: {error.strerror}.\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
