"""The worker's process: ``python -m rilaas.hub.worker``; ``hub.background`` keeps it beside the hub."""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import sys
from pathlib import Path

from rilaas.hub.worker.ending import Ending

_log = logging.getLogger("rilaas.hub.worker")

_TIDY_S = 1.0
_CLEAN_EVERY = 3600  # rounds of tidying
_END_S = 5.0  # how long jobs may take to stop


def main() -> None:
    """Say in a line that it works, then do jobs until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m rilaas.hub.worker", description=__doc__)
    parser.add_argument("--long", type=int, default=1, metavar="N", help="long jobs at once")
    options = parser.parse_args()
    over = Ending()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rilaas.hub.settings")
    import django

    from rilaas.observe import set_up_logs

    django.setup()
    set_up_logs("info")
    sys.stdout.write(json.dumps({"pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    _run(over, options.long)


def _run(over: Ending, long: int) -> None:
    from rilaas.hub.blob_store import home
    from rilaas.hub.worker.kind import LANES, LONG, kinds
    from rilaas.hub.worker.lane import Lane
    from rilaas.hub.worker.replica import WARM

    lock = _alone(home(), over)
    if lock is None:
        return
    lanes = [
        Lane({key: kind for key, kind in kinds().items() if kind.lane == name}, f"{name} jobs {i}")
        for name in LANES
        for i in range(long if name == LONG else 1)
    ]
    for lane in lanes:
        lane.start()
    _log.info("the worker takes jobs")
    rounds = 0
    while True:
        _tidy(rounds % _CLEAN_EVERY == 0)
        rounds += 1
        if over.wait(_TIDY_S):
            break
    for lane in lanes:
        lane.end()
    ended = [lane.join(_END_S) for lane in lanes]
    WARM.close()
    os.close(lock)
    if not all(ended):
        os._exit(0)  # what is still running counts for nothing: its lease runs out


def _tidy(thoroughly: bool) -> None:
    from django.db import Error, connection

    from rilaas.hub.actions.job_attempt import requeue_lost
    from rilaas.hub.worker.clean import clean
    from rilaas.hub.worker.replica import WARM

    try:
        requeue_lost()
        WARM.drop_old()
        if thoroughly:
            clean()
    except (Error, OSError) as error:
        _log.warning("tidying up failed: %s", error)
        connection.close()


def _alone(home: Path, over: Ending) -> int | None:
    """Wait until no other worker is at work on this home; None where the end came first."""
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(home / "worker.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    while not _locked(handle):
        if over.wait(0.2):
            os.close(handle)
            return None
    return handle


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
