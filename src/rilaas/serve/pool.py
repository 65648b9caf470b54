"""The replicas of one model: started, watched, restarted, asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rilaas.core import ModelRef, RilaasError, Unavailable
from rilaas.serve.isolation import Launched, launch
from rilaas.serve.line import Line
from rilaas.serve.link import ReplicaLink
from rilaas.serve.log import ReplicaLog
from rilaas.serve.starting import launched_aside, to_the_end
from rilaas.store import Limits, read_model_folder

_log = logging.getLogger("rilaas.serve")

FIRST_PAUSE_S = 0.5  # before the first restart; doubles to LAST_PAUSE_S while a replica keeps dying young
LAST_PAUSE_S = 30.0
YOUNG_S = 10.0
STOP_GRACE_S = 5.0
_DRAIN_STEP_S = 0.02


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What to run, and how often.

    Attributes:
        ref: Name and version under which it is served.
        folder: The model folder.
        replicas: Processes that hold it.
        threads: Threads of a replica's backend.
        limits: Memory and processors of a replica.
        isolation: ``auto``, or a kind that ``isolation.launch`` knows.
    """

    ref: ModelRef
    folder: Path
    replicas: int = 1
    threads: int = 1
    limits: Limits = field(default_factory=Limits)
    isolation: str = "auto"


