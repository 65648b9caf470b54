"""A ``Service`` whose models run in replicas on this machine."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rilaas.balance import WARM_UP as WARM_UP_ID
from rilaas.core import (
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    ModelRef,
    NotFound,
    RilaasError,
    did_you_mean,
)
from rilaas.observe import Registry
from rilaas.serve.load import Load
from rilaas.serve.log import ReplicaLog
from rilaas.serve.pool import Pool, ServedModel
from rilaas.serve.service import Caller, ModelState
from rilaas.serve.starting import all_or_none
from rilaas.wire import MAX_MESSAGE_BYTES, peek

DRAIN_S = 30.0  # how long a version that is removed may take to answer what it was asked
_ADDED_BYTES = 4096  # what fronts and an interceptor add to an answer on its way


class LocalModels:
    """Model folders, each in its own replicas; more are added and removed while it serves.

    Of several versions of a model the last one that has started is the default.

    Args:
        served: What to run from the start; may be empty.
        registry: Where the metrics go.

    Raises:
        InvalidInput: The same version is named twice.
    """

    def __init__(self, served: Sequence[ServedModel] = (), registry: Registry | None = None) -> None:
        registry = registry or Registry()
        self._requests = registry.counter(
            "rilaas_serve_requests_total", "Requests answered, by outcome.", ("model", "version", "outcome")
        )
        self._seconds = registry.histogram(
            "rilaas_serve_request_seconds", "From the front to the answer of the replica.", ("model", "version")
        )
        self._ready = registry.gauge(
            "rilaas_serve_model_ready", "1 while a replica can answer.", ("model", "version")
        )
        self._restarts = registry.gauge("rilaas_serve_replica_restarts", "Replicas that died.", ("model", "version"))
        refs = [each.ref for each in served]
        if twice := [ref for ref in refs if refs.count(ref) > 1]:
            raise InvalidInput(f"{twice[0]} is named twice; a version is served once.", "Raise --replicas instead.")
        self._sockets = Path(tempfile.mkdtemp(prefix="rilaas-"))  # mode 700
        self._numbers = itertools.count()
        self._starting: set[ModelRef] = set()
        self._arrivals: Counter[str] = Counter()
        self._held: dict[ModelRef, Pool] = {}
        self._by_name: dict[str, Pool] = {}
        self._by_version: dict[tuple[str, str], Pool] = {}
        for each in served:
            self._enter(Pool(each, self._socket_folder()))

    @property
    def pools(self) -> list[Pool]:
        """The replicas of each version that is served or starting, in the order of adding."""
        return list(self._held.values())

    async def start(self) -> None:
        """Start all replicas side by side; if one model cannot load, none is left running."""
        try:
            await all_or_none([pool.start() for pool in self.pools])
        except BaseException:
            await self.stop()
            raise
        self._index()

    async def stop(self) -> None:
        """End all replicas."""
        await asyncio.gather(*(pool.stop() for pool in self.pools))
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def add(self, served: ServedModel, log: ReplicaLog | None = None) -> None:
        """Start one more version and return when it is ready.

        A version that is served already is replaced, in its place in the order: the new replicas take over when all
        of them are ready, and the old ones end when they have answered what they were asked.

        Args:
            served: What to run.
            log: Where its events and its replicas' words go.

        Raises:
            Conflict: This version is being started already.
            RilaasError: It cannot be loaded: the replica's own reason. What was served before still is.
        """
        ref = served.ref
        if ref in self._starting:
            raise Conflict(f"{ref} is being started already.", "Wait until it is ready or has failed.")
        pool = Pool(served, self._socket_folder(), log)
        old = self._held.get(ref)
        self._starting.add(ref)
        try:
            if old is None:
                self._enter(pool)
            await pool.start()
        except BaseException:
            if old is None:
                self._leave(ref)
            await self._end(pool)
            raise
        finally:
            self._starting.discard(ref)
        self._enter(pool)
        if old is not None:
            await self._retire(old)

    async def remove(self, ref: ModelRef) -> None:
        """Take no more requests for a version, answer those in flight, then end its replicas.

        Raises:
            NotFound: It is not served here.
            Conflict: It is being started.
        """
        if ref in self._starting:
            raise Conflict(f"{ref} is being started.", "Wait until it is ready, or break its start off.")
        if ref not in self._held:
            raise NotFound(f"{ref} is not served here.", did_you_mean(str(ref), map(str, self._held)))
        await self._retire(self._leave(ref))

    def _socket_folder(self) -> Path:
        folder = self._sockets / str(next(self._numbers))
        folder.mkdir()
        return folder

    def _enter(self, pool: Pool) -> None:
        ref = pool.served.ref
        self._held[ref] = pool
        labels = {"model": ref.model, "version": ref.revision}
        self._ready.follow(partial(_is_ready, pool), **labels)
        self._restarts.follow(partial(_restarts, pool), **labels)
        self._index()

    def _leave(self, ref: ModelRef) -> Pool:
        pool = self._held.pop(ref)
        for gauge in (self._ready, self._restarts):
            gauge.remove(model=ref.model, version=ref.revision)
        self._index()
        return pool

    def _index(self) -> None:
        self._by_version = {(ref.model, ref.revision): pool for ref, pool in self._held.items()}
        self._by_name = {}
        for ref, pool in self._held.items():
            known = self._by_name.get(ref.model)
            if known is None or pool.has_started or not known.has_started:
                self._by_name[ref.model] = pool

    async def _retire(self, pool: Pool) -> None:
        try:
            await pool.drain(min(DRAIN_S, pool.served.limits.answer_s))
        finally:
            await self._end(pool)

    async def _end(self, pool: Pool) -> None:
        await pool.stop()
        shutil.rmtree(pool.sockets, ignore_errors=True)

    async def infer(self, body: bytes, caller: Caller, deadline: float | None) -> bytes:
        """See ``Service.infer``."""
        seen = peek(body)
        pool = self._pool(seen.model, seen.version)
        ref = pool.served.ref
        start = time.monotonic()
        self._arrivals[ref.model] += seen.request_id != WARM_UP_ID
        if deadline is not None and deadline <= start:
            raise DeadlineExceeded("The deadline had passed before the request reached the model.")
        outcome = "internal"
        try:
            reply = _checked(await pool.infer(body, deadline), ref)
            outcome = "ok"
            return reply
        except RilaasError as error:
            outcome = error.code
            raise
        finally:
            self._requests.inc(model=ref.model, version=ref.revision, outcome=outcome)
            self._seconds.observe(time.monotonic() - start, model=ref.model, version=ref.revision)

    async def metadata(self, model: str, version: str, caller: Caller) -> bytes:
        """See ``Service.metadata``."""
        return await self._pool(model, version).metadata()

    def models(self, caller: Caller) -> Sequence[ModelState]:
        """See ``Service.models``."""
        return [
            ModelState(pool.served.ref.model, pool.served.ref.revision, pool.ready, pool.reason)
            for pool in self.pools
        ]

    def load(self) -> Load:
        """See ``TellsLoad.load``; it is told to one caller."""
        slots: dict[str, int] = {}
        in_flight = 0
        for ref, pool in self._held.items():
            slots[ref.model] = slots.get(ref.model, 0) + pool.slots
            in_flight += pool.in_flight
        return Load(in_flight, slots, dict(self._arrivals))

    def _pool(self, model: str, version: str) -> Pool:
        pool = self._by_version.get((model, version)) if version else self._by_name.get(model)
        if pool is not None:
            return pool
        versions = [each for each in self.pools if each.served.ref.model == model]
        if not versions:
            raise NotFound(f"No model {model!r} is served here.", did_you_mean(model, self._by_name))
        for each in versions:
            if len(version) >= 6 and each.digest.startswith(version):
                return each
        raise NotFound(
            f"Model {model!r} has no version {version!r} here.",
            did_you_mean(version, [each.served.ref.revision for each in versions]),
        )


def _checked(reply: bytes, ref: ModelRef) -> bytes:
    """An answer that may be handed on: on a stream, one that is no message would break those of other models.

    A model's own code runs in its replica and may send what it likes.
    """
    if len(reply) > MAX_MESSAGE_BYTES - _ADDED_BYTES:
        raise ModelFailed(
            f"The model {ref} gave an answer of {len(reply)} bytes; at most {MAX_MESSAGE_BYTES} can be sent."
        )
    try:
        peek(reply)
    except InvalidInput as error:
        raise ModelFailed(f"The model {ref} gave an answer that is no message: {error.message}") from None
    return reply


def _is_ready(pool: Pool) -> float:
    return float(pool.ready)


def _restarts(pool: Pool) -> float:
    return float(pool.restarts)