class Pool:
    """All replicas of one model version.

    Args:
        served: What to run.
        sockets: Folder for the unix sockets; this pool's alone.
        log: Where its events and its replicas' words go; a log of its own where None.
    """

    def __init__(self, served: ServedModel, sockets: Path, log: ReplicaLog | None = None) -> None:
        self.served = served
        self.log = log or ReplicaLog()
        self.has_started = False
        self.reason = "starting"
        self.digest = ""
        self.isolation = ""
        self.restarts = 0
        self.at_once = 1  # requests that one replica computes at once
        self.sockets = sockets
        self._links: list[ReplicaLink] = []
        self._line = Line()
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether a replica can answer."""
        return bool(self._links)

    @property
    def replicas_ready(self) -> int:
        """How many replicas can answer."""
        return len(self._links)

    @property
    def slots(self) -> int:
        """How many requests are computed at once, if they come."""
        return len(self._links) * self.at_once

    @property
    def in_flight(self) -> int:
        """Requests that wait or are computed, whether somebody waits for their answers or not."""
        return len(self._line) + sum(link.owed for link in self._links)

    async def start(self) -> None:
        """Start all replicas and return when they are ready.

        Raises:
            RilaasError: A replica cannot load its model: its own reason.
        """
        for index in range(self.served.replicas):
            launched, link = await self._launch(index)
            self._watchers.append(asyncio.ensure_future(self._watch(index, launched, link)))
        self.has_started = True

    async def drain(self, timeout_s: float) -> None:
        """Wait until no request is in flight, at most ``timeout_s``; whoever calls it sends no new ones."""
        until = time.monotonic() + timeout_s
        while (self._line or any(link.in_flight for link in self._links)) and time.monotonic() < until:
            await asyncio.sleep(_DRAIN_STEP_S)

    async def stop(self) -> None:
        """Stop watching and end the replicas; who waits for an answer is told that they ended: ``drain`` first."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def infer(self, body: bytes, deadline: float | None) -> bytes:
        """Ask the replica that is free first; see ``Service.infer``."""
        if not self._links:
            raise self._down()
        return await self._line.infer(body, deadline)

    async def metadata(self) -> bytes:
        """The replica's own metadata."""
        if not self._links:
            raise self._down()
        return await self._links[0].metadata()

    def _down(self) -> Unavailable:
        return Unavailable(f"No replica of {self.served.ref} is up ({self.reason}).", "Try again in a moment.")

    async def _launch(self, index: int) -> tuple[Launched, ReplicaLink]:
        place = self.served
        socket = self.sockets / f"{index}.sock"
        self.log.note(f"replica {index} of {place.ref} starts")
        given_up = threading.Event()
        start = partial(
            launch,
            place.folder,
            socket,
            limits=place.limits,
            threads=place.threads,
            isolation=place.isolation,
            name=str(place.ref),
            heard=self.log.listener(index),
            given_up=given_up,
        )
        try:
            launched = await launched_aside(start)
        except (RilaasError, OSError) as error:
            self.log.note(f"replica {index} of {place.ref} did not start: {error}")
            raise
        except asyncio.CancelledError:
            given_up.set()
            raise
        try:
            link = await ReplicaLink.connect(socket)
        except BaseException:
            await to_the_end(asyncio.to_thread(launched.stop, STOP_GRACE_S))
            raise
        self._links.append(link)
        self._line.join(link, launched.at_once if place.replicas > 1 else math.inf)
        link.closed.add_done_callback(lambda _: self._drop(link))  # before whoever asked it can ask again
        self.reason, self.digest, self.isolation = "", launched.version, launched.isolation
        self.at_once = launched.at_once
        said = f"replica {index} of {place.ref} is ready (pid {launched.process.pid}, {launched.isolation})"
        _log.info("%s", said)
        self.log.note(said)
        return launched, link

    async def _watch(self, index: int, launched: Launched, link: ReplicaLink) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            born = time.monotonic()
            grace_s = STOP_GRACE_S
            try:
                if await self._hangs(link):
                    said = f"replica {index} of {self.served.ref} hangs: no answer for {link.silent_s:g} s"
                    _log.warning("%s", said)
                    self.log.note(said)
                    grace_s = 0.0
            finally:
                self._drop(link)
                code = await to_the_end(asyncio.to_thread(launched.stop, grace_s))
                self.log.note(f"replica {index} of {self.served.ref} ended with {_ending(code)}")
            pause_s = FIRST_PAUSE_S if time.monotonic() - born > YOUNG_S else min(LAST_PAUSE_S, 2 * pause_s)
            self.restarts += 1
            launched, link = await self._relaunch(index, pause_s)

    async def _hangs(self, link: ReplicaLink) -> bool:
        """Wait until a replica ends (False) or owes an answer for too long (True)."""
        while link.silent_s <= self.served.limits.answer_s:
            await asyncio.wait((link.closed,), timeout=min(1.0, self.served.limits.answer_s))
            if link.closed.done():
                return False
        return True

    async def _relaunch(self, index: int, pause_s: float) -> tuple[Launched, ReplicaLink]:
        while True:
            self.reason = f"died; restart in {pause_s:g} s"
            _log.warning("replica %d of %s %s", index, self.served.ref, self.reason)
            self.log.note(f"replica {index} of {self.served.ref} {self.reason}")
            await asyncio.sleep(pause_s)
            try:
                return await self._launch(index)
            except (RilaasError, OSError) as error:  # OSError: no memory or file descriptors just now
                self.reason = str(error)
                pause_s = min(LAST_PAUSE_S, 2 * pause_s)

    def _drop(self, link: ReplicaLink) -> None:
        if link in self._links:
            self._links.remove(link)
            self.reason = self.reason or "its process ended"
            self._line.leave(link, self._down())
        link.close()


def _ending(code: int) -> str:
    """An exit code in words; bubblewrap gives 128 and the number of a signal."""
    number = -code if code < 0 else code - 128
    if 0 < number < signal.NSIG:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(number).name}"
    return f"exit code {code}"


def served_model(text: str, *, replicas: int = 1, threads: int = 1, isolation: str = "auto") -> ServedModel:
    """Read ``[REF=]FOLDER``: a model folder, served under its own name and version 1 unless REF says otherwise.

    Raises:
        InvalidModelFolder: The folder is wrong.
        InvalidInput: The reference is.
    """
    ref, _, folder = text.rpartition("=")
    found = read_model_folder(Path(folder))
    name = ModelRef.parse(ref) if ref else ModelRef(found.manifest.name)
    if not name.version:
        name = replace(name, version="1")
    return ServedModel(name, found.path, replicas, threads, found.manifest.limits, isolation)
